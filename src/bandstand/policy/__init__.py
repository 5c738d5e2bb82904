"""Policies: scores in, exploration out."""

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float64]
ScoredBy = Literal["weights", "popularity", "nothing"]


class Slot(NamedTuple):
    """One position to fill: all items, which of them are still left, the position on the page, and how many examples
    the weights behind the scores have learned."""

    items: Sequence[str]
    left: npt.NDArray[np.int64]
    position: int
    learned: int


class Policy(Protocol):
    """How to choose among scored items.

    `scored_by` says what the scores are: expected rewards from learned weights, the item's popularity, or zeros for a
    policy that has its own order. Only the first kind is taught by its decisions.
    """

    scored_by: ClassVar[ScoredBy]

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        """One probability for each item still left: at least 0, summing to 1. `scores` is finite and not empty."""
        ...
