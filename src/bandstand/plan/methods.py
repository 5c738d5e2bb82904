"""The ways to judge one variant against another, as a planner sees them: what each must see, and how surely it does."""

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, assert_never

from scipy.optimize import brentq
from scipy.stats import norm

from bandstand.experiments.analysis import Analysis
from bandstand.plan.traffic import Kind
from bandstand.stats.bayes import bayesian_critical
from bandstand.stats.group_sequential import group_bounds
from bandstand.stats.moments import Moments
from bandstand.stats.power import always_valid_critical, critical, proportions_power

Method = Literal["fixed", "groups", "sequential", "bayesian", "noninferiority"]
Bound = Callable[[float], float]

LOOKS: Final = 5
METHODS: Final[dict[Method, str]] = {
    "fixed": "one look, at the end",
    "groups": f"{LOOKS} looks, planned",
    "sequential": "looks at any time",
    "bayesian": "Bayesian, one look, at the end",
    "noninferiority": "not worse by the lift, one-sided",
}


class Rule(NamedTuple):
    """α, and of the Bayesian's the spread of its prior and the loss that it accepts: by default an experiment's own."""

    alpha: float = 0.05
    prior_std: float = Analysis().prior_std
    accepted_loss: float = Analysis().accepted_loss


USUAL: Final = Rule()


def bound_of(method: Method, rule: Rule) -> Bound:
    """What a lift in standard errors must exceed, by its standard error; all but the Bayesian's is a constant."""
    alpha = rule.alpha
    match method:
        case "fixed":
            z = critical(alpha=alpha)
        case "groups":
            z = planned_bounds(alpha)[-1]
        case "sequential":
            z = always_valid_critical(alpha=alpha)
        case "bayesian":
            return lambda std_error: bayesian_critical(
                std_error, prior_std=rule.prior_std, accepted_loss=rule.accepted_loss, alpha=alpha
            )
        case "noninferiority":
            z = critical(alpha=alpha, one_sided=True)
        case _:
            assert_never(method)
    return lambda _: z


def settled(lift: float, rule: Rule, *, power: float) -> float:
    """The Bayesian's bound at the standard error s with which |δ| / s = bound(s) + z_power, from where more units only
    make the lift surer."""
    reach, quantile, bound = abs(lift), float(norm.ppf(power)), bound_of("bayesian", rule)

    def surplus(std_error: float) -> float:
        return reach / std_error - bound(std_error) - quantile

    # The bound is at least the fixed test's, and up to the prior's spread below 60, whatever the loss.
    most = 2 * reach / (critical(alpha=rule.alpha) + quantile)
    return bound(float(brentq(surplus, min(rule.prior_std, reach / 100), most)))


def planned_bounds(alpha: float) -> tuple[float, ...]:
    """Those of the planned looks, each after as many further units."""
    return group_bounds([(look + 1) / LOOKS for look in range(LOOKS)], alpha=alpha)


def of_both(method: Method, outcome: Moments, lift: float, *, kind: Kind) -> Moments:
    """Past data with the mean of both arms' variances: of a proportion the treatment's follows from its share, anything
    else is taken to grow by a factor [1]_. An equal variant that is not worse by a margin faces so much less of the
    control.

    .. [1] GrowthBook, documentation, "Power analysis technical details".
    """
    share, factor = outcome.mean * (1 + lift), 1 - lift if method == "noninferiority" else 1 + lift
    other = factor**2 * outcome.variance
    if kind == "proportion" and method != "noninferiority":
        other = max(share * (1 - share), 0.0)
    return Moments(outcome.n, outcome.mean, (outcome.n - 1) * (outcome.variance + other) / 2)


def std_error_of(both: Moments, per_arm: float) -> float:
    """Of a difference as a share of the control, with so many units in each arm."""
    return math.sqrt(2 * both.variance / per_arm) / abs(both.mean)


def power_by_formula(
    method: Method, outcome: Moments, per_arm: float, *, kind: Kind = "mean", lift: float, rule: Rule = USUAL
) -> float:
    """How surely the last look finds the lift (from either side where the method has two); looks before it only add."""
    if kind == "proportion" and method == "fixed":
        return proportions_power(outcome.mean, per_arm, effect=outcome.mean * lift, alpha=rule.alpha)
    std_error = std_error_of(of_both(method, outcome, lift, kind=kind), per_arm)
    bound, drift = bound_of(method, rule)(std_error), abs(lift) / std_error
    other = 0.0 if method in ("bayesian", "noninferiority") else float(norm.cdf(-drift - bound))
    return float(norm.cdf(drift - bound)) + other
