"""Interleaving: one slate from several rankings, so that the same person's behaviour says which of them is better."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

Ranking = Sequence[str]
Coin = Callable[[int], float]
"""The i-th toss of this impression, uniform in [0, 1). It must be fresh for each impression: one that belonged to a
user would give the better position to one ranking for good."""

Pair = tuple[int, int]
"""The two rankings that are compared, by index: the control and a treatment."""


class Placed(NamedTuple):
    """One position of the slate: the item, the ranking that contributed it (None where the method has no such thing)
    and, where the method knows it, the item's probability given the items above it and the rankings."""

    item: str
    team: int | None = None
    chance: float | None = None


class Credit(NamedTuple):
    """What speaks for the first of a pair of rankings, and what for the second."""

    a: float
    b: float


NEUTRAL, FOR_A, FOR_B = Credit(0.0, 0.0), Credit(1.0, 0.0), Credit(0.0, 1.0)


class Merge(Protocol):
    def __call__(
        self, rankings: Sequence[Ranking], n: int, *, coin: Coin, before: Sequence[Placed] = ()
    ) -> list[Placed] | None:
        """Up to `n` positions, going on after `before`, what earlier pages of the same slate hold; None where the
        method has no fair slate of these rankings."""
        ...


class Marks(Protocol):
    def __call__(
        self, rankings: Sequence[Ranking], placed: Sequence[Placed], pair: Pair, *, before: Sequence[Placed] = ()
    ) -> list[Credit]:
        """What the method must know of each position to say for which of the pair a reward there speaks."""
        ...


Rewards = Collection[tuple[int, float]]
"""Each with the index of its pick in the slate, and its value."""


def summed(marks: Sequence[Credit], rewards: Rewards) -> Credit:
    """What each side of a pair earned on one slate, where the marks are credits that add."""
    return Credit(
        sum(value * marks[index].a for index, value in rewards),
        sum(value * marks[index].b for index, value in rewards),
    )


class Method(NamedTuple):
    """A way to merge rankings and to read what came of it. `sides` says how many equally likely ways each toss can fall
    among so many rankings, None where they cannot be counted."""

    merge: Merge
    marks: Marks
    earned: Callable[[Sequence[Credit], Rewards], Credit] = summed
    sides: Callable[[int], int] | None = None


def possible(
    method: Method, rankings: Sequence[Ranking], n: int, *, before: Sequence[Placed] = ()
) -> Iterator[tuple[list[Placed], float]]:
    """Every way in which the tosses can fall: the slate that it gives, and its probability."""
    assert method.sides is not None, "this method's tosses cannot be counted"
    sides = method.sides(len(rankings))
    todo: list[tuple[int, ...]] = [()]
    while todo:
        fallen = todo.pop()
        try:
            placed = method.merge(rankings, n, coin=partial(_known, fallen, sides), before=before)
        except _NotTossedError:
            todo.extend((*fallen, side) for side in range(sides))
        else:
            yield placed or [], float(sides) ** -len(fallen)


class _NotTossedError(Exception):
    """A toss is asked for that is not known yet."""


def _known(fallen: Sequence[int], sides: int, toss: int) -> float:
    if toss >= len(fallen):
        raise _NotTossedError
    return (fallen[toss] + 0.5) / sides


def lefts(rankings: Iterable[Ranking], before: Iterable[Placed]) -> list[dict[str, None]]:
    """What each ranking still has to give, in its order."""
    gone = {placed.item for placed in before}
    return [dict.fromkeys(item for item in ranking if item not in gone) for ranking in rankings]


def top(left: dict[str, None]) -> str | None:
    return next(iter(left), None)


def remove(item: str, left: Iterable[dict[str, None]]) -> None:
    for ranking in left:
        ranking.pop(item, None)
