"""Keyed chance: every random draw is a hash of what it is for, so that any decision can be made again."""

import hashlib

_DIGEST_BYTES = 8
_SPAN = 2.0**53  # a double holds 53 bits exactly, so the result is always below 1


def bits(*parts: str | int) -> int:
    """64 uniform bits that depend on `parts` alone: on their text, their number and their order.

    Each part is length-prefixed before hashing, so ("a", "bc") and ("ab", "c") are unrelated.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        text = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(4, "big"))
        digest.update(text)
    return int.from_bytes(digest.digest(), "big")


def uniform(*parts: str | int) -> float:
    """A number in [0, 1) that depends on `parts` alone.

    >>> uniform("decision-1", 0) == uniform("decision-1", 0)
    True
    >>> uniform("decision-1", 0) == uniform("decision-1", 1)
    False
    """
    return (bits(*parts) >> 11) / _SPAN


def token(*parts: str | int) -> str:
    """A 16-digit hexadecimal name that depends on `parts` alone."""
    return f"{bits(*parts):016x}"
