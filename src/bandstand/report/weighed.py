"""Comparisons where weights changed while the experiment ran: every unit counts by the probability that it had.

The plain means of two arms, and Welch's test of them, are refused there: units of different phases came at different
times (Simpson's paradox), and where weights follow results, came *because* of them.
"""

from typing import Final, NamedTuple

import numpy as np

from bandstand.errors import InputError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric
from bandstand.report.exposure import Units
from bandstand.report.infer import LEAST_ACTIVE, LEAST_UNITS, Estimate, Guard, believed, enough
from bandstand.report.measure import Mask, Measured
from bandstand.report.phases import Chances
from bandstand.report.stretch import Floats, Ints
from bandstand.stats.adaptive import adaptive_difference, arm_scores, contrast, ratio_scores
from bandstand.stats.lyapunov import average_sequence
from bandstand.stats.means import Difference
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import Sequence

INSTEAD: Final = {
    "always-valid": "a Lyapunov confidence sequence, which holds at every look",
    "group-sequential": "a Lyapunov confidence sequence, which holds at every look, in place of the planned ones",
    "fixed": "the central limit theorem for martingales",
    "bayesian": "the posterior of these",
}
"""By the experiment's method: what intervals are made of, in place of Welch's test of the arms' means."""


class Weighed(NamedTuple):
    """A metric's score of every unit under every variant, in the order in which units came; their means are the
    variants' values among all units. `arms` says who got which and `p` with which probabilities, `active` who has a
    value other than zero."""

    scores: Floats
    arms: Ints
    p: Floats
    active: Mask
    adjusted: bool


def weighed(of: Measured, units: Units, among: Mask | None, *, by: Chances) -> Weighed:
    """InputError where there is nobody, and of a quantile, which no mean of scores is."""
    if of.rows is not None:
        raise InputError(
            "a quantile is not told where weights changed while it ran; name a share above a limit instead, by an "
            "expression"
        )
    inside = np.flatnonzero(of.counted if among is None else among & of.counted)
    order = inside[np.lexsort((units.first[inside], by.phase[inside]))]
    above, arms, p = of.above[order], units.variant[order].astype(np.int64), by.compared[order]
    if not len(order):
        raise InputError("nobody took part who counts; wait for more data", code="too_few")
    if of.below is not None:
        return Weighed(ratio_scores(above, of.below[order], arms, p), arms, p, above != 0, False)
    before = [one[order] for one in of.before]
    return Weighed(arm_scores(_adjusted(above, arms, before), arms, p), arms, p, above != 0, bool(before))


def weighed_estimate(
    metric: Metric, found: Weighed, treatment: int, *, analysis: Analysis, alpha: float, shared_by: int = 1
) -> Estimate:
    """InputError says why it cannot be computed, or not yet. `shared_by` comparisons share the error rate of a method
    that planned its looks."""
    scores = contrast(found.scores, treatment=treatment, alpha=alpha)
    fixed = adaptive_difference(scores, alpha=alpha)
    if analysis.method == "bayesian":
        return believed(metric, fixed, adjusted=found.adjusted, prior_std=analysis.prior_std, alpha=alpha)
    if analysis.method == "fixed":
        lift = (fixed.relative.value, fixed.relative.low, fixed.relative.high) if fixed.relative else None
        return _told(fixed, lift, alpha=alpha, adjusted=found.adjusted)
    level = alpha / shared_by if analysis.method == "group-sequential" else alpha
    start = _start(found, treatment)
    one = _sequence(scores.difference, start, analysis=analysis, alpha=level)
    lift = None
    if scores.lift is not None:
        of_lift = _sequence(scores.lift, start, analysis=analysis, alpha=level)
        lift = of_lift.value, of_lift.low, of_lift.high
    return _told(one, lift, alpha=level, adjusted=found.adjusted)


def weighed_guard(metric: Metric, found: Weighed, treatment: int, *, analysis: Analysis, alpha: float) -> Guard:
    """As `infer.guard`: whether the treatment is worse, one-sided; with a margin m, whether it is above 1 − m times the
    control."""
    sign = -1.0 if metric.better == "lower" else 1.0
    ours, theirs = sign * found.scores[:, treatment], sign * found.scores[:, 0]
    if metric.margin is not None:
        theirs = theirs * (1 - metric.margin if theirs.mean() > 0 else 1 + metric.margin)

    def p_above(scores: Floats) -> float:
        if analysis.method == "fixed":
            one = adaptive_difference(contrast(np.column_stack([np.zeros(len(scores)), scores]), treatment=1))
            return one.p_value / 2 if one.difference > 0 else 1 - one.p_value / 2
        return _sequence(scores, _start(found, treatment), analysis=analysis, alpha=alpha, one_sided=True).p_value

    safe = None if metric.margin is None else p_above(ours - theirs) < alpha
    return Guard(p_above(theirs - ours) < alpha, safe)


def _told(
    found: Difference | Sequence, lift: tuple[float, float, float] | None, *, alpha: float, adjusted: bool
) -> Estimate:
    value = found.difference if isinstance(found, Difference) else found.value
    significant = found.p_value < alpha
    return Estimate(value, found.low, found.high, found.std_error, lift, found.p_value, significant, adjusted)


def _sequence(scores: Floats, start: int, *, analysis: Analysis, alpha: float, one_sided: bool = False) -> Sequence:
    typical = Moments.of(scores[:start]).variance
    return average_sequence(
        Moments.of(scores), typical_variance=typical, horizon=analysis.units, alpha=alpha, one_sided=one_sided
    )


def _start(found: Weighed, treatment: int) -> int:
    """After how many units the sequence begins, by the rule of all always-valid intervals. What scores vary by until
    then is what it is made for, so that this does not move from look to look."""
    ours, theirs = (np.cumsum(found.arms == arm) for arm in (treatment, 0))
    active = np.cumsum(found.active & np.isin(found.arms, (0, treatment)))
    enough(int(min(ours[-1], theirs[-1])), int(active[-1]))
    begun = (ours >= LEAST_UNITS) & (theirs >= LEAST_UNITS) & (active >= LEAST_ACTIVE)
    return int(np.argmax(begun)) + 1


def _adjusted(values: Floats, arms: Ints, before: list[Floats]) -> Floats:
    """Less what covariates explain of them within arms, as CUPED: what was before cannot depend on the variant."""
    if not before:
        return values
    columns = np.column_stack(before)
    columns = columns - columns.mean(axis=0)
    sides = (arms[:, None] == np.unique(arms)).astype(np.float64)
    try:
        slopes = np.linalg.lstsq(np.column_stack([sides, columns]), values, rcond=None)[0][sides.shape[1] :]
    except np.linalg.LinAlgError:
        raise InputError("values or covariates are too large to be added up; look at the rewards") from None
    explained: Floats = columns @ slopes
    return values - explained
