"""Serving without Vowpal Wabbit: its scores are linear in hashed features, so a score is a gather and a sum."""

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.features import Indices, Values

CONSTANT = np.uint32(11650396)  # where Vowpal Wabbit keeps the intercept
FNV_PRIME = np.uint32(16777619)  # what it multiplies by to place an interaction


class Shared(NamedTuple):
    """The features of a request that every candidate has in common: user and context."""

    user: tuple[Indices, Values]
    context: tuple[Indices, Values]


class Offered(NamedTuple):
    """The features of `n` candidates: padded rows of item features (n × width; value 0 where unused) and one column for
    each source feature (n × columns, with the place of each column)."""

    places: Indices
    values: Values
    source_places: Indices
    sources: Values


class Weights(msgspec.Struct, frozen=True):
    """A table of 2^bits weights, and how many examples made it."""

    bits: int
    learned: int
    table: npt.NDArray[np.float32]

    def scores(self, shared: Shared, offered: Offered) -> npt.NDArray[np.float64]:
        """Expected reward of each candidate at the reference position.

        Equal to Vowpal Wabbit's prediction with `-q ui -q ci`, to single precision; its sums run in double here.
        """
        mask = np.uint32((1 << self.bits) - 1)
        table = self.table
        items = offered.places & mask
        per_feature = table[items].astype(np.float64)
        common = float(table[CONSTANT & mask])
        for places, values in shared:
            firsts = places & mask
            common += float(table[firsts] @ values)
            for first, value in zip(firsts * FNV_PRIME, values, strict=True):
                per_feature += table[(first ^ items) & mask] * value
        scores: npt.NDArray[np.float64] = np.einsum("nw,nw->n", per_feature, offered.values) + common
        if offered.sources.size:
            scores += offered.sources @ table[offered.source_places & mask].astype(np.float64)
        return scores


def untaught(bits: int) -> Weights:
    """Weights before the first example: every score is 0."""
    return Weights(bits, 0, np.zeros(1 << bits, np.float32))
