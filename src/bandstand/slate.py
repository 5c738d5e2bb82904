"""A slate drawn slot by slot, with the exact probability of every pick."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.native import native
from bandstand.policy import Policy, Probabilities, Scores, Slot
from bandstand.policy.explore import EpsilonGreedy


class Drawn(NamedTuple):
    """Which item was chosen, and its probability given those chosen before it."""

    chosen: int
    propensity: float


def draw(
    policy: Policy,
    scores: Scores,
    items: Sequence[str],
    *,
    chances: Sequence[float],
    first_position: int = 0,
    learned: int = 0,
) -> list[Drawn]:
    """A slot of the page from `first_position` on for each of `chances`, uniform in [0, 1); fewer where items run out.

    At each slot the policy explores anew over the items still left.
    """
    chances = chances[: len(items)]
    if native is not None and isinstance(policy, EpsilonGreedy):
        return _greedily(policy.epsilon, scores, chances)
    left = _Left(scores)
    slate: list[Drawn] = []
    for position, chance in enumerate(chances, start=first_position):
        shares = policy.probabilities(left.scores, Slot(items, left.indices, position, learned))
        at = pick(shares, chance)
        slate.append(Drawn(int(left.indices[at]), float(shares[at])))
        left.remove(at)
    return slate


def propensities(
    policy: Policy,
    scores: Scores,
    items: Sequence[str],
    order: Sequence[int],
    *,
    first_position: int = 0,
    learned: int = 0,
) -> npt.NDArray[np.float64]:
    """The probability of each pick of the slate `order` (indices into `items`) given the picks above it; 0 from an
    index of -1, an item that is not a candidate, onwards."""
    left = _Left(scores)
    found = np.zeros(len(order))
    for slot, index in enumerate(order):
        places = np.flatnonzero(left.indices == index)
        if not len(places):
            break
        at = int(places[0])
        chances = policy.probabilities(left.scores, Slot(items, left.indices, first_position + slot, learned))
        found[slot] = chances[at]
        left.remove(at)
    return found


def pick(chances: Probabilities, chance: float) -> int:
    """The index where the running sum of `chances` passes `chance`; never one with probability 0."""
    sums = chances.cumsum()
    index = int(sums.searchsorted(chance * sums[-1], side="right"))
    return index if index < len(chances) else int(np.flatnonzero(chances)[-1])


def _greedily(epsilon: float, scores: Scores, chances: Sequence[float]) -> list[Drawn]:
    """The default policy's slate in one call."""
    assert native is not None
    chosen, shares = np.empty(len(chances), np.int64), np.empty(len(chances))
    native.greedy(scores, epsilon, np.array(chances), chosen, shares)
    return list(map(Drawn, chosen.tolist(), shares.tolist()))


class _Left:
    """The items not drawn yet, in their first order: views of two arrays that close up where one is taken out."""

    def __init__(self, scores: Scores) -> None:
        self.scores = scores.copy()
        self.indices = np.arange(len(scores))

    def remove(self, at: int) -> None:
        for array in (self.scores, self.indices):
            array[at:-1] = array[at + 1 :]
        self.scores, self.indices = self.scores[:-1], self.indices[:-1]
