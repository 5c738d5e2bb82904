"""How an experiment came to where it is: who had entered by when, and each interval as it stood then."""

from collections.abc import Iterator

import numpy as np

from bandstand.experiments.definition import Experiment
from bandstand.report.compare import differences
from bandstand.report.exposure import Units
from bandstand.report.gathered import Life
from bandstand.report.measure import table
from bandstand.report.result import Entered, Point

MOMENTS = 30


def entered(experiment: Experiment, units: Units, life: Life) -> tuple[Entered, ...]:
    """Units of each variant at each moment."""
    arrivals = [np.sort(units.first[units.variant == index]) for index in range(len(experiment.variants))]
    return tuple(
        Entered(at, tuple(int(np.searchsorted(each, at, side="right")) for each in arrivals))
        for at in _moments(units, life)
    )


def timeline(experiment: Experiment, units: Units, life: Life) -> tuple[Point, ...]:
    """The decision metrics' intervals at each moment, as far as they could be computed then."""
    return tuple(_points(experiment, units, life))


def _points(experiment: Experiment, units: Units, life: Life) -> Iterator[Point]:
    for at in _moments(units, life):
        young = units.first <= at
        found = differences(experiment, units, table(experiment.metrics, units, at=at), among=young, only=("decision",))
        for one in found:
            if one.lift is not None and one.lift_low is not None and one.lift_high is not None:
                yield Point(at, one.metric, one.variant, one.lift, one.lift_low, one.lift_high, True)
            elif one.difference is not None and one.low is not None and one.high is not None:
                yield Point(at, one.metric, one.variant, one.difference, one.low, one.high, False)


def _moments(units: Units, life: Life) -> list[float]:
    """From the first exposure to the end of what was read, evenly."""
    if not len(units):
        return []
    start = float(units.first.min())
    return [start + (life.at - start) * (step + 1) / MOMENTS for step in range(MOMENTS)]
