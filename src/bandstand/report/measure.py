"""A metric's value for every unit, and each arm's moments of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.formula import Column, Formula, Term, evaluate
from bandstand.experiments.metrics import DAY_S, Metric, covariates, formula, window
from bandstand.report.exposure import Events, Units
from bandstand.stats.cross import CrossMoments
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.quantiles import quantile_moments
from bandstand.stats.winsor import winsorised

Mask = npt.NDArray[np.bool_]


class Measured(NamedTuple):
    """A metric of all units: numerator, denominator where it is a ratio, and covariates; `counted` are the units old
    enough for its window. Of a quantile, `rows` are the rewards themselves, and `above` is of no use. `sides` are the
    samples of whole variants that were made so far."""

    metric: Metric
    counted: Mask
    above: Column
    below: Column | None
    before: tuple[Column, ...]
    rows: tuple[npt.NDArray[np.integer[Any]], Column] | None
    sides: "dict[int, Sample]"


class Sample(NamedTuple):
    """One arm of a metric; `active` units have a value other than zero. `moments` are of a value per unit, linearised
    where it is a ratio; `cross` has its covariates beside it."""

    n: int
    active: int
    total: float
    moments: Moments
    cross: CrossMoments | None = None

    @property
    def value(self) -> float | None:
        return self.moments.mean if self.n else None


Sums = dict[tuple[Term, float, float], Column]


def table(metrics: Sequence[Metric], units: Units, *, at: float) -> list[Measured]:
    """Each metric of every unit, as of log time `at`."""
    sums: Sums = {}
    return [measured(metric, units, at=at, sums=sums) for metric in metrics]


def measured(metric: Metric, units: Units, *, at: float, sums: Sums | None = None) -> Measured:
    """The metric as of log time `at`; `sums` are those as of then that other metrics have made."""
    start, end = window(metric)
    counted = units.first + end <= at if np.isfinite(end) else units.first <= at
    whole = formula(metric)
    above = column(whole, units, start, end, at=at, sums=sums)
    below = None
    if whole.below is not None:
        below = column(Formula(whole.below), units, start, end, at=at, sums=sums)
    rows = None
    if metric.kind == "quantile":
        rewards = units.events[whole.terms()[0]]
        inside = (rewards.age_s >= start) & (rewards.age_s < end) & (rewards.at <= at)
        rows = rewards.unit[inside], rewards.value[inside]
    elif metric.cap is not None and (above[counted] > 0).any():
        above = winsorised(above, share=metric.cap)[0]
    return Measured(metric, counted, above, below, tuple(_before(metric, units)), rows, {})


def column(
    wanted: Formula, units: Units, start: float, end: float, *, at: float = np.inf, sums: Sums | None = None
) -> Column:
    """The formula's numerator for each unit, of what it did at ages from `start` to before `end`, until `at`."""
    made: Sums = {} if sums is None else sums
    columns: dict[Term, Column] = {}
    for term in Formula(wanted.above).terms():
        if (term, start, end) not in made:
            made[term, start, end] = _sums(units.events[term], len(units), start, end, at)
        columns[term] = made[term, start, end]
    if not columns:
        columns = {term: np.zeros(len(units)) for term in units.events}
    return evaluate(wanted.above, columns)


def _sums(events: Events, units: int, start: float, end: float, at: float) -> Column:
    inside = events.at <= at
    for beyond in (events.age_s >= start, events.age_s < end):
        inside &= beyond
    who, values = (events.unit, events.value) if inside.all() else (events.unit[inside], events.value[inside])
    return np.bincount(who, weights=values, minlength=units).astype(np.float64, copy=False)


def side(of: Measured, units: Units, variant: int, *, among: Mask | None = None) -> Sample:
    """The arm of a variant, all of it or of the units `among`; InputError as `sample`."""
    if among is not None:
        return sample(of, among & (units.variant == variant))
    if variant not in of.sides:
        of.sides[variant] = sample(of, units.variant == variant)
    return of.sides[variant]


def sample(of: Measured, among: Mask) -> Sample:
    """The arm of the units `among`; InputError where it has no moments, as a ratio over nothing."""
    inside = among & of.counted
    n = int(np.count_nonzero(inside))
    if of.rows is not None:
        return _quantile(of, inside, n)
    above = of.above[inside]
    total, active = float(above.sum()), int(np.count_nonzero(above))
    if of.below is not None and n:
        below = of.below[inside]
        cross = None
        if of.before:
            cross = CrossMoments.of(above, below, *(one[inside] for one in of.before))
            cross = cross.linearised((0, 1), *((k, k + 1) for k in range(2, 2 + len(of.before), 2)))
        return Sample(n, active, total, PairMoments.of(above, below).ratio(), cross)
    cross = CrossMoments.of(above, *(one[inside] for one in of.before)) if of.before and n else None
    return Sample(n, active, total, Moments.of(above), cross)


def matured(of: Measured) -> int:
    """How many units were too young to count."""
    return int(len(of.counted) - np.count_nonzero(of.counted))


def _quantile(of: Measured, inside: Mask, n: int) -> Sample:
    assert of.rows is not None
    who, values = of.rows
    kept = inside[who]
    found = quantile_moments(values[kept], of.metric.quantile, units=who[kept])
    return Sample(n, len(np.unique(who[kept])), float(values[kept].sum()), found)


def _below(wanted: Formula, units: Units, start: float) -> Column:
    """A covariate's own denominator; picks shown before the experiment are not known, and count as one for all."""
    below = column(Formula(wanted.below), units, start, 0.0) if wanted.below is not None else np.zeros(len(units))
    return below if below.any() else np.ones(len(units))


def _before(metric: Metric, units: Units) -> Sequence[Column]:
    """The covariates: of a ratio metric pairs of numerator and denominator, and at last whether a unit is new, for
    whom nothing before is not the same as having done nothing."""
    found: list[Column] = []
    ratio = formula(metric).below is not None
    start = -metric.before_days * DAY_S
    for wanted in covariates(metric):
        above = column(wanted, units, start, 0.0)
        if metric.cap is not None and (above > 0).any():
            above = winsorised(above, share=metric.cap)[0]
        found.append(above)
        if ratio:
            found.append(_below(wanted, units, start))
    if found and 0 < np.count_nonzero(units.newcomer) < len(units):
        found.append(units.newcomer.astype(np.float64))
        if ratio:
            found.append(np.ones(len(units)))
    if ratio:
        return found if len(units) and all(np.ptp(one) > 0 for one in found[::2]) else []
    return [one for one in found if len(one) and np.ptp(one) > 0]
