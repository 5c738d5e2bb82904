"""Optimised: of all slates made of the two rankings' tops, a mixture that is fair to both and tells them apart best."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.interleaving import NEUTRAL, Coin, Credit, Pair, Placed, Ranking, lefts

# The programme grows with the square of the positions: 7 ms for 10 and 13 ms for 20 (measured), on
# the path of a request wherever a pattern of two rankings is new.
LONGEST: Final = 20

_Place = tuple[int, int]  # how many items from the top of either ranking the slate has at least


class Step(NamedTuple):
    """An item that may come next: its index among both rankings' items, where it leads, and how likely it is."""

    item: int
    to: _Place
    chance: float


Plan = dict[_Place, tuple[Step, ...]]
"""What may follow at each place, beginning at (0, 0)."""


class _Edge(NamedTuple):
    start: _Place
    item: int
    to: _Place
    position: int


def merge(rankings: Sequence[Ranking], n: int, *, coin: Coin, before: Sequence[Placed] = ()) -> list[Placed] | None:
    """A slate drawn from the mixture of `plan`; None where there is no fair one, or n is more than `LONGEST`.

    `chance` is each item's probability given those above. A later page is a mixture of its own, of what is left.
    """
    items, a, b = _numbered(rankings, before)
    found = plan(a, b, n) if n <= LONGEST else None
    if found is None:
        return None
    placed: list[Placed] = []
    place = (0, 0)
    while steps := found.get(place):
        chance, step = coin(len(placed)), steps[-1]
        for one in steps:
            chance -= one.chance
            if chance < 0:
                step = one
                break
        placed.append(Placed(items[step.item], None, step.chance))
        place = step.to
    return placed


def marks(
    rankings: Sequence[Ranking], placed: Sequence[Placed], pair: Pair, *, before: Sequence[Placed] = ()
) -> list[Credit]:
    """Each item's credit δ as shares of one reward, (1 - δ)/2 and (1 + δ)/2; none for what neither ranking has."""
    items, a, b = _numbered(rankings, before)
    credit = dict(zip(items, _credits(a, b), strict=True))
    known = (credit.get(one.item) for one in placed)
    return [NEUTRAL if delta is None else Credit((1 - delta) / 2, (1 + delta) / 2) for delta in known]


@lru_cache(maxsize=4096)
def plan(a: tuple[int, ...], b: tuple[int, ...], n: int) -> Plan | None:
    r"""The mixture of slates of n, as the probabilities of each next item; None where none is fair.

    A slate may be shown where each of its prefixes is the top i of one ranking and the top j of the other. Its items
    earn :math:`\delta(d) = 1/r_b(d) - 1/r_a(d)`, with the rank after the last where a ranking lacks an item. Fair is a
    mixture in which every position has mean credit 0, so that whoever clicks by position alone prefers neither [1]_.

    Of these the programme takes the one with the least :math:`\sum_k E[(C_k / k)^2]`, C_k being the credit of the
    first k items: slates in which both compete evenly at every depth tell most. Schuth et al. [2]_ minimise the same
    variance for clicks that fall with 1/rank. For those at random among the first k it depends on the prefix as a set,
    so the programme runs over the O(n²) places that prefixes can reach and not over the 2^n slates.

    References
    ----------
    .. [1] Radlinski, Craswell (2013), "Optimized interleaving for online retrieval evaluation", WSDM.
    .. [2] Schuth, Sietsma, Whiteson, Lefortier, de Rijke (2014), "Multileaved comparisons for fast online evaluation",
       CIKM: optimised multileaving.
    """
    edges = _edges(a, b, n)
    if not edges:
        return {}
    flow = _flow(edges, _credits(a, b))
    if flow is None:
        return None
    steps: dict[_Place, list[tuple[_Edge, float]]] = {}
    for edge, share in zip(edges, flow.tolist(), strict=True):
        if share > 0:
            steps.setdefault(edge.start, []).append((edge, share))
    return {
        place: tuple(Step(edge.item, edge.to, share / sum(each for _, each in out)) for edge, share in out)
        for place, out in steps.items()
    }


def _flow(edges: Sequence[_Edge], credits: Sequence[float]) -> npt.NDArray[np.float64] | None:
    """How likely each edge is to be on the slate's way, by the linear programme."""
    places = {place: row for row, place in enumerate(dict.fromkeys(edge.start for edge in edges))}
    conditions = np.zeros((len(places) + 1 + edges[-1].position, len(edges)))
    outflow = np.zeros(len(conditions))
    outflow[places[0, 0]] = 1.0
    cost = np.zeros(len(edges))
    reached = {(0, 0): 0.0}  # the credit of all items that lead to a place
    for column, edge in enumerate(edges):
        reached[edge.to] = reached[edge.start] + credits[edge.item]
        cost[column] = (reached[edge.to] / (edge.position + 1)) ** 2
        conditions[places[edge.start], column] = 1.0
        if edge.to in places:
            conditions[places[edge.to], column] = -1.0
        conditions[len(places) + edge.position, column] = credits[edge.item]
    # The nudges make the best mixture the only one, so that it is the same whichever solver finds it.
    nudges = 1e-5 * (np.sqrt(np.arange(2, 2 + len(edges))) % 1.0)
    from scipy.optimize import linprog  # a fifth of a server's start, for this one kind of experiment

    solved = linprog(cost + nudges, A_eq=conditions, b_eq=outflow, bounds=(0, None), method="highs")
    return np.asarray(solved.x, np.float64).round(9) if solved.status == 0 else None


def _edges(a: tuple[int, ...], b: tuple[int, ...], n: int) -> list[_Edge]:
    """Every step from a prefix to a longer one, the shorter prefixes first."""

    def after(place: _Place, item: int) -> _Place:
        i, j = place
        has = {*a[:i], *b[:j], item}
        while i < len(a) and a[i] in has:
            i += 1
        while j < len(b) and b[j] in has:
            j += 1
        return i, j

    edges: list[_Edge] = []
    places: list[_Place] = [(0, 0)]
    for position in range(min(n, len({*a, *b}))):
        reached: dict[_Place, None] = {}
        for place in places:
            i, j = place
            for item in dict.fromkeys([*a[i : i + 1], *b[j : j + 1]]):
                edge = _Edge(place, item, after(place, item), position)
                edges.append(edge)
                reached[edge.to] = None
        places = list(reached)
    return edges


def _credits(a: Sequence[int], b: Sequence[int]) -> list[float]:
    rank_a, rank_b = ({item: rank for rank, item in enumerate(ranking, start=1)} for ranking in (a, b))
    return [1 / rank_b.get(item, len(b) + 1) - 1 / rank_a.get(item, len(a) + 1) for item in range(len({*a, *b}))]


def _numbered(
    rankings: Sequence[Ranking], before: Sequence[Placed]
) -> tuple[list[str], tuple[int, ...], tuple[int, ...]]:
    """The items left, in the order in which they are first named, and both rankings as indices into them: equal
    patterns have one plan, whatever the items."""
    a, b = lefts(rankings, before)
    index = {item: at for at, item in enumerate({**a, **b})}
    return list(index), tuple(index[item] for item in a), tuple(index[item] for item in b)
