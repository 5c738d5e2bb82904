"""Assignment as Optimizely's libraries make it, so that an experiment begun there goes on here with the same units.

References
----------
Optimizely's python-sdk, `bucketer.py`; Appleby, MurmurHash3 (x86, 32 bits). Cases of its tests are in
`tests/reference/stats/constants.json`.
"""

from collections.abc import Sequence
from typing import Final

BUCKETS: Final = 10_000
_SEED: Final = 1
_MASK: Final = 0xFFFFFFFF


def bucket(parent: str, unit: str) -> int:
    """Which of 10,000 buckets the unit falls into, for the id of its experiment, or of its exclusion group."""
    return murmur3((unit + parent).encode(), seed=_SEED) * BUCKETS >> 32


def within(group: str, unit: str, *, start: float, end: float) -> bool:
    """Whether a unit falls into this part of an exclusion group."""
    return round(start * BUCKETS) <= bucket(group, unit) < round(end * BUCKETS)


def chosen(bucket: int, weights: Sequence[float], *, coverage: float = 1.0) -> int:
    """The variation whose part of the buckets holds this one, -1 where none does. Each part begins where it would at
    full coverage."""
    start = 0.0
    for index, weight in enumerate(weights):
        if round(start * BUCKETS) <= bucket < round((start + coverage * weight) * BUCKETS):
            return index
        start += weight
    return -1


def murmur3(data: bytes, *, seed: int = 0) -> int:
    """MurmurHash3, 32 bits."""
    found, whole = seed, len(data) & ~3
    for at in range(0, whole, 4):
        found ^= _mixed(int.from_bytes(data[at : at + 4], "little"))
        found = (((found << 13 | found >> 19) & _MASK) * 5 + 0xE6546B64) & _MASK
    if whole < len(data):
        found ^= _mixed(int.from_bytes(data[whole:], "little"))
    found ^= len(data)
    found = (found ^ found >> 16) * 0x85EBCA6B & _MASK
    found = (found ^ found >> 13) * 0xC2B2AE35 & _MASK
    return found ^ found >> 16


def _mixed(block: int) -> int:
    block = block * 0xCC9E2D51 & _MASK
    return ((block << 15 | block >> 17) & _MASK) * 0x1B873593 & _MASK
