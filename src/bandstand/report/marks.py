"""Names as numbers of 64 bits, the same on every machine and in every reading."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

from bandstand.report.stretch import Ints
from bandstand.state import mark

_KNOWN: Final = 1 << 18
"""Names whose marks are remembered while the log is read: most come again soon."""


@lru_cache(maxsize=_KNOWN)
def marked(who: str) -> int:
    """The number of a unit: its mark, by which it can be found when it is to be forgotten."""
    return number(mark(who))


def number(token: str) -> int:
    """A mark as a number of 64 bits with a sign."""
    return int.from_bytes(bytes.fromhex(token), "little", signed=True)


def hashes(texts: Sequence[str]) -> Ints:
    """64 bits of each text, the same on every machine."""
    return np.frombuffer(b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts]), "<i8")
