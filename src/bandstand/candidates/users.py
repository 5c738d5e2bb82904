"""People like this one: what the nearest neighbours of a live history liked."""

from typing import ClassVar, Self

import msgspec
import numpy as np
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, Proposals, Rows, Scores, best
from bandstand.candidates.likes import damped
from bandstand.candidates.lists import Lists, lists
from bandstand.candidates.live import heard, proposals, strongest

# With 80 cosine UserKNN reached nDCG@10 0.395 on MovieLens-100K, five folds (`benchmarks/accuracy.py`).
NEIGHBOURS = 80
# The latest are kept, for tastes move: so many people in all, and of those who like one item. On MovieLens-100K, where
# at most 583 people like one, these lose nothing, 256 give 0.393 and 128 give 0.381.
MOST_PEOPLE = 100_000
MOST_LISTED = 512


class Users(msgspec.Struct, frozen=True):
    """Cosines between the live history and the rows of people's likes, damped; the nearest say what they liked.

    near(u) = Σᵢ weight(i) · X[u, i] / |X[u]|, and score(j) = Σᵤ near(u) · X[u, j] over the NEIGHBOURS nearest u

    (Herlocker, Konstan, Borchers and Riedl 1999; the history's own length would change no order). One entry of the two
    tables takes 16 bytes, so that a million likes take 16 MB.
    """

    name: ClassVar[str] = "users"

    people: Lists
    fans: Lists

    @classmethod
    def fit(cls, evidence: Evidence) -> Self | None:
        likes = damped(evidence.likes[-MOST_PEOPLE:])
        if not likes.nnz:
            return None
        lengths = np.sqrt(np.add.reduceat(np.append(likes.data.astype(np.float64) ** 2, 0), likes.indptr[:-1]))
        shares = likes.data / np.repeat(lengths, np.diff(likes.indptr))
        by_row = csr_array((shares, likes.indices, likes.indptr), shape=likes.shape).T.tocsr()
        starts, ends = by_row.indptr[:-1], by_row.indptr[1:]
        latest = np.maximum(starts, ends - MOST_LISTED)
        fans = lists(by_row)
        kept = (ends - latest).astype(np.int32)
        by = np.repeat(np.arange(len(kept)), ends - starts)
        inside = np.arange(by_row.nnz) >= latest[by]
        fans = Lists((np.cumsum(kept) - kept).astype(np.int32), kept, fans.places[inside], fans.weights[inside])
        return cls(lists(likes), fans)

    def propose(self, ask: Ask) -> Proposals:
        near, nearness = self._near(*heard(ask, len(self.fans)))
        return proposals(self.people.sums(near, nearness, len(ask.allowed)), ask)

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The row of the history through which most of each score came."""
        history, weights = heard(ask, len(self.fans))
        near, _ = self._near(history, weights)
        through = weights[:, None] * self.fans.between(history, near)
        liked = self.people.between(near, rows).astype(np.float64)
        # Row by row: sums of several at once may round otherwise.
        shares = [through @ liked[:, at].copy() for at in range(len(rows))]
        return strongest(history, np.array(shares).reshape(len(rows), len(history)).T)

    def _near(self, history: Rows, weights: Scores) -> tuple[Rows, Scores]:
        nearness = self.fans.sums(history, weights, len(self.people))
        near = best(nearness, np.ones(len(nearness), np.bool_), NEIGHBOURS)
        return near, nearness[near]
