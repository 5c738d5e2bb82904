"""How an experiment came to where it is: who had entered by when, and each interval as it stood then."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bandstand.experiments.definition import Experiment
from bandstand.report.compare import differences
from bandstand.report.exposure import Units
from bandstand.report.gathered import Life
from bandstand.report.measure import table
from bandstand.report.result import Comparison, Entered, Point
from bandstand.report.stretch import Floats

MOMENTS = 30


def entered(experiment: Experiment, units: Units, life: Life) -> tuple[Entered, ...]:
    """Units of each variant at each moment."""
    arrivals = [np.sort(units.first[units.variant == index]) for index in range(len(experiment.variants))]
    return tuple(
        Entered(at, tuple(int(np.searchsorted(each, as_of, side="right")) for each in arrivals))
        for at, as_of in moments(units.first, life)
    )


def timeline(experiment: Experiment, units: Units, life: Life) -> tuple[Point, ...]:
    """The decision metrics' intervals at each moment, as far as they could be computed then."""
    return tuple(_points(experiment, units, life))


def _points(experiment: Experiment, units: Units, life: Life) -> Iterator[Point]:
    for at, as_of in moments(units.first, life):
        young, then = units.first <= as_of, table(experiment.metrics, units, at=as_of)
        found = differences(experiment, units, then, among=young, only=("decision",))
        yield from (point for one in found if (point := stood(one, at)) is not None)


def stood(one: Comparison, at: float) -> Point | None:
    """The comparison as of then; None where it could not be computed."""
    if one.lift is not None and one.lift_low is not None and one.lift_high is not None:
        return Point(at, one.metric, one.variant, one.lift, one.lift_low, one.lift_high, True)
    if one.difference is not None and one.low is not None and one.high is not None:
        return Point(at, one.metric, one.variant, one.difference, one.low, one.high, False)
    return None


class Moment(NamedTuple):
    """A time, and as of when things are looked at there."""

    at: float
    as_of: float


def moments(first: Floats, life: Life) -> list[Moment]:
    """From the first of all units' first exposures to the experiment's end, evenly. The last is as of all that was
    read, as the report is: rewards come after the end too."""
    if not len(first):
        return []
    start = float(first.min())
    end = max(start, life.at if life.until is None else life.until)
    times = [start + (end - start) * (step + 1) / MOMENTS for step in range(MOMENTS)]
    return [*(Moment(at, at) for at in times[:-1]), Moment(times[-1], life.at)]
