"""What a measurement is: medians with their extremes, beside a peer measured in the same rounds."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

Clock = time.perf_counter


class Spread(msgspec.Struct, frozen=True):
    """Repeated measurements of one thing."""

    median: float
    low: float
    high: float


class Figure(msgspec.Struct, frozen=True):
    """One line of the table: `name` and `short` in it, `what` in full below it.

    `ratio` is of the pairs that were measured one after the other, never of two medians.
    """

    name: str
    short: str
    what: str
    unit: str
    ours: Spread
    bar: str
    holds: bool
    peer: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    more: dict[str, float] = {}


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def paired(ours: Callable[[], float], theirs: Callable[[], float], *, rounds: int) -> tuple[list[float], list[float]]:
    """Both, turn by turn, so that whatever else the machine does meets both."""
    a, b = [], []
    for _ in range(rounds):
        a.append(ours())
        b.append(theirs())
    return a, b


def each_us(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Microseconds of each call."""
    taken = []
    for call in calls:
        started = Clock()
        call()
        taken.append((Clock() - started) * 1e6)
    return taken


def median_us(calls: Sequence[Callable[[], object]]) -> float:
    return statistics.median(each_us(calls))


def peak_mb() -> float:
    """The greatest memory of this process so far. `ru_maxrss` is no less than that of whoever started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
