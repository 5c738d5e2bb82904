"""Matrix factorisation for implicit feedback by alternating least squares; the live history is folded in."""

import importlib.util
import math
import warnings
from typing import ClassVar, Self

import msgspec
import numpy as np
from scipy.sparse import csr_matrix

from bandstand.candidates import Ask, Evidence, Proposals, Rows, Scores
from bandstand.candidates.factors import Factors, Vectors, factors
from bandstand.candidates.likes import damped
from bandstand.candidates.live import heard, proposals, strongest
from bandstand.errors import InputError

# The best in the replay of MovieLens-100K (`benchmarks/accuracy.py`): nDCG@10 0.1105, against 0.1099 with 24 factors
# and 0.1075 with 20; in the folds 0.437, 0.438 and 0.437.
FACTORS = 32
# λ as a part of Σ c / √(people · items), which the greatest singular value of c · p is not below: so it suits many
# likes and few, and never drowns all factors. On MovieLens-100K it comes to 10, the best of 1, 5, 10, 20 and 30.
REGULARIZATION = 0.15
ITERATIONS = 15
_SEED = 1
# Threads that wait for each other cost more than they bring where there is little to do.
_ONE_THREAD_BELOW = 100_000


class Als(msgspec.Struct, frozen=True):
    """Vectors of people x and items y that minimise Σ c(u, i) · (p(u, i) − xᵤ · yᵢ)² + λ · (Σ |xᵤ|² + Σ |yᵢ|²).

    p is 1 for a like and else 0, and the confidence c is how much it is worth, damped, and 1 where there is none (Hu,
    Koren and Volinsky 2008, equation 3, in the form of the library `implicit`). Asked, it solves equation 4 for the
    history i with the confidences that it has now:

    taste = (YᵀY + λI + Σᵢ (weight(i) − 1) · yᵢ yᵢᵀ)⁻¹ · Σᵢ weight(i) · yᵢ

    `gram` is YᵀY + λI. The table takes 128 bytes · rows.
    """

    name: ClassVar[str] = "als"

    factors: Factors
    gram: Vectors

    @classmethod
    def fit(cls, evidence: Evidence) -> Self | None:
        """Raises InputError where `implicit` is not installed."""
        if importlib.util.find_spec("implicit") is None:
            raise InputError(
                "generator 'als': the library implicit is not installed; install bandstand[als], or leave it out",
                field="generators",
                code="extra_missing",
            )
        if not evidence.likes.nnz:
            return None
        likes = csr_matrix(damped(evidence.likes))
        strength = _regularization(likes)
        table = factors(_item_vectors(likes, strength))
        vectors = table.of(np.arange(len(table)))
        gram: Vectors = vectors.T @ vectors + np.diag(np.full(FACTORS, strength))
        return cls(table, gram)

    def propose(self, ask: Ask) -> Proposals:
        history, weights = heard(ask, len(self.factors))
        taste = self._shares(history, weights).sum(axis=1)
        return proposals(self.factors.scores(taste), ask)

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The row of the history whose own part of each score is highest (equation 7)."""
        history, weights = heard(ask, len(self.factors))
        own = self._shares(history, weights).T
        shares = [own @ vector for vector in self.factors.of(rows)]  # one by one: several at once may round otherwise
        return strongest(history, np.array(shares).reshape(len(rows), len(history)).T)

    def _shares(self, history: Rows, weights: Scores) -> Vectors:
        """float64[factors, history]: what each row of the history adds to the taste."""
        vectors = self.factors.of(history)
        told = self.gram + (vectors.T * (weights - 1)) @ vectors
        shares: Vectors = np.linalg.solve(told, vectors.T * weights).astype(np.float64, copy=False)
        return shares


def _regularization(likes: csr_matrix[np.float32]) -> float:
    people, items = np.count_nonzero(np.diff(likes.indptr)), len(np.unique(likes.indices))
    return REGULARIZATION * float(likes.data.sum(dtype=np.float64)) / math.sqrt(people * items)


def _item_vectors(likes: csr_matrix[np.float32], regularization: float) -> Vectors:
    """float64[rows, FACTORS]: the same for the same likes, however many threads there are: each solves whole rows."""
    from implicit.cpu.als import AlternatingLeastSquares  # an optional extra

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it warns where the linear algebra has threads of its own
        model = AlternatingLeastSquares(
            factors=FACTORS,
            regularization=regularization,
            iterations=ITERATIONS,
            random_state=_SEED,
            dtype=np.float64,
            num_threads=int(likes.nnz < _ONE_THREAD_BELOW),  # 0 is one for each core
        )
    model.fit(likes, show_progress=False)
    vectors: Vectors = np.asarray(model.item_factors, np.float64)
    return vectors
