"""`python -m benchmarks.coverage`: how often off-policy intervals hold the truth, in worlds from mild to hopeless."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import rich_click as click
from numpy.typing import NDArray

from bandstand.errors import InputError
from bandstand.stats.bootstrap import PoissonBootstrap
from bandstand.stats.doubly_robust import RobustSums, dr
from bandstand.stats.intervals import bernstein, clopper_pearson, rare_events
from bandstand.stats.offpolicy import Estimate, empirical_likelihood, ips, snips
from bandstand.stats.offpolicy_sequence import OrderedSums, off_policy_sequence
from bandstand.stats.weights import WeightedSums

BAR = 0.93
Values = NDArray[np.float64]


class World(NamedTuple):
    """A choice among actions: both policies, and how often each action is rewarded."""

    name: str
    logging: Values
    target: Values
    rate: Values
    rows: int = 1  # of each user, who is always shown the same and likes it or does not

    @property
    def truth(self) -> float:
        return float(self.target @ self.rate)

    @property
    def max_weight(self) -> float:
        return float((self.target / self.logging).max())

    @property
    def ess(self) -> float:
        """Effective sample size over the size of the log."""
        return float(1 / (self.target @ (self.target / self.logging)))


class Drawn(NamedTuple):
    """A log of a world, with the word of a reward model that knows half."""

    world: World
    rewards: Values
    weights: Values
    predicted: Values
    direct: Values
    users: NDArray[np.int64] | None
    sums: WeightedSums


def draw(world: World, n: int, rng: np.random.Generator) -> Drawn:
    users = n // world.rows
    shown = np.repeat(rng.choice(world.rate.size, p=world.logging, size=users), world.rows)
    liking = np.repeat(rng.choice([0.5, 1.5], size=users), world.rows) if world.rows > 1 else 1.0
    rewards = rng.binomial(1, world.rate[shown] * liking).astype(np.float64)
    weights = (world.target / world.logging)[shown]
    model = (world.rate + world.rate.mean()) / 2
    owners = np.repeat(np.arange(users), world.rows) if world.rows > 1 else None
    return Drawn(
        world,
        rewards,
        weights,
        predicted=model[shown],
        direct=np.full(rewards.size, world.target @ model),
        users=owners,
        sums=WeightedSums.of(rewards, weights, clusters=owners),
    )


def _policies(tail: str) -> tuple[Values, Values]:
    if tail == "mild":
        logging, target = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.25, 0.25, 0.25, 0.25])
    elif tail == "heavy":  # a greedy logger that explores a quarter of the time, among ten
        logging, target = np.r_[0.775, np.full(9, 0.025)], np.r_[0.05, 0.5, np.full(8, 0.45 / 8)]
    else:  # one in twenty, among twenty-five: a weight of 250
        logging, target = np.r_[0.952, np.full(24, 0.002)], np.r_[0.4, 0.5, np.full(23, 0.1 / 23)]
    return logging, target


def worlds() -> list[World]:
    """Tails of weights × rates of rewards × where the rewards are: anywhere, or where the weights are."""
    found = []
    for tail in ("mild", "heavy", "extreme"):
        logging, target = _policies(tail)
        k = logging.size
        for rate in (0.3, 0.02, 0.005):
            flat = rate * np.linspace(0.7, 1.3, k)
            found.append(World(f"{tail}, {rate:.1%}", logging, target, flat))
            peaked = np.where(target / logging == (target / logging).max(), rate, rate / 10)
            found.append(World(f"{tail}, {rate:.1%}, where heavy", logging, target, peaked))
        found.append(World(f"{tail}, 98.0%", logging, target, np.linspace(0.97, 0.99, k)))
        found.append(World(f"{tail}, 10.0%, users of 5", logging, target, np.full(k, 0.1), rows=5))
    return found


Interval = Callable[[Drawn], Estimate]


def _bounded(interval: Callable[..., Estimate]) -> Interval:
    return lambda log: interval(log.sums, max_weight=log.world.max_weight)


def _robust(log: Drawn) -> Estimate:
    return dr(RobustSums.of(log.rewards, log.weights, predicted=log.predicted, direct=log.direct, clusters=log.users))


def _bootstrap(log: Drawn) -> Estimate:
    units = np.arange(log.rewards.size) if log.users is None else log.users
    return PoissonBootstrap.of(units, log.weights * log.rewards, log.weights, seed=1, replicates=200).estimate()


def _sequence(log: Drawn) -> Estimate:
    return off_policy_sequence(OrderedSums().then(log.rewards, log.weights))


INTERVALS: dict[str, Interval] = {
    "default": _bounded(rare_events),
    "EL": _bounded(empirical_likelihood),
    "EL, no bound": lambda log: empirical_likelihood(log.sums, max_weight=math.inf),
    "IPS normal": lambda log: ips(log.sums),
    "SNIPS normal": lambda log: snips(log.sums),
    "DR normal": _robust,
    "bootstrap": _bootstrap,
    "Bernstein": _bounded(bernstein),
    "Clopper–P.": _bounded(clopper_pearson),
    "anytime": _sequence,
}
ROWS_ALONE = ("Bernstein", "Clopper–P.", "anytime")  # know nothing of users
SLOW = "bootstrap"  # in short logs only, and a third of them
SIZES = (500, 2_000, 20_000)


class Cell(NamedTuple):
    """How often the interval held the truth in `runs` logs, and how wide it was; a log that gave none is a miss."""

    world: World
    n: int
    method: str
    covered: int
    runs: int
    width: float


def cells(world: World, n: int, runs: int, methods: Sequence[str] = tuple(INTERVALS)) -> list[Cell]:
    """The same logs for all methods, by a seed of their own."""
    rng = np.random.default_rng([n, *world.name.encode()])
    made = {name: list[tuple[bool, float]]() for name in methods if not (world.rows > 1 and name in ROWS_ALONE)}
    for number in range(runs):
        log = draw(world, n, rng)
        for name, seen in made.items():
            if name == SLOW and (number % 3 or n > 2_000):
                continue
            found = _interval(name, log)
            holds = found is not None and found.low <= world.truth <= found.high
            seen.append((holds, math.nan if found is None else found.high - found.low))
    return [
        Cell(world, n, name, sum(holds for holds, _ in seen), len(seen), float(np.nanmean([w for _, w in seen])))
        for name, seen in made.items()
        if seen
    ]


def _interval(name: str, log: Drawn) -> Estimate | None:
    """None where all rewards are equal, or the target was never followed, of which a normal interval knows nothing."""
    try:
        return INTERVALS[name](log)
    except InputError as refusal:
        if refusal.code in ("no_variation", "too_few"):
            return None
        raise


def _row(world: World, n: int, found: Sequence[Cell]) -> str:
    """Coverage and mean width of each method, below the bar in bold."""
    by = {cell.method: cell for cell in found}
    shown = []
    for name in INTERVALS:
        if (cell := by.get(name)) is None:
            shown.append("–")
            continue
        text = f"{cell.covered / cell.runs:.3f}".removeprefix("0")
        shown.append(f"{f'**{text}**' if cell.covered < BAR * cell.runs else text} ({cell.width:.2g})")
    return f"| {world.name} | {n:,} | {' | '.join(shown)} |"


@click.command()
@click.option("--runs", default=1_000, show_default=True, help="Logs a world and size; a third of it of the longest.")
@click.option("--quick", is_flag=True, help="The default interval alone.")
def main(runs: int, quick: bool) -> None:
    """Print the table of docs/offline.md: coverage of nominal 95 % intervals, with their mean width."""
    methods = ("default",) if quick else tuple(INTERVALS)
    click.echo(f"| world | rows | {' | '.join(INTERVALS)} |\n|{'---|' * (2 + len(INTERVALS))}")
    least = 1.0
    for world in worlds():
        for n in SIZES:
            found = cells(world, n, runs if n <= 2_000 else max(runs // 3, 2), methods)
            least = min(least, *(cell.covered / cell.runs for cell in found if cell.method == "default"))
            click.echo(_row(world, n, found))
    click.echo(f"\nThe default interval covers at least {least:.1%}; the bar is {BAR:.0%}.")


if __name__ == "__main__":
    main()
