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
    """The features of `n` candidates.

    `places` are those of the different item features among them; `which` (n × width) says which of these a candidate
    has, with `values`, 0 where it has fewer. `sources` has one column for each source feature (n × columns), whose
    places are `source_places`.
    """

    places: Indices
    which: npt.NDArray[np.int32]
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
        firsts = np.concatenate([places for places, _ in shared]) & mask
        values = np.concatenate([values for _, values in shared]).astype(np.float64)
        common = float(table[CONSTANT & mask]) + float(np.einsum("k,k->", table[firsts], values))
        # Candidates share most of their features, so each different one is weighed once, interactions and all.
        items = offered.places & mask
        crossed = table[((firsts * FNV_PRIME)[:, None] ^ items) & mask]
        worth = table[items] + np.einsum("kf,k->f", crossed, values)
        scores: npt.NDArray[np.float64] = np.einsum("nw,nw->n", worth[offered.which], offered.values) + common
        if offered.sources.size:
            scores += np.einsum("ns,s->n", offered.sources, table[offered.source_places & mask].astype(np.float64))
        return scores


def untaught(bits: int) -> Weights:
    """Weights before the first example: every score is 0."""
    return Weights(bits, 0, np.zeros(1 << bits, np.float32))
