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
    "empirical likelihood": _bounded(empirical_likelihood),
    "… without a greatest weight": lambda log: empirical_likelihood(log.sums, max_weight=math.inf),
    "IPS normal": lambda log: ips(log.sums),
    "SNIPS normal": lambda log: snips(log.sums),
    "DR normal": _robust,
    "Poisson bootstrap of SNIPS": _bootstrap,
    "Bernstein": _bounded(bernstein),
    "weighted Clopper–Pearson": _bounded(clopper_pearson),
    "off-policy sequence": _sequence,
}
ROWS_ALONE = ("Bernstein", "weighted Clopper–Pearson", "off-policy sequence")  # know nothing of users
SLOW = "Poisson bootstrap of SNIPS"  # in short logs only, and a third of them
SIZES = (500, 2_000, 20_000)
SHOWN = (
    ("mild, 30.0%", 2_000),
    ("mild, 2.0%", 500),
    ("heavy, 2.0%", 2_000),
    ("extreme, 30.0%", 20_000),
    ("heavy, 10.0%, users of 5", 2_000),
)
"""The worlds and sizes that the docs show."""


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


def _text(cell: Cell | None) -> str:
    """Coverage and mean width, the coverage in bold below the bar."""
    if cell is None:
        return "–"
    text = f"{cell.covered / cell.runs:.3f}".removeprefix("0")
    return f"{f'**{text}**' if cell.covered < BAR * cell.runs else text} ({cell.width:.2g})"


def _summary(cells: Sequence[Cell]) -> list[str]:
    """By interval: the least coverage over all worlds and sizes, in how many it is below the bar, and a few of them."""
    shown = " | ".join(f"{name}, {n:,} rows" for name, n in SHOWN)
    lines = [f"| 95 % interval | least | below 93 % in | {shown} |", f"|{'---|' * (3 + len(SHOWN))}"]
    for method in dict.fromkeys(cell.method for cell in cells):
        found = {(cell.world.name, cell.n): cell for cell in cells if cell.method == method}
        least = f"{min(cell.covered / cell.runs for cell in found.values()):.3f}".removeprefix("0")
        below = sum(cell.covered < BAR * cell.runs for cell in found.values())
        few = " | ".join(_text(found.get(each)) for each in SHOWN)
        lines.append(f"| {method} | {least} | {below} of {len(found)} | {few} |")
    return lines


def _row(world: World, n: int, found: Sequence[Cell]) -> str:
    """Of each method."""
    by = {cell.method: cell for cell in found}
    return f"| {world.name} | {n:,} | {' | '.join(_text(by.get(name)) for name in INTERVALS)} |"


@click.command()
@click.option("--runs", default=1_000, show_default=True, help="Logs a world and size; a third of it of the longest.")
@click.option("--quick", is_flag=True, help="The default interval alone.")
def main(runs: int, quick: bool) -> None:
    """Print how often nominal 95 % intervals hold the truth and their mean width, then the table of docs/offline.md."""
    methods = ("default",) if quick else tuple(INTERVALS)
    click.echo(f"| world | rows | {' | '.join(INTERVALS)} |\n|{'---|' * (2 + len(INTERVALS))}")
    every: list[Cell] = []
    for world in worlds():
        for n in SIZES:
            found = cells(world, n, runs if n <= 2_000 else max(runs // 3, 2), methods)
            every += found
            click.echo(_row(world, n, found))
    click.echo("\n" + "\n".join(_summary(every)))


if __name__ == "__main__":
    main()
