"""Serving without Vowpal Wabbit: its scores are linear in hashed features, so a score is a gather and a sum."""

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.features import Indices, Values
from bandstand.native import native

CONSTANT = np.uint32(11650396)  # where Vowpal Wabbit keeps the intercept
FNV_PRIME = np.uint32(16777619)  # what it multiplies by to place an interaction

Floats = npt.NDArray[np.float64]


class Shared(NamedTuple):
    """The features of a request that every candidate has in common: user and context."""

    user: tuple[Indices, Values]
    context: tuple[Indices, Values]


class Offered(NamedTuple):
    """The features of `n` candidates.

    Candidate `i` is the row `rows[i]` of two tables (… × width): `features`, which are numbers of `places`, and
    `values`, 0 where a row has fewer. `sources` has one column for each source feature (n × columns), whose places are
    `source_places`.
    """

    rows: npt.NDArray[np.int64]
    features: npt.NDArray[np.int32]
    values: Values
    places: Indices
    source_places: Indices
    sources: Values


class Weights(msgspec.Struct, frozen=True):
    """A table of 2^bits weights, and how many examples made it."""

    bits: int
    learned: int
    table: npt.NDArray[np.float32]

    def scores(self, shared: Shared, offered: Offered) -> Floats:
        """Expected reward of each candidate at the reference position.

        Equal to Vowpal Wabbit's prediction with `-q ui -q ci`, to single precision. Sums run in double and in the order
        of the features, so that they are the same on every machine.
        """
        places = np.concatenate([places for places, _ in shared])
        values = np.concatenate([values for _, values in shared])
        if native is None:
            return self._scores(places, values, offered)
        scores = np.empty(len(offered.rows))
        native.scores(self.table, int(CONSTANT), places, values, *offered, scores)
        return scores

    def _scores(self, places: Indices, values: Values, offered: Offered) -> Floats:
        mask, table = np.uint32((1 << self.bits) - 1), self.table
        firsts, doubles = places & mask, values.astype(np.float64)
        common = float(table[CONSTANT & mask]) + float(_sums(table[firsts] * doubles))
        # Candidates share most of their features, so each different one is weighed once, interactions and all.
        used, which = np.unique(offered.features[offered.rows], return_inverse=True)
        items = offered.places[used] & mask
        crossed = table[((firsts * FNV_PRIME)[:, None] ^ items) & mask]
        worth = table[items] + _sums(crossed * doubles[:, None])
        scores: Floats = _sums(worth[which].T * offered.values[offered.rows].T) + common
        if offered.sources.size:
            scores += _sums(offered.sources.T * table[offered.source_places & mask].astype(np.float64)[:, None])
        return scores


def untaught(bits: int) -> Weights:
    """Weights before the first example: every score is 0."""
    return Weights(bits, 0, np.zeros(1 << bits, np.float32))


def _sums(terms: npt.NDArray[np.floating]) -> Floats:
    """Sums over the first axis in its order; NumPy's own `sum` may take another one on another machine."""
    if not len(terms):
        return np.zeros(terms.shape[1:])
    sums: Floats = np.cumsum(terms, axis=0, dtype=np.float64)[-1]
    return sums
