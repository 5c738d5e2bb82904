"""EASE: every item predicted from all others, in closed form."""

from typing import ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, Proposals, Rows, highest
from bandstand.candidates.likes import damped
from bandstand.candidates.lists import Lists, lists
from bandstand.candidates.live import heard, proposals, strongest

Matrix = npt.NDArray[np.float64]

# The best nDCG@10 of 200 and 500 on MovieLens-100K, five folds (`benchmarks/accuracy.py`).
REGULARIZATION = 500.0
# The inverse of so many takes 800 MB while it is made.
MOST_ITEMS = 10_000
# Weights kept in each row, the furthest from 0. On MovieLens-100K, over three drawings of the folds, these give nDCG@10
# 0.4418, 0.4439 and 0.4435, and all 1,682 give 0.4422, 0.4437 and 0.4437; 200 lose 0.005.
MOST_WEIGHTS = 512
# Weights are rounded to this: nothing is lost, and the last digits, in which processors and numbers of threads differ,
# are gone.
GRAIN = 2.0**-16
_BLOCK = 512


class Ease(msgspec.Struct, frozen=True):
    """The linear model of least squares with a diagonal of zeros, one weight for each pair of items.

    B = I − P · diag(P)⁻¹ with P = (XᵀX + λI)⁻¹, and score(j) = Σᵢ weight(i) · B[i, j] over the history i

    where X holds people's likes, damped (Steck 2019, "Embarrassingly shallow autoencoders for sparse data",
    equation 8).
    Only the MOST_ITEMS that most people liked are in it. The table takes 8 bytes · MOST_WEIGHTS · items: 41 MB at most.
    """

    name: ClassVar[str] = "ease"

    table: Lists

    @classmethod
    def fit(cls, evidence: Evidence) -> Self | None:
        likes = evidence.likes
        people = np.bincount(likes.indices, minlength=likes.shape[1]).astype(np.float64)
        rows = highest(people, MOST_ITEMS)
        rows = rows[people[rows] > 0]
        if not len(rows):
            return None
        chosen: csr_array[np.float32] = damped(likes)[:, rows]
        return cls(_table(_inverse(_gram(chosen)), rows, likes.shape[1]))

    def propose(self, ask: Ask) -> Proposals:
        history, weights = heard(ask, len(self.table))
        return proposals(self.table.sums(history, weights, len(ask.allowed)), ask)

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The row of the history whose weight for each, times how much it counts, is highest."""
        history, weights = heard(ask, len(self.table))
        return strongest(history, weights[:, None] * self.table.between(history, rows))


def _gram(likes: csr_array[np.float32]) -> Matrix:
    """XᵀX + λI, block by block: as a sparse matrix the product may take more than as this dense one."""
    exact = likes.astype(np.float64)
    by_item = exact.T.tocsr()
    items = likes.shape[1]
    gram = np.empty((items, items))
    for start in range(0, items, _BLOCK):
        gram[start : start + _BLOCK] = (by_item[start : start + _BLOCK] @ exact).toarray()
    gram[np.diag_indices(items)] += REGULARIZATION
    return gram


def _inverse(gram: Matrix) -> Matrix:
    """Minus the inverse, written over its argument, on and above the diagonal only, below it nothing of use.

    Block after block is swept (Goodnight 1979), as one block of LAPACK's would hold Python's global lock for many
    seconds.
    """
    items = len(gram)
    for start in range(0, items, _BLOCK):
        here = slice(start, min(start + _BLOCK, items))
        column = np.concatenate((gram[:start, here], gram[here, start:].T))
        column[here] = _whole(gram[here, here])
        pivot = np.linalg.inv(column[here])
        swept = column @ pivot
        swept[here] = 0
        column[here] = 0
        for top in range(0, items, _BLOCK):
            gram[top : top + _BLOCK, top:] -= swept[top : top + _BLOCK] @ column[top:].T
        gram[:start, here] = swept[:start]
        gram[here, here.stop :] = swept[here.stop :].T
        gram[here, here] = -pivot
    return gram


def _whole(upper: Matrix) -> Matrix:
    """The symmetric matrix of which this holds the part on and above the diagonal."""
    above: Matrix = np.triu(upper, 1)
    return above + above.T + np.diag(np.diag(upper))


def _table(upper: Matrix, rows: Rows, catalogue: int) -> Lists:
    """The strongest weights −P[i, j] / P[j, j] of each i, by catalogue rows; `upper` is −P."""
    diagonal = -np.diag(upper)
    lengths = np.zeros(catalogue, np.int64)
    found, kept = [], []
    for start in range(0, len(rows), _BLOCK):
        here = slice(start, start + _BLOCK)
        block = np.concatenate(
            (upper[:start, here].T, _whole(upper[here, here]), upper[here, start + _BLOCK :]), axis=1
        )
        for i, weights in enumerate(np.round(block / diagonal / GRAIN), start):
            weights[i] = 0
            strong = highest(np.abs(weights), MOST_WEIGHTS)
            strong = strong[weights[strong] != 0]
            lengths[rows[i]] = len(strong)
            found.append(rows[strong])
            kept.append(weights[strong] * GRAIN)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    return lists(csr_array((np.concatenate(kept), np.concatenate(found), starts), shape=(catalogue, catalogue)))
