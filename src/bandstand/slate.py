"""A slate drawn slot by slot, with the exact probability of every pick."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.native import native
from bandstand.policy import Policy, Probabilities, Scores, Slot
from bandstand.policy.explore import EpsilonGreedy
from bandstand.shape import PLAIN, Cap, Mixture, Shape

Indices = npt.NDArray[np.int64]

_CERTAIN = np.ones(1)
_NO_NUMBERS, _NO_SHARES = np.zeros(0, np.int64), np.zeros(0)
_NO_GROUPS, _NO_MEMBERS = np.zeros(0, np.int32), np.zeros(0, np.bool_)


class Drawn(NamedTuple):
    """Which item was chosen, and its probability given those chosen before it."""

    chosen: int
    propensity: float


class Urn(NamedTuple):
    """Everything that one strategy draws a slate from."""

    policy: Policy
    scores: Scores
    items: Sequence[str]
    first_position: int
    learned: int
    shape: Shape

    def slots(self) -> "Slots":
        """The slate before its first pick."""
        return Slots(self.policy, self.scores, self.items, self.first_position, self.learned, self.shape)


def draw(
    policy: Policy,
    scores: Scores,
    items: Sequence[str],
    *,
    chances: Sequence[float],
    first_position: int = 0,
    learned: int = 0,
    shape: Shape = PLAIN,
) -> list[Drawn]:
    """A slot of the page from `first_position` on for each of `chances`, uniform in [0, 1); fewer where items run out.

    At each slot the policy explores anew over the items still left and permitted, with the scores that `shape` gives
    them after the picks above.
    """
    chances = chances[: len(items)]
    if native is not None and isinstance(policy, EpsilonGreedy) and not shape.terms:
        return _greedily(policy.epsilon, scores, chances, first_position, shape)
    slots = Slots(policy, scores, items, first_position, learned, shape)
    slate: list[Drawn] = []
    for chance in chances:
        left, shares = slots.next()
        at = pick(shares, chance)
        slate.append(Drawn(int(left[at]), float(shares[at])))
        slots.fill(slate[-1].chosen)
    return slate


def propensities(
    policy: Policy,
    scores: Scores,
    items: Sequence[str],
    order: Sequence[int],
    *,
    first_position: int = 0,
    learned: int = 0,
    shape: Shape = PLAIN,
) -> npt.NDArray[np.float64]:
    """The probability of each pick of the slate `order` (indices into `items`) given the picks above it; 0 from the
    first on that could not be made there, such as -1, an item that is not a candidate."""
    slots = Slots(policy, scores, items, first_position, learned, shape)
    found = np.zeros(len(order))
    for slot, index in enumerate(order[: len(items)]):
        left, shares = slots.next()
        places = np.flatnonzero(left == index)
        if not len(places):
            break
        found[slot] = shares[places[0]]
        slots.fill(index)
    return found


def pick(chances: Probabilities, chance: float) -> int:
    """The index where the running sum of `chances` passes `chance`; never one with probability 0."""
    sums = chances.cumsum()
    index = int(sums.searchsorted(chance * sums[-1], side="right"))
    return index if index < len(chances) else int(np.flatnonzero(chances)[-1])


def _greedily(
    epsilon: float, scores: Scores, chances: Sequence[float], first_position: int, shape: Shape
) -> list[Drawn]:
    """The default policy's slate in one call, of a shape without terms."""
    assert native is not None
    chosen, shares = np.empty(len(chances), np.int64), np.empty(len(chances))
    caps, mixtures, pins = shape.caps, shape.mixtures, _placed(shape) if shape.pins else ()
    native.greedy(
        _lifted(scores, shape),
        epsilon,
        np.array(chances),
        chosen,
        shares,
        np.concatenate([cap.groups for cap in caps]) if caps else _NO_GROUPS,
        np.array([cap.most for cap in caps], np.int64) if caps else _NO_NUMBERS,
        np.array([mixture.share for mixture in mixtures]) if mixtures else _NO_SHARES,
        np.concatenate([mixture.members for mixture in mixtures]) if mixtures else _NO_MEMBERS,
        first_position,
        np.array([place for place, _ in pins], np.int64) if pins else _NO_NUMBERS,
        np.array([index for _, index in pins], np.int64) if pins else _NO_NUMBERS,
    )
    return list(map(Drawn, chosen.tolist(), shares.tolist()))


def _lifted(scores: Scores, shape: Shape) -> Scores:
    return scores if shape.lifts is None else scores + shape.lifts


def _placed(shape: Shape) -> list[tuple[int, int]]:
    """The pins, each candidate's first place alone, from the top of the page down."""
    first: dict[int, int] = {}
    for place in sorted(shape.pins):
        first.setdefault(shape.pins[place], place)
    return [(place, index) for index, place in first.items()]


class Slots:
    """A slate that is being filled from its first slot down."""

    def __init__(
        self, policy: Policy, scores: Scores, items: Sequence[str], position: int, learned: int, shape: Shape
    ) -> None:
        self._policy, self._items, self._position, self._learned = policy, items, position, learned
        self._scores = _lifted(scores, shape)
        self._mixtures = shape.mixtures
        self._terms = [term.follow() for term in shape.terms]
        self._pins = _placed(shape)[::-1]
        self._free = np.ones(len(items), np.bool_)
        self._free[list(shape.pins.values())] = False
        self._permitted = self._free.copy()
        self._caps = [_Count(cap) for cap in shape.caps]
        for _, index in self._pins:
            self._count(index)
        for cap in self._caps:
            self._permitted &= ~cap.full

    def next(self) -> tuple[Indices, Probabilities]:
        """The items that the next slot may hold, rising, and their probabilities."""
        left = self._permitted.nonzero()[0]
        if not len(left):
            left = self._free.nonzero()[0]
        if self._pins and (self._pins[-1][0] <= self._position or not len(left)):
            return np.array([self._pins[-1][1]]), _CERTAIN
        scores = self._scores
        for term in self._terms:
            scores = scores + term.amounts
        shares = self._policy.probabilities(scores[left], Slot(self._items, left, self._position, self._learned))
        return left, _mixed(shares, left, self._mixtures) if self._mixtures else shares

    def fill(self, index: int) -> None:
        """This item holds the next slot."""
        self._position += 1
        if self._pins and self._pins[-1][1] == index:
            self._pins.pop()
        else:
            self._free[index] = self._permitted[index] = False
            self._count(index)
        for term in self._terms:
            term.picked(index)

    def _count(self, index: int) -> None:
        for cap in self._caps:
            if cap.reached(index):
                self._permitted &= ~cap.full


class _Count:
    """How many picks each group of a cap has; `full` masks the items of those that have all that they may."""

    def __init__(self, cap: Cap) -> None:
        self._groups, self._most = cap
        self._counts = np.zeros(int(self._groups.max(initial=-1)) + 1, np.int64)
        self.full = self._groups >= (0 if self._most <= 0 else len(self._counts))

    def reached(self, index: int) -> bool:
        """Count this pick; whether its group may not have more."""
        group = int(self._groups[index])
        if group < 0:
            return False
        self._counts[group] += 1
        if self._counts[group] != self._most:
            return False
        self.full |= self._groups == group
        return True


def _mixed(shares: Probabilities, left: Indices, mixtures: Sequence[Mixture]) -> Probabilities:
    """The policy's probabilities, but for the share of each mixture that has members left."""
    kept, mixed = 1.0, np.zeros(len(left))
    for share, members in mixtures:
        inside = members[left]
        count = np.count_nonzero(inside)
        if count:
            kept -= share
            mixed[inside] += share / count
    return kept * shares + mixed
