"""Sparse tables: for each key a list of places, each with a weight."""

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.candidates import Rows, Scores
from bandstand.native import native

Places = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]


class Lists(msgspec.Struct, frozen=True):
    """The list of key k lies in `places` and `weights` from `starts[k]` on, `lengths[k]` of them, rising.

    A key takes 8 bytes, and so does an entry.
    """

    starts: Places
    lengths: Places
    places: Places
    weights: Weights

    def __len__(self) -> int:
        return len(self.starts)

    def sums(self, keys: Rows, strengths: Scores, size: int) -> Scores:
        """float64[size]: for each place the sum of strength · weight over those of the keys in whose list it stands."""
        told = strengths.astype(np.float32)
        sums = np.zeros(size)
        if native is not None:
            tables = (self.starts, self.lengths, self.places, self.weights)
            native.listed(*tables, keys.astype(np.int32), told, sums)
            return sums
        by, at = self._entries(keys)
        inside = self.places[at] < size
        by, at = by[inside], at[inside]
        np.add.at(sums, self.places[at], self.weights[at] * told[by])
        return sums

    def between(self, keys: Rows, places: Rows) -> Weights:
        """float32[keys, places]: the weight of each place in each key's list, 0 where it does not stand in it."""
        wanted = places.astype(np.int32)
        matrix = np.zeros((len(keys), len(places)), np.float32)
        for own, start, length in zip(matrix, self.starts[keys].tolist(), self.lengths[keys].tolist(), strict=True):
            if length:
                here = slice(start, start + length)
                at = self.places[here].searchsorted(wanted)
                at[at == length] = 0
                there = self.places[here][at] == wanted
                own[there] = self.weights[here][at[there]]
        return matrix

    def _entries(self, keys: Rows) -> tuple[Rows, Rows]:
        """All entries of these keys' lists: which of the keys each is of, and where it lies."""
        lengths = self.lengths[keys].astype(np.int64)
        by = np.repeat(np.arange(len(keys)), lengths)
        within = np.arange(len(by)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return by, self.starts[keys][by] + within


def lists(matrix: csr_array[np.float32] | csr_array[np.float64]) -> Lists:
    """The rows of a matrix, whose indices rise, as lists."""
    starts, ends = matrix.indptr[:-1], matrix.indptr[1:]
    starts, lengths, places = (kind.astype(np.int32) for kind in (starts, ends - starts, matrix.indices))
    return Lists(starts, lengths, places, matrix.data.astype(np.float32))
