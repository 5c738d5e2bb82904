"""Maximal marginal relevance: an item counts less, the more it resembles one that is in the slate already."""

from typing import NamedTuple

import numpy as np

from bandstand.policy import Scores
from bandstand.shape.likeness import Vectors, cosines


class Redundancy(NamedTuple):
    """From the score of item i, with the picks S made so far, is taken

        weight · max(0, max over j in S of cos(i, j)),

    so that the best is the item of maximal marginal relevance, argmax λ · relevance − (1 − λ) · max similarity, at
    weight = (1 − λ) / λ (Carbonell and Goldstein 1998, section 2). `vectors` (n × d) are sketches, 0 for
    items of which nothing is known: these resemble none.
    """

    vectors: Vectors
    weight: float

    def follow(self) -> "_Nearest":
        return _Nearest(self)


class _Nearest:
    def __init__(self, term: Redundancy) -> None:
        self._vectors, self._weight = term
        self._nearest = np.zeros(len(self._vectors))

    @property
    def amounts(self) -> Scores:
        return self._nearest * -self._weight

    def picked(self, index: int) -> None:
        np.maximum(self._nearest, cosines(self._vectors, index), out=self._nearest)
