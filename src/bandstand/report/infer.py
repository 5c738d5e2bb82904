"""One variant against the control on one metric, by the method that the experiment named beforehand."""

from typing import NamedTuple

from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric, binary
from bandstand.report.measure import Sample
from bandstand.stats.adjust import adjusted_difference, adjusted_moments
from bandstand.stats.bayes import FLAT, Prior, lift_posterior, posterior
from bandstand.stats.means import Difference, difference, proportions_difference
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import always_above, always_valid, lift_sequence

LEAST_UNITS = 100
"""In each arm, and LEAST_ACTIVE with a value in all: from there on the asymptotic sequences hold."""

LEAST_ACTIVE = 25


class Estimate(NamedTuple):
    """A difference with its interval, and as a lift where the control allows one.

    `significant` is by this method, alone among comparisons. `chance_to_win` and `risk` are the Bayesian's: how likely
    the treatment is better, and what choosing it loses on average, as a share of the control where there is a lift.
    """

    difference: float
    low: float
    high: float
    std_error: float
    lift: tuple[float, float, float] | None
    p_value: float | None
    significant: bool
    adjusted: bool
    chance_to_win: float | None = None
    risk: float | None = None


class Guard(NamedTuple):
    """`harmed`: shown to be worse, or with a margin, worse by more than that. `safe`: shown not to be, None without a
    margin."""

    harmed: bool
    safe: bool | None


def estimate(
    metric: Metric,
    treatment: Sample,
    control: Sample,
    *,
    analysis: Analysis,
    alpha: float,
    critical: float | None = None,
) -> Estimate:
    """InputError says why it cannot be computed, or not yet. `critical` is the group-sequential bound of this look."""
    found, adjusted = _fixed(metric, treatment, control, exact=analysis.method == "fixed", alpha=alpha)
    lift = found.relative
    match analysis.method:
        case "fixed":
            interval = (lift.value, lift.low, lift.high) if lift else None
            significant = found.p_value < alpha
            return Estimate(
                found.difference, found.low, found.high, found.std_error, interval, found.p_value, significant, adjusted
            )
        case "always-valid":
            enough(min(treatment.n, control.n), treatment.active + control.active)
            n = treatment.n + control.n
            one = always_valid(found.difference, found.std_error, n, horizon=analysis.units, alpha=alpha)
            of_lift = lift_sequence(lift, n, horizon=analysis.units, alpha=alpha) if lift else None
            interval = (of_lift.value, of_lift.low, of_lift.high) if of_lift else None
            return Estimate(
                one.value, one.low, one.high, one.std_error, interval, one.p_value, one.p_value < alpha, adjusted
            )
        case "group-sequential":
            bound = float(norm.isf(alpha / 2)) if critical is None else critical
            reach = bound * found.std_error
            interval = None
            if lift:
                interval = (lift.value, lift.value - bound * lift.std_error, lift.value + bound * lift.std_error)
            low, high = found.difference - reach, found.difference + reach
            return Estimate(
                found.difference, low, high, found.std_error, interval, found.p_value, low > 0 or high < 0, adjusted
            )
        case "bayesian":
            return believed(metric, found, adjusted=adjusted, prior_std=analysis.prior_std, alpha=alpha)


def guard(
    metric: Metric,
    treatment: Sample,
    control: Sample,
    *,
    analysis: Analysis,
    alpha: float,
    critical: float | None = None,
) -> Guard:
    """Whether the treatment is worse, one-sided; with a margin m, whether it is above 1 − m times the control.
    `critical` is the group-sequential bound of this look."""
    found = _beyond(metric, treatment, control, alpha=alpha)
    if critical is not None:
        z = found.difference / found.std_error
        return Guard(-z > critical, None if metric.margin is None else z > critical)
    worse = _one_sided(-found.difference, found, treatment.n + control.n, analysis=analysis, alpha=alpha)
    better = _one_sided(found.difference, found, treatment.n + control.n, analysis=analysis, alpha=alpha)
    return Guard(worse < alpha, None if metric.margin is None else better < alpha)


