"""Team draft: the rankings take turns in an order that a coin decides anew for each round."""

from collections.abc import Iterator, Sequence
from math import factorial

from bandstand.experiments.interleaving import FOR_A, FOR_B, NEUTRAL, Coin, Credit, Pair, Placed, Ranking, remove, top

_Lefts = list[dict[str, None]]


def merge(rankings: Sequence[Ranking], n: int, *, coin: Coin, before: Sequence[Placed] = ()) -> list[Placed]:
    """In each round every ranking, in random order, adds its highest item that is not in the slate yet [1]_, [2]_.

    Of two rankings the first goes first where the coin is below one half. Every prefix of the slate is made of the
    rankings' tops. Where one ranking runs out, the others fill the slate. A round that an earlier page left open goes
    on with those that have not had their turn: drawn anew, the page's first position would not make up for the last.

    References
    ----------
    .. [1] Radlinski, Kurup, Joachims (2008), "How does clickthrough data reflect retrieval quality?", CIKM, section 4.
    .. [2] Schuth, Sietsma, Whiteson, Lefortier, de Rijke (2014), "Multileaved comparisons for fast online evaluation",
       CIKM: team-draft multileaving.
    """
    left, had = _so_far(rankings, before)
    drafted: list[Placed] = []
    tosses = 0
    while len(drafted) < n and any(left):
        waiting = [team for team, items in enumerate(left) if items and team not in had]
        had = set()
        order = waiting
        if len(waiting) > 1:
            order = list(_ordered(waiting, coin(tosses)))
            tosses += 1
        for team in order:
            item = top(left[team])
            if item is not None and len(drafted) < n:
                drafted.append(Placed(item, team))
                remove(item, left)
    return drafted


def marks(
    rankings: Sequence[Ranking], placed: Sequence[Placed], pair: Pair, *, before: Sequence[Placed] = ()
) -> list[Credit]:
    """Paired credit: that of the team which drafted the pick, but for what tells nothing about this pair."""
    sides = {pair[0]: FOR_A, pair[1]: FOR_B, None: NEUTRAL}
    return [sides[team] for team in credited(rankings, [*before, *placed], pair)[len(before) :]]


def credited(
    rankings: Sequence[Ranking], drafted: Sequence[Placed], pair: Pair = (0, 1), *, paired: bool = True
) -> list[int | None]:
    """For each pick of a slate from its first page on, the team of the pair that its rewards speak for, or None.

    A pick that another order of turns would not have mirrored has none: it is there because one of the pair ran out,
    and would credit the longer one for its length. `paired` credit leaves out as well what both would have contributed
    at this moment, where only the coin said whose it became [1]_.

    Both are judged from what was left when the first of the pair had its turn in the round, and again at the second's
    turn where they had agreed. Judged at each pick the answer would depend on the coin, and leaving picks out would
    favour one side.

    References
    ----------
    .. [1] Zhang, Deng, Du, Gao, He, Katariya (2025), "Harnessing the power of interleaving and counterfactual
       evaluation for Airbnb search ranking", KDD, arXiv:2508.00751.
    """
    left = [dict.fromkeys(ranking) for ranking in rankings]
    teams: list[int | None] = []
    had: set[int] = set()
    agreed = one_sided = False
    for index, (item, team, _) in enumerate(drafted):
        speaks = None
        if team in pair:
            if agreed or had.isdisjoint(pair):
                # All must last through the round, whatever others take, or the order would say whose turn falls out.
                enough = 1 if len(rankings) == 2 else min(len(rankings), len(drafted) - index)
                short = any(len(items) < enough and (items or side in pair) for side, items in enumerate(left))
                one_sided = one_sided or short
                agreed = top(left[pair[0]]) == top(left[pair[1]])
            speaks = None if one_sided or (paired and agreed) else team
        teams.append(speaks)
        had = _after(had, item, team, left)
    return teams


def sides(teams: int) -> int:
    """In how many orders a round can go."""
    return factorial(teams)


def _so_far(rankings: Sequence[Ranking], before: Sequence[Placed]) -> tuple[_Lefts, set[int]]:
    """What is left after the earlier pages, and who had their turn in the round that they left open."""
    left = [dict.fromkeys(ranking) for ranking in rankings]
    had: set[int] = set()
    for item, team, _ in before:
        had = _after(had, item, team, left)
    return left, had


def _after(had: set[int], item: str, team: int | None, left: _Lefts) -> set[int]:
    """Who had their turn in the open round, after this pick. It ends once nobody else can pick."""
    remove(item, left)
    had = had if team is None else had | {team}
    return had if any(items and other not in had for other, items in enumerate(left)) else set()


def _ordered(teams: Sequence[int], chance: float) -> Iterator[int]:
    """One of the orders of these teams, each as likely: the digits of a number below their factorial."""
    waiting = list(teams)
    number = int(chance * factorial(len(waiting)))
    while waiting:
        digit, number = divmod(number, factorial(len(waiting) - 1))
        yield waiting.pop(digit)
