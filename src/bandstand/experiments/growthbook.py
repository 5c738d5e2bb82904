"""Assignment as GrowthBook's libraries make it, so that an experiment begun there goes on here with the same units.

The version of the hash is the second one; namespaces still use the first, as they do there.

References
----------
GrowthBook, "Build your own SDK", specification 0.8.0; its test cases are in `tests/reference/growthbook_cases.json`.
"""

from collections.abc import Sequence
from typing import Final

_OFFSET: Final = 0x811C9DC5
_PRIME: Final = 0x01000193
_MASK: Final = 0xFFFFFFFF

Range = tuple[float, float]


def place(seed: str, value: str, *, version: int = 2) -> float | None:
    """Where in [0, 1) the unit `value` falls for `seed`; None for a version of the hash that does not exist.

    version 1: fnv(value + seed) mod 1000 / 1000; version 2: fnv(fnv(seed + value)) mod 10000 / 10000, the inner hash
    written in decimal. Version 1 makes experiments depend on each other, which is why there is a second.
    """
    match version:
        case 1:
            return (_fnv(value + seed) % 1000) / 1000
        case 2:
            return (_fnv(str(_fnv(seed + value))) % 10_000) / 10_000
        case _:
            return None


def equal_weights(count: int) -> list[float]:
    return [1 / count] * count if count > 0 else []


def ranges(count: int, *, coverage: float = 1.0, weights: Sequence[float] | None = None) -> list[Range]:
    """The part of [0, 1) of each of `count` variations.

    Each begins where it would at full coverage, so that raising the coverage moves nobody. Weights of another number
    than `count`, or whose sum is not 1 to within 0.01, are replaced by equal ones, as they are there.
    """
    coverage = min(max(coverage, 0.0), 1.0)
    if weights is None or len(weights) != count or not 0.99 <= sum(weights) <= 1.01:
        weights = equal_weights(count)
    found: list[Range] = []
    start = 0.0
    for weight in weights:
        found.append((start, start + coverage * weight))
        start += weight
    return found


def chosen(place: float, among: Sequence[Range]) -> int:
    """The first range that holds `place`, from its start up to before its end; -1 where none does."""
    for index, (start, end) in enumerate(among):
        if start <= place < end:
            return index
    return -1


def within(namespace: str, value: str, *, start: float, end: float) -> bool:
    """Whether a unit falls into this part of a namespace."""
    found = place(f"__{namespace}", value, version=1)
    return found is not None and start <= found < end


def _fnv(text: str) -> int:
    """FNV-1a, 32 bits, over UTF-16 code units: JavaScript's characters, which its first library hashed."""
    found = _OFFSET
    units = text.encode("ascii") if text.isascii() else memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    for unit in units:
        found = ((found ^ unit) * _PRIME) & _MASK
    return found
