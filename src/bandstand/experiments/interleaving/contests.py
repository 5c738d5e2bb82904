"""What an interleaved decision says of each treatment and the control, from the rankings and the teams it recorded."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from bandstand.events import Decided
from bandstand.experiments.definition import Experiment, Interleave
from bandstand.experiments.interleaving import Credit, Method, Pair, Placed, Ranking, Rewards, possible
from bandstand.experiments.interleaving.registry import METHODS


class Merged(NamedTuple):
    """An interleaved slate with all that it was made from."""

    method: Interleave
    rankings: Sequence[Ranking]
    before: Sequence[Placed]
    placed: Sequence[Placed]


class Chances(NamedTuple):
    """How likely the control wins a slate, neither does, or the treatment does, over the coins of that slate."""

    loss: float
    tie: float
    win: float


def merged(experiment: Experiment, fact: Decided) -> Merged:
    """The slate as its method sees it, rankings in the order of the variants."""
    teams: dict[str | None, int] = {one.name: index for index, one in enumerate(experiment.variants)}
    earlier = fact.request.drafted
    before = earlier.picks if earlier is not None and earlier.experiment == experiment.name else ()
    return Merged(
        _method(fact),
        [fact.rankings[one.name] for one in experiment.variants],
        [Placed(item, teams.get(team)) for item, team in before],
        [Placed(pick.item, teams.get(pick.team)) for pick in fact.picks],
    )


def duels(slate: Merged) -> tuple[tuple[Credit, ...], ...]:
    """For each treatment, the marks of every position in its comparison with the control."""
    pairs: list[Pair] = [(0, treatment) for treatment in range(1, len(slate.rankings))]
    marks = METHODS[slate.method].marks
    return tuple(tuple(marks(slate.rankings, slate.placed, pair, before=slate.before)) for pair in pairs)


def chances(slate: Merged, rewards: Rewards, *, treatment: int = 1) -> Chances:
    """Who wins the slate where its positions are rewarded as they were, whatever was shown there: the null hypothesis
    of a randomisation test, over all coins (all slates are made again from the rankings).

    Only of methods whose coins can be counted: team draft and balanced.
    """
    method, pair = METHODS[slate.method], (0, treatment)
    ranked = {item for ranking in slate.rankings for item in ranking}
    drawn = [index for index, placed in enumerate(slate.placed) if placed.item in ranked]  # rules placed the others
    rewards = [(drawn.index(index), value) for index, value in rewards if index in drawn]
    total = {-1: 0.0, 0: 0.0, 1: 0.0}
    for placed, chance in possible(method, slate.rankings, _reach(slate, len(drawn), rewards), before=slate.before):
        marks = method.marks(slate.rankings, placed, pair, before=slate.before)
        total[_sign(method, marks, rewards)] += chance
    return Chances(total[-1], total[0], total[1])


def ways(slate: Merged, rewards: Rewards) -> float:
    """At most so many slates `chances` has to make again; infinite where the method's coins cannot be counted."""
    sides, teams = METHODS[slate.method].sides, len(slate.rankings)
    if sides is None:
        return inf
    rounds = -(-_reach(slate, len(slate.placed), rewards) // teams) + 1  # a page may begin within one
    return float(sides(teams)) ** rounds


def won(slate: Merged, rewards: Rewards, *, treatment: int = 1) -> int:
    """1 where the treatment won the slate, -1 where the control did, else 0."""
    return _sign(METHODS[slate.method], duels(slate)[treatment - 1], rewards)


def _reach(slate: Merged, n: int, rewards: Rewards) -> int:
    """So many positions matter: of two rankings those up to the lowest that was rewarded, whatever is below it."""
    return max((index for index, _ in rewards), default=-1) + 1 if len(slate.rankings) == 2 else n


def _sign(method: Method, marks: Sequence[Credit], rewards: Rewards) -> int:
    a, b = method.earned(marks, rewards)
    return (b > a) - (a > b)


def _method(fact: Decided) -> Interleave:
    for name in METHODS:
        if fact.interleaved is not None and fact.interleaved.method == name:
            return name
    return "team_draft"
