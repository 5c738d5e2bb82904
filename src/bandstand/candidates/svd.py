"""PureSVD: the live history projected onto the strongest patterns in all likes."""

from typing import ClassVar, Self

import msgspec
import numpy as np
from scipy.sparse.linalg import svds

from bandstand.candidates import Ask, Evidence, Proposals, Rows
from bandstand.candidates.factors import Factors, factors
from bandstand.candidates.likes import damped
from bandstand.candidates.live import heard, proposals, strongest

# The best nDCG@10 of 10, 20, 30 and 50 on MovieLens-100K (`benchmarks/accuracy.py`).
FACTORS = 20


class Svd(msgspec.Struct, frozen=True):
    """Truncated singular value decomposition of people's likes, damped: X ≈ U · Σ · Vᵀ.

    score = (Σᵢ weight(i) · V[i]) · Vᵀ

    over the history i (Cremonesi, Koren and Turrin 2010, "Performance of recommender algorithms on top-N recommendation
    tasks", section 3.2.2). The table takes 80 bytes · rows.
    """

    name: ClassVar[str] = "svd"

    factors: Factors

    @classmethod
    def fit(cls, evidence: Evidence) -> Self | None:
        likes = damped(evidence.likes).astype(np.float64)
        fewest = min(likes.shape)
        if fewest < 2 or not likes.nnz:
            return None
        # v0 is where the search begins, otherwise drawn by chance.
        _, _, patterns = svds(likes, k=min(FACTORS, fewest - 1), v0=np.ones(fewest))
        return cls(factors(patterns.T))

    def propose(self, ask: Ask) -> Proposals:
        history, weights = heard(ask, len(self.factors))
        return proposals(self.factors.scores(weights @ self.factors.of(history)), ask)

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The row of the history whose own part of each score is highest."""
        history, weights = heard(ask, len(self.factors))
        own = weights[:, None] * self.factors.of(history)
        shares = [own @ vector for vector in self.factors.of(rows)]  # one by one: several at once may round otherwise
        return strongest(history, np.array(shares).reshape(len(rows), len(history)).T)
