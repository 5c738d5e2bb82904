"""Item to item from all likes at once: the nearest neighbours of each item."""

from typing import ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, Proposals, Rows, Scores, highest
from bandstand.candidates.likes import damped
from bandstand.candidates.lists import Lists, lists
from bandstand.candidates.live import heard, proposals, strongest

# Cosine ItemKNN with these two reached nDCG@10 0.394 on MovieLens-100K, five folds (`benchmarks/accuracy.py`).
MOST_NEIGHBOURS = 200
SHRINK = 50.0
_BLOCK = 512


class Items(msgspec.Struct, frozen=True):
    """Shrunk cosines between the columns of people's likes, damped.

    similarity(i, j) = xᵢ · xⱼ / (|xᵢ| · |xⱼ| + SHRINK), and score(j) = Σᵢ weight(i) · similarity(i, j)

    over those i of the history that are among the MOST_NEIGHBOURS most similar to j (Deshpande and Karypis 2004; Bell
    and Koren 2007 for the shrinkage). The table takes 8 bytes · MOST_NEIGHBOURS · items: 160 MB at 100,000.
    """

    name: ClassVar[str] = "items"

    table: Lists

    @classmethod
    def fit(cls, evidence: Evidence) -> Self | None:
        if not evidence.likes.nnz:
            return None
        likes = damped(evidence.likes).astype(np.float64)
        lengths = np.sqrt(np.bincount(likes.indices, likes.data**2, minlength=likes.shape[1]))
        by_item = likes.T.tocsr()
        starts, found, kept = [0], [], []
        for start in range(0, likes.shape[1], _BLOCK):
            together = by_item[start : start + _BLOCK] @ likes
            for j in range(start, start + together.shape[0]):
                here = slice(together.indptr[j - start], together.indptr[j - start + 1])
                near, similar = _nearest(j, together.indices[here], together.data[here], lengths)
                found.append(near)
                kept.append(similar)
                starts.append(starts[-1] + len(near))
        shape = (likes.shape[1], likes.shape[1])
        nearest = csr_array((np.concatenate(kept), np.concatenate(found), starts), shape=shape)
        return cls(lists(nearest.T.tocsr()))

    def propose(self, ask: Ask) -> Proposals:
        history, weights = heard(ask, len(self.table))
        return proposals(self.table.sums(history, weights, len(ask.allowed)), ask)

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The most similar row of the history for each, times how much it counts."""
        history, weights = heard(ask, len(self.table))
        return strongest(history, weights[:, None] * self.table.between(history, rows))


def _nearest(j: int, others: npt.NDArray[np.int32], together: Scores, lengths: Scores) -> tuple[Rows, Scores]:
    """The most similar of these others, rising, and how similar they are."""
    order = np.argsort(others)
    order = order[others[order] != j]
    others, together = others[order], together[order]
    similar = together / (lengths[j] * lengths[others] + SHRINK)
    chosen = highest(similar, MOST_NEIGHBOURS)
    return others[chosen].astype(np.int64), similar[chosen]
