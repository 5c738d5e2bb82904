"""A determinantal point process: slates whose vectors span a large volume, filled greedily."""

from typing import NamedTuple

import numpy as np

from bandstand.candidates.growing import grown
from bandstand.policy import Scores
from bandstand.shape.likeness import Vectors, cosines

# An item that repeats one of the slate adds no volume, of which there is no logarithm: it counts as this much.
LEAST_GAIN = 1e-6


class Determinant(NamedTuple):
    """To the score of item i, with the picks J made so far, is added weight · log dᵢ²,

        dᵢ² = det S(J ∪ {i}) / det S(J),    S(i, j) = (1 + cos(i, j)) / 2,    S(i, i) = 1,

    which is the greedy step towards the slate of the largest Σ score + weight · log det S (Chen, Zhang and Zhou 2018,
    equations 4 and 11 to 13, where weight = (1 − θ) / θ). `vectors` (n × d) are sketches, 0 for items of
    which nothing is known.
    """

    vectors: Vectors
    weight: float

    def follow(self) -> "_Volume":
        return _Volume(self)


class _Volume:
    """dᵢ² by updates of a Cholesky factor: with the pick of j, eᵢ = (S(j, i) − cⱼ · cᵢ) / dⱼ joins cᵢ, and dᵢ² loses
    eᵢ² (algorithm 1 there)."""

    def __init__(self, term: Determinant) -> None:
        self._vectors, self._weight = term
        self._gains = np.ones(len(self._vectors))
        self._factor = np.zeros((0, len(self._vectors)))  # one row for each pick, in a table with room for more
        self._picks = 0

    @property
    def amounts(self) -> Scores:
        return np.log(np.maximum(self._gains, LEAST_GAIN)) * self._weight

    def picked(self, index: int) -> None:
        alike = (1.0 + cosines(self._vectors, index)) / 2.0
        alike[index] = 1.0
        earlier = self._factor[: self._picks]
        if self._picks:
            alike -= np.add.reduce(earlier * earlier[:, index : index + 1], axis=0)  # row after row, on every machine
        if self._gains[index] <= LEAST_GAIN:
            return  # it added no volume, so there is nothing left of it that another could be like
        alike /= np.sqrt(self._gains[index])
        self._factor = grown(self._factor, self._picks + 1)
        self._factor[self._picks] = alike
        self._picks += 1
        self._gains -= alike * alike
