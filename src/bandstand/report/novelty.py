"""Does an effect last: by days since each unit's own first exposure, of the same units on every day."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.errors import InputError
from bandstand.experiments.definition import Experiment
from bandstand.experiments.formula import Formula
from bandstand.experiments.metrics import DAY_S, Metric, formula
from bandstand.report.exposure import Units
from bandstand.report.infer import LEAST_UNITS
from bandstand.report.measure import Mask, column
from bandstand.report.phases import changed
from bandstand.report.result import Change, Day, Novelty
from bandstand.stats.means import Difference, difference
from bandstand.stats.moments import Moments
from bandstand.stats.multiple import adjusted
from bandstand.stats.sequences import Sequence as AlwaysValid
from bandstand.stats.sequences import difference_sequence
from bandstand.stats.trend import linearised_ratios, slopes
from bandstand.stats.winsor import winsorised

Table = npt.NDArray[np.float64]

MOST_DAYS: Final = 28
LEAST_DAYS: Final = 3

_SHARE = 0.5
"""Of the units: so many have been there for all days that are looked at."""


def novelty(experiment: Experiment, units: Units, *, until: float) -> tuple[Novelty, ...]:
    """Every decision metric that has a value a day, of every treatment, as of log time `until`; nothing before half of
    the units, and `LEAST_UNITS` in each variant, have been there for three days.

    A calendar day mixes units at their first visit with old ones, ever fewer of the former; and were units left out
    once they are too young, later days would be of other units than earlier ones. Where weights changed between these
    units nothing is told, for then arms differ in when their units came.

    p-values are corrected by Holm's method over metrics and variants, for one look: on another day the slope is over
    other days, so looks have no guarantee together.
    """
    days = _days(units, until)
    panel = units.first + days * DAY_S <= until
    sizes = [int(np.count_nonzero(panel & (units.variant == index))) for index in range(len(experiment.variants))]
    if days < LEAST_DAYS or min(sizes) < LEAST_UNITS:
        return ()
    metrics = [
        one for one in experiment.metrics if one.role == "decision" and one.kind not in ("quantile", "retention")
    ]
    if changed(units.chances, panel):
        text = (
            "Whether effects last is not told: the weights changed between the units that would be compared, so the "
            "arms differ in when theirs came. Compare within one phase: run it by weights that stay, under a new name."
        )
        return tuple(
            Novelty(one.name, treatment.name, sum(sizes), text=text)
            for one in metrics
            for treatment in experiment.variants[1:]
        )
    found = [one for metric in metrics for one in _of_metric(experiment, metric, units, panel, days)]
    corrected = adjusted([one.slope.p_value for one in found], method="holm")
    return tuple(
        _judged(experiment, one, p_value, family=len(found)) for one, p_value in zip(found, corrected, strict=True)
    )


class _Followed(NamedTuple):
    """A metric's effect of one variant on each day, on the first and the last third of them, and how much it changes
    a day."""

    metric: str
    variant: str
    units: int
    daily: Sequence[Difference]
    early: Difference
    late: Difference
    slope: Difference | AlwaysValid


def _days(units: Units, until: float) -> int:
    """As many whole days as half of the units have been there."""
    if not len(units):
        return 0
    return min(MOST_DAYS, int(np.quantile(until - units.first, 1 - _SHARE) // DAY_S))


def _of_metric(experiment: Experiment, metric: Metric, units: Units, panel: Mask, days: int) -> Iterator[_Followed]:
    whole = formula(metric)
    above = _by_day(whole, units, days, metric.cap)
    below = None if whole.below is None else _by_day(Formula(whole.below), units, days, None)

    def daily(index: int) -> Table:
        inside = panel & (units.variant == index)
        return above[inside] if below is None else linearised_ratios(above[inside], below[inside])

    for index, variant in enumerate(experiment.variants[1:], start=1):
        try:
            yield _followed(experiment, metric, variant.name, daily(index), daily(0))
        except InputError:  # nothing comes on some day, or nothing varies
            continue


def _by_day(wanted: Formula, units: Units, days: int, cap: float | None) -> Table:
    table = np.column_stack([column(wanted, units, day * DAY_S, (day + 1) * DAY_S) for day in range(days)])
    if cap is not None and (table > 0).any():
        return winsorised(table.ravel(), share=cap)[0].reshape(table.shape)
    return table


def _followed(experiment: Experiment, metric: Metric, variant: str, ours: Table, theirs: Table) -> _Followed:
    alpha, pair = experiment.alpha, (slopes(ours), slopes(theirs))
    daily = [difference(Moments.of(a), Moments.of(b), alpha=alpha) for a, b in zip(ours.T, theirs.T, strict=True)]
    slope: Difference | AlwaysValid = difference(*pair, alpha=alpha)
    if experiment.analysis.method == "always-valid":
        slope = difference_sequence(*pair, horizon=experiment.analysis.units, alpha=alpha)
    third = _third(len(daily))
    early, late = (
        difference(Moments.of(ours[:, days].mean(axis=1)), Moments.of(theirs[:, days].mean(axis=1)), alpha=alpha)
        for days in (slice(third), slice(-third, None))
    )
    return _Followed(metric.name, variant, len(ours) + len(theirs), daily, early, late, slope)


def _judged(experiment: Experiment, of: _Followed, p_value: float, *, family: int) -> Novelty:
    alpha, slope, days, whose = experiment.alpha, _value(of.slope), len(of.daily), f"of a {experiment.unit}"
    change = _change(of.early, of.late, alpha) if p_value < alpha else None
    many = f" after correction for {family}" if family > 1 else ""
    told = f"{slope:+.3g} a day [{of.slope.low:+.3g}, {of.slope.high:+.3g}], p = {p_value:.2g}{many}, for one look"
    name = f"{of.metric}, {of.variant}"
    text = f"{name}: no change of the effect can be told up to day {days} {whose} ({told})."
    if change is not None:
        third = _third(days)
        start = f"{of.early.difference:+.3g} on days 1 to {third}"
        end = f"{of.late.difference:+.3g} on days {days - third + 1} to"
        ends = f"from {start} {whose} to {end} {days}"
        text = f"{name}: the effect {change}, {ends} ({told}); the overall figure is between them."
    return Novelty(
        metric=of.metric,
        variant=of.variant,
        units=of.units,
        days=tuple(Day(day, one.difference, one.low, one.high) for day, one in enumerate(of.daily, start=1)),
        slope=slope,
        low=of.slope.low,
        high=of.slope.high,
        p_value=of.slope.p_value,
        p_adjusted=p_value,
        change=change,
        text=text,
    )


def _value(slope: Difference | AlwaysValid) -> float:
    return slope.difference if isinstance(slope, Difference) else slope.value


def _third(days: int) -> int:
    return -(-days // 3)


def _change(early: Difference, late: Difference, alpha: float) -> Change:
    """An effect that is gone is on either side of zero; only one that was told on both has turned."""
    if early.difference * late.difference < 0 and max(early.p_value, late.p_value) < alpha:
        return "turns"
    return "fades" if abs(late.difference) < abs(early.difference) else "grows"
