"""`python -m benchmarks.sensitivity`: how many times fewer users an interleaving needs than an A/B test."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import rich_click as click
from rich.console import Console
from rich.table import Table
from scipy.special import logit, ndtri

from bandstand.chance import uniform
from bandstand.experiments.definition import Interleave
from bandstand.experiments.interleaving import Rewards
from bandstand.experiments.interleaving.registry import METHODS, mixed
from bandstand.simulate.items import made
from bandstand.simulate.nature import Nature
from bandstand.simulate.people import Traits, Visit
from bandstand.simulate.world import World

Floats = npt.NDArray[np.float64]

_SLATE = 10
_ITEMS = 200
_DAY_S = 86_400.0
# What the rankers do not know of each item, as a standard deviation in logits: the treatment is the better one.
BLUR = {"control": 1.0, "treatment": 0.6}
_RESAMPLES = 2000


class Users(NamedTuple):
    """One row a user: slates seen; under either ranker alone, clicks and how many were to be expected; and by method
    the credit of either side and all clicks of the interleaved slates."""

    slates: Floats
    clicks: dict[str, Floats]
    expected: dict[str, Floats]
    credits: dict[Interleave, Floats]


@click.command()
@click.option("--visits", default=40_000, help="So many slates are asked for.")
@click.option("--users", default=4_000, help="By so many users, who come back unequally often.")
@click.option("--seed", default=1, help="Of the world.")
def main(visits: int, users: int, seed: int) -> None:
    """Show both rankers and every interleaving of them to the same visitors; compare the users that each test needs.

    The size of a test goes with variance over effect squared. An A/B test counts clicks by user, or clicks by slate
    with users as clusters; both its arms are counted. Intervals are from resampled users.
    """
    world = World(made(_ITEMS), Nature(users=users), seed=seed)
    seen = _watch(world, visits)
    table = Table(box=None, pad_edge=False)
    for heading in ("interleaving", "A/B by clicks per user", "A/B by clicks per slate"):
        table.add_column(heading)
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(seen.slates), size=len(seen.slates)) for _ in range(_RESAMPLES)]
    for method in METHODS:
        cells = [_times(seen, method, rival, draws) for rival in (_per_user, _per_slate)]
        table.add_row(method.replace("_", " "), *cells)
    lift = seen.expected["treatment"].sum() / seen.expected["control"].sum() - 1
    console = Console()
    console.print(
        f"{visits:,} slates of {_SLATE}, {len(seen.slates):,} users; the treatment is clicked {lift:+.1%}. An "
        "interleaving needs so many times fewer users than an A/B test (95 % interval):"
    )
    console.print(table)


def _watch(world: World, visits: int) -> Users:
    """What all visitors do with every slate that could be shown to them."""
    rankings: dict[Traits, dict[str, list[str]]] = {}
    rows: dict[str, int] = {}
    slates: list[float] = []
    clicks: dict[str, list[float]] = {name: [] for name in BLUR}
    expected: dict[str, list[float]] = {name: [] for name in BLUR}
    credits: dict[Interleave, list[list[float]]] = {method: [] for method in METHODS}
    for number in range(visits):
        visit = world.visit(number, time=number * _DAY_S / 1000)
        by_ranker = rankings.get(visit.traits)
        if by_ranker is None:
            by_ranker = rankings[visit.traits] = {name: ranked(world, visit, name) for name in BLUR}
        if visit.user not in rows:
            rows[visit.user] = len(rows)
            slates.append(0.0)
            for sums in (*clicks.values(), *expected.values()):
                sums.append(0.0)
            for table in credits.values():
                table.append([0.0, 0.0, 0.0])
        row = rows[visit.user]
        slates[row] += 1
        for name, ranking in by_ranker.items():
            clicks[name][row] += len(world.clicks(visit, ranking))
            expected[name][row] += world.expected(visit, ranking)
        for method, table in credits.items():
            earned = _interleaved(world, visit, method, list(by_ranker.values()))
            table[row] = [total + more for total, more in zip(table[row], earned, strict=True)]
    return Users(
        np.array(slates),
        {name: np.array(sums) for name, sums in clicks.items()},
        {name: np.array(sums) for name, sums in expected.items()},
        {method: np.array(table) for method, table in credits.items()},
    )


def ranked(world: World, visit: Visit, ranker: str) -> list[str]:
    """The items that the ranker takes for the best: it knows this visitor's taste, but not each item's appeal."""
    items = [item.item for item in world.items]
    appeal = logit([world.click_probability(visit, item, 0) for item in items])
    blur = ndtri([uniform("blur", world.seed, ranker, item) for item in items])
    order = np.argsort(-(appeal + BLUR[ranker] * blur), kind="stable")
    return [items[at] for at in order[:_SLATE]]


def _interleaved(
    world: World, visit: Visit, method: Interleave, rankings: list[list[str]]
) -> tuple[float, float, float]:
    """Credit of control and treatment, and clicks."""
    made = mixed(method, rankings, _SLATE, coin=lambda toss: uniform("coin", method, world.seed, visit.number, toss))
    clicks: Rewards = [(at, 1.0) for at in world.clicks(visit, [one.item for one in made.placed])]
    used = METHODS[made.method]
    return (*used.earned(used.marks(rankings, made.placed, (0, 1)), clicks), float(len(clicks)))


Rival = Callable[[Users, npt.NDArray[np.int64]], float]


def _times(seen: Users, method: Interleave, rival: Rival, draws: list[npt.NDArray[np.int64]]) -> str:
    def times(drawn: npt.NDArray[np.int64]) -> float:
        a, b, total = seen.credits[method][drawn].T
        return rival(seen, drawn) / _size((b - a) / 2, total)

    low, high = np.quantile([times(drawn) for drawn in draws], (0.025, 0.975))
    return f"{times(np.arange(len(seen.slates))):.1f} ({low:.1f} to {high:.1f})"


def _per_user(seen: Users, drawn: npt.NDArray[np.int64]) -> float:
    """The users of both arms that a test of mean clicks needs, but for a factor that all tests share.

    The effect is taken from the clicks that were to be expected: one drowned in noise would be taken for a larger one.
    """
    arms = [seen.clicks[name][drawn] for name in BLUR]
    before, after = (seen.expected[name][drawn].mean() for name in BLUR)
    return float(2 * sum(arm.var() for arm in arms) / (after - before) ** 2)


def _per_slate(seen: Users, drawn: npt.NDArray[np.int64]) -> float:
    slates = seen.slates[drawn]
    arms = [seen.clicks[name][drawn] for name in BLUR]
    rates = [arm.sum() / slates.sum() for arm in arms]
    spread = sum(((arm - rate * slates) / slates.mean()).var() for arm, rate in zip(arms, rates, strict=True))
    before, after = (seen.expected[name][drawn].sum() / slates.sum() for name in BLUR)
    return float(2 * spread / (after - before) ** 2)


def _size(half: Floats, total: Floats) -> float:
    """The users that an interleaving needs, but for the same factor."""
    delta = half.sum() / total.sum()
    return float(((half - delta * total) / total.mean()).var() / delta**2)


if __name__ == "__main__":
    main()
