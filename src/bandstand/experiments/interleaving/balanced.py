"""Balanced: the two rankings are read in step, and a coin says once whose item comes first. Biased; see `earned`."""

from collections.abc import Sequence
from math import inf

from bandstand.experiments.interleaving import NEUTRAL, Coin, Credit, Pair, Placed, Ranking, Rewards


def merge(rankings: Sequence[Ranking], n: int, *, coin: Coin, before: Sequence[Placed] = ()) -> list[Placed]:
    """Each ranking in turn gives its next item, and loses the turn where the slate has it [1]_. Every prefix of the
    slate is the top i of one ranking and the top i or i + 1 of the other. A later page keeps who went first.

    References
    ----------
    .. [1] Joachims (2003), "Evaluating retrieval performance using clickthrough data", Text Mining.
    """
    began = (placed.team for placed in before if placed.team is not None)
    first = next(began, None)
    if first is None:
        first = int(coin(0) >= 0.5)
    turns = (1, 0) if first == 1 else (0, 1)
    there = {placed.item for placed in before}
    placed: list[Placed] = []
    for rank in range(max(map(len, rankings), default=0)):
        for team in turns:
            if rank < len(rankings[team]) and rankings[team][rank] not in there and len(placed) < n:
                item = rankings[team][rank]
                placed.append(Placed(item, team))
                there.add(item)
    return placed


def marks(
    rankings: Sequence[Ranking], placed: Sequence[Placed], pair: Pair, *, before: Sequence[Placed] = ()
) -> list[Credit]:
    """The rank of each item in either ranking, from 1; infinite where it is not in it."""
    ranks = [{item: rank for rank, item in enumerate(rankings[side], start=1)} for side in pair]
    return [Credit(*(side.get(item, inf) for side in ranks)) for item, _, _ in placed]


def earned(marks: Sequence[Credit], rewards: Rewards) -> Credit:
    """The rewards of what is in either ranking's top k, for the least k that reaches the lowest rewarded item [1]_.

    Biased: of A = 1, 2, 3, 4 and B = 2, 3, 4, 1, somebody who clicks one position at random prefers B in
    three cases of four, for that is how many items it has a place higher ([2]_, section 3).

    References
    ----------
    .. [1] Chapelle, Joachims, Radlinski, Yue (2012), "Large-scale validation and analysis of interleaved search
       evaluation", ACM TOIS 30(1).
    .. [2] Radlinski, Kurup, Joachims (2008), "How does clickthrough data reflect retrieval quality?", CIKM.
    """
    rewards = [(index, value) for index, value in rewards if min(marks[index]) < inf]
    if not rewards:
        return NEUTRAL
    reached = min(marks[max(index for index, _ in rewards)])
    return Credit(
        sum(value for index, value in rewards if marks[index].a <= reached),
        sum(value for index, value in rewards if marks[index].b <= reached),
    )


def sides(teams: int) -> int:
    return 2
