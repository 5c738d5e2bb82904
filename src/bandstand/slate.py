"""A slate drawn slot by slot, with the exact probability of every pick."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.policy import Policy, Probabilities, Scores, Slot


class Drawn(NamedTuple):
    """Which item was chosen, and its probability given those chosen before it."""

    chosen: int
    propensity: float


def draw(
    policy: Policy,
    scores: Scores,
    items: Sequence[str],
    *,
    n: int,
    chance: Callable[[int], float],
    first_position: int = 0,
    learned: int = 0,
) -> list[Drawn]:
    """The first `n` slots of the page from `first_position` on; fewer where items run out.

    At each slot the policy explores anew over the items still left. `chance(position)` is uniform in [0, 1).
    """
    left = np.arange(len(items))
    names = np.array(items, dtype=object)
    slate: list[Drawn] = []
    for position in range(first_position, first_position + min(n, len(items))):
        chances = policy.probabilities(scores[left], Slot(names[left], position, learned))
        chosen = pick(chances, chance(position))
        slate.append(Drawn(int(left[chosen]), float(chances[chosen])))
        left = np.delete(left, chosen)
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
    left = np.arange(len(items))
    names = np.array(items, dtype=object)
    found = np.zeros(len(order))
    for slot, index in enumerate(order):
        at = np.flatnonzero(left == index)
        if not len(at):
            break
        chances = policy.probabilities(scores[left], Slot(names[left], first_position + slot, learned))
        found[slot] = chances[at[0]]
        left = np.delete(left, at[0])
    return found


def pick(chances: Probabilities, chance: float) -> int:
    """The index where the running sum of `chances` passes `chance`; never one with probability 0."""
    sums = chances.cumsum()
    index = int(sums.searchsorted(chance * sums[-1], side="right"))
    return index if index < len(chances) else int(np.flatnonzero(chances)[-1])
