"""`python -m benchmarks.bias`: whom clicks at random positions prefer, by method of interleaving."""

from collections.abc import Iterator, Sequence

import numpy as np
import rich_click as click
from rich.console import Console
from rich.table import Table

from bandstand.chance import uniform
from bandstand.experiments.definition import Interleave
from bandstand.experiments.interleaving import Ranking, Rewards
from bandstand.experiments.interleaving.registry import METHODS, mixed
from bandstand.simulate.items import made
from bandstand.simulate.nature import Nature
from bandstand.simulate.world import World
from bandstand.stats.interleaving import credit_preference
from benchmarks.sensitivity import BLUR, ranked

SHIFTED = (("1", "2", "3", "4"), ("2", "3", "4", "1"))
"""Radlinski, Kurup, Joachims (2008), "How does clickthrough data reflect retrieval quality?", CIKM, section 3."""

_ITEMS, _USERS = 200, 4_000

Impression = tuple[str, Sequence[Ranking]]


@click.command()
@click.option("--slates", default=20_000, help="So many slates of each kind.")
@click.option("--seed", default=1, help="Of the clicks, the coins and the world.")
def main(slates: int, seed: int) -> None:
    """Interleave two rankings for people who look at positions only; a fair method gives neither an advantage.

    First 1, 2, 3, 4 against 2, 3, 4, 1 with one click at a random position: what on average speaks for the second less
    what speaks for the first. Then the rankers of the simulated world, whose slates are clicked more often further up:
    the share of clicks that speaks for the second beyond one half, with users as clusters.
    """
    world = World(made(_ITEMS), Nature(users=_USERS), seed=seed)
    table = Table(box=None, pad_edge=False)
    for heading in ("interleaving", "1, 2, 3, 4 against 2, 3, 4, 1", "the simulated world"):
        table.add_column(heading)
    for method in METHODS:
        shifted = _shifted(method, slates, seed)
        seen = credit_preference(*_credits(method, _visits(world, slates), seed))
        reach = (seen.high - seen.low) / 2
        table.add_row(method.replace("_", " "), shifted, f"{seen.delta:+.4f} ± {reach:.4f}")
    console = Console()
    console.print(f"{slates:,} slates, clicked by position alone; who is preferred (95 % interval):")
    console.print(table)


def _shifted(method: Interleave, slates: int, seed: int) -> str:
    """Of one pair of rankings, with a fresh coin and a click anywhere for each slate."""
    leads = np.zeros(slates)
    for k in range(slates):
        a, b = _earned(method, SHIFTED, 4, f"shifted {seed} {k}", [(int(4 * uniform("click", seed, k)), 1.0)])
        leads[k] = b - a
    return f"{leads.mean():+.3f} ± {1.96 * leads.std() / slates**0.5:.3f}"


def _visits(world: World, slates: int) -> Iterator[Impression]:
    """Who comes, and the two rankings for them; both are the same for visitors of the same traits."""
    known: dict[object, list[list[str]]] = {}
    for number in range(slates):
        visit = world.visit(number, time=number * 86.4)
        if visit.traits not in known:
            known[visit.traits] = [ranked(world, visit, name) for name in BLUR]
        yield visit.user, known[visit.traits]


def _credits(method: Interleave, visits: Iterator[Impression], seed: int) -> tuple[list[float], ...]:
    """For either ranker, and in all, by user; the k-th position is clicked with probability 0.2 / k."""
    rows: dict[str, list[float]] = {}
    for number, (user, rankings) in enumerate(visits):
        n = len(rankings[0])
        clicks = [(at, 1.0) for at in range(n) if uniform("position", seed, number, at) < 0.2 / (at + 1)]
        a, b = _earned(method, rankings, n, f"world {seed} {number}", clicks)
        row = rows.setdefault(user, [0.0, 0.0, 0.0])
        for at, value in enumerate((a, b, float(len(clicks)))):
            row[at] += value
    return tuple(map(list, zip(*rows.values(), strict=True)))


def _earned(
    method: Interleave, rankings: Sequence[Ranking], n: int, slate: str, clicks: Rewards
) -> tuple[float, float]:
    made = mixed(method, rankings, n, coin=lambda toss: uniform("coin", method, slate, toss))
    used = METHODS[made.method]
    return used.earned(used.marks(rankings, made.placed, (0, 1)), clicks)


if __name__ == "__main__":
    main()
