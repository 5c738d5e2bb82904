"""Each item as one short vector, so that any two can be compared: of the vector that the caller gave, else of words."""

import math
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import Rows
from bandstand.candidates.content import terms
from bandstand.candidates.growing import grown
from bandstand.chance import bits
from bandstand.events import Features, ItemPut

Floats = npt.NDArray[np.float32]

# Of the ten nearest by TF-IDF among the items shipped, 98 % are among the 200 nearest by sketches this long, and 99.6 %
# with twice as many places; the ten nearest by sketches have an item's style in 89 % of cases, by TF-IDF in 97 %.
PLACES = 64
# A vector's numbers are rounded to multiples of 2^-11. The products of two are then multiples of 2^-22 and, for unit
# vectors, all sums of them below 2: a float32 holds each exactly, so no order of adding, no processor and no library
# changes a cosine. Rounding moves one by about 0.0002.
STEPS = 2048.0
# Longer ones than any embedding model makes are not heard: a projection takes 64 numbers for each of a vector's.
LONGEST_VECTOR = 8192


class Sketches(msgspec.Struct):
    """Unit vectors of PLACES numbers by row, 0 where an item has neither words nor a vector.

    A vector of n numbers is projected by random signs, Σ_i v_i s_i with s_i ∈ {−1, 1}^PLACES a hash of n and i, which
    keeps cosines up to about 1/√PLACES (Johnson and Lindenstrauss 1984; Achlioptas 2003, equation 1); one of at most
    PLACES numbers only takes places of its own, so its cosines stay as they are. Without one, each term adds its count
    times the signs of its hash (Weinberger, Dasgupta, Langford, Smola and Attenberg 2009, with a word in all places
    instead of one). How rare a word is does not count: with such weights, in so few places, fewer of the nearest by
    TF-IDF are found, 49 % instead of 59 % of 50.
    """

    vectors: Floats = msgspec.field(default_factory=lambda: np.zeros((0, PLACES), np.float32))

    def put(self, row: int, item: ItemPut) -> None:
        self.vectors = grown(self.vectors, row + 1)
        self.vectors[row] = sketch(item)

    def removed(self, row: int) -> None:
        if row < len(self.vectors):
            self.vectors[row] = 0

    def of(self, rows: Rows) -> Floats:
        """float32[n, PLACES]: the sketch of each row."""
        known = rows < len(self.vectors)
        if known.all():
            return self.vectors[rows]
        found = np.zeros((len(rows), PLACES), np.float32)
        found[known] = self.vectors[rows[known]]
        return found


def sketch(item: ItemPut) -> Floats:
    """float32[PLACES]: of unit length, or 0."""
    given = vector(item.features)
    if given is not None:
        return unit(given @ _projection(len(given)))
    counts = terms(item)
    if not counts:
        return np.zeros(PLACES, np.float32)
    weights = np.fromiter(counts.values(), np.float64, len(counts))
    return unit((_signs(list(map(_term, counts))) * weights[:, None]).sum(axis=0))


def vector(features: Features) -> Floats | None:
    """The vector that the caller gave, of unit length; None where there is none with a direction."""
    given = features.get("vector")
    if not isinstance(given, list) or not 0 < len(given) <= LONGEST_VECTOR:
        return None
    numbers = np.array(given)
    if numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all() or not numbers.any():
        return None
    found = unit(numbers)
    return found if found.any() else None


def unit(numbers: npt.NDArray[np.number]) -> Floats:
    """The same direction at length 1, each number rounded to one of the STEPS; 0 stays 0."""
    wide = numbers.astype(np.float64)
    largest = np.abs(wide).max(initial=0.0)
    if not largest > 0:
        return wide.astype(np.float32)
    wide /= largest  # so that no square is too large or too small
    return (np.rint(wide * (STEPS / math.sqrt(np.square(wide).sum()))) / STEPS).astype(np.float32)


@lru_cache(maxsize=16)
def _projection(length: int) -> Floats:
    """float32[length, PLACES]: what each number of a vector of this length adds to each place."""
    signs = _signs([bits("vector", length, at) for at in range(max(length, PLACES))]).astype(np.float32)
    if length > PLACES:
        return signs
    order = sorted(range(PLACES), key=lambda at: bits("place", length, at))[:length]
    places = np.zeros((length, PLACES), np.float32)
    places[np.arange(length), order] = signs[np.arange(length), 0]
    return places


@lru_cache(maxsize=65536)
def _term(word: str) -> int:
    return bits("term", word)


def _signs(hashes: list[int]) -> npt.NDArray[np.float64]:
    """float64[n, 64]: the bits of each hash, as 1 and -1."""
    octets = np.array(hashes, ">u8").view(np.uint8).reshape(len(hashes), 8)
    return np.unpackbits(octets, axis=1).astype(np.float64) * 2.0 - 1.0