def alarm(metric: Metric, treatment: Sample, control: Sample, *, analysis: Analysis, alpha: float) -> bool:
    """Whether the treatment is shown to be worse (with a margin: by more than that) however often one looks.

    One-sided, and a sequence whatever the experiment's method; it begins where all always-valid intervals do.
    """
    if min(treatment.n, control.n) < LEAST_UNITS or treatment.active + control.active < LEAST_ACTIVE:
        return False
    found = _beyond(metric, treatment, control, alpha=alpha)
    n = treatment.n + control.n
    return always_above(-found.difference, found.std_error, n, horizon=analysis.units, alpha=alpha).p_value < alpha


def _beyond(metric: Metric, treatment: Sample, control: Sample, *, alpha: float) -> Difference:
    """The treatment beyond 1 − m times the control, m being the margin; above zero is better.

    The linear form of `stats.noninferiority`, which needs no lift. Where less is better both arms change their sign.
    """
    ours, theirs = _moments(treatment, control)
    if metric.better == "lower":
        ours, theirs = _scaled(ours, -1.0), _scaled(theirs, -1.0)
    if metric.margin is not None:
        theirs = _scaled(theirs, 1 - metric.margin if theirs.mean > 0 else 1 + metric.margin)
    return difference(ours, theirs, alpha=alpha)


def _one_sided(value: float, found: Difference, n: int, *, analysis: Analysis, alpha: float) -> float:
    """The p-value of "not above zero", by a sequence wherever looks are free, as guardrails are watched daily."""
    if analysis.method in ("always-valid", "bayesian"):
        return always_above(value, found.std_error, n, horizon=analysis.units, alpha=alpha).p_value
    return found.p_value / 2 if value > 0 else 1 - found.p_value / 2


def _fixed(metric: Metric, treatment: Sample, control: Sample, *, exact: bool, alpha: float) -> tuple[Difference, bool]:
    """The difference at one look, and whether covariates made it more precise."""
    if exact and binary(metric):
        counts = (int(treatment.total), treatment.n, int(control.total), control.n)
        return proportions_difference(*counts, alpha=alpha), False
    plain = difference(treatment.moments, control.moments, alpha=alpha)
    if treatment.cross is not None and control.cross is not None:
        try:
            found = adjusted_difference(treatment.cross, control.cross, alpha=alpha)
        except InputError:  # a covariate that says nothing: nobody was here before, or it repeats another
            return plain, False
        return found, True
    return plain, False


def _moments(treatment: Sample, control: Sample) -> tuple[Moments, Moments]:
    if treatment.cross is not None and control.cross is not None:
        try:
            return adjusted_moments(treatment.cross, control.cross)
        except InputError:
            pass
    return treatment.moments, control.moments


def believed(metric: Metric, found: Difference, *, adjusted: bool, prior_std: float, alpha: float) -> Estimate:
    """The posterior of a difference and its lift."""
    lift = found.relative
    if lift is None:
        about = of_difference = posterior(found.difference, found.std_error, prior=FLAT, alpha=alpha)
        interval = None
    else:
        about = lift_posterior(lift, prior=Prior(0.0, prior_std), alpha=alpha)
        base = found.difference / lift.value if lift.value else found.std_error / lift.std_error
        scaled = Prior(0.0, prior_std * abs(base))
        of_difference = posterior(found.difference, found.std_error, prior=scaled, alpha=alpha)
        interval = (about.value, about.low, about.high)
    chance, risk = about.chance_to_win, about.risk_treatment
    if metric.better == "lower":
        chance, risk = 1 - chance, about.risk_control
    sure = max(chance, 1 - chance) >= 1 - alpha / 2
    value, low, high = of_difference.value, of_difference.low, of_difference.high
    return Estimate(value, low, high, of_difference.std_error, interval, None, sure, adjusted, chance, risk)


def enough(least: int, active: int) -> None:
    """InputError where an always-valid interval does not begin yet, of `least` units in the smaller arm and `active`
    ones with a value in both."""
    if least < LEAST_UNITS:
        raise InputError(
            f"{least} units in the smaller arm, an always-valid interval begins at {LEAST_UNITS}; wait for more data.",
            code="too_few",
        )
    if active < LEAST_ACTIVE:
        raise InputError(
            f"{active} units with a value, an always-valid interval begins at {LEAST_ACTIVE}; wait for more data.",
            code="too_few",
        )


def _scaled(arm: Moments, factor: float) -> Moments:
    return Moments(arm.n, factor * arm.mean, factor * factor * arm.m2)
