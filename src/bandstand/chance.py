"""Keyed chance: every random draw is a hash of what it is for, so that any decision can be made again."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import count

from bandstand.native import native

_DIGEST_BYTES = 8
_SPAN = 2.0**53  # a double holds 53 bits exactly, so the result is always below 1


def bits(*parts: str | int) -> int:
    """64 uniform bits that depend on `parts` alone: on their text, their number and their order.

    Each part is length-prefixed before hashing, so ("a", "bc") and ("ab", "c") are unrelated.
    """
    return int.from_bytes(_hash(parts).digest(), "big")


def uniform(*parts: str | int) -> float:
    """A number in [0, 1) that depends on `parts` alone.

    >>> uniform("decision-1", 0) == uniform("decision-1", 0)
    True
    >>> uniform("decision-1", 0) == uniform("decision-1", 1)
    False
    """
    return _span(_hash(parts))


def uniforms(*parts: str | int, first: int, count: int) -> list[float]:
    """`uniform(*parts, position)` for `count` positions from `first` on.

    >>> uniforms("decision-1", first=0, count=2) == [uniform("decision-1", 0), uniform("decision-1", 1)]
    True
    """
    common = b"".join(map(_prefixed, parts))
    found = None if native is None else native.uniforms(common, first, count)
    if found is None:
        found = [_span(_hash((*parts, position))) for position in range(first, first + count)]
    return found


def token(*parts: str | int) -> str:
    """A 16-digit hexadecimal name that depends on `parts` alone."""
    return f"{bits(*parts):016x}"


def ids(secret: bytes) -> Iterator[str]:
    """Endless names of 32 hexadecimal digits, none of which comes twice or is guessed without the secret (64 bytes at
    most). To ask the system for each would let go of Python's lock, and wait for it behind a busy thread."""
    return (hashlib.blake2b(b"%d" % number, key=secret, digest_size=16).hexdigest() for number in count())


def _span(digest: hashlib.blake2b) -> float:
    return (int.from_bytes(digest.digest(), "big") >> 11) / _SPAN


def _hash(parts: Iterable[str | int]) -> hashlib.blake2b:
    return hashlib.blake2b(b"".join(map(_prefixed, parts)), digest_size=_DIGEST_BYTES)


def _prefixed(part: str | int) -> bytes:
    text = str(part).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(4, "big") + text
