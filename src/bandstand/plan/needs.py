"""Units, days and detectable lifts, by formula, for every way to compare two variants."""

import math
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.plan.methods import METHODS, USUAL, Bound, Method, Rule, bound_of, of_both, settled, std_error_of
from bandstand.plan.traffic import Kind, Traffic
from bandstand.stats.moments import Moments
from bandstand.stats.power import proportions_per_arm, units_per_arm

WEEKS: Final = (7.0, 14.0, 28.0)
_LIFTS: Final[list[float]] = np.geomspace(1e-9, 1e3, 121).tolist()  # between two of which the least lift found is


class Need(msgspec.Struct, frozen=True):
    """What one method needs: `per_arm` units, which come in `days`; and `found`, the least lift that it finds with the
    wanted power in 7, 14 and 28 days, None where no lift would do. Of less than a day of traffic, neither is told."""

    method: Method
    says: str
    per_arm: int
    days: float | None
    found: tuple[float | None, ...]


class Plan(msgspec.Struct, frozen=True):
    """How long it takes to find a lift on a surface. `mean` and `spread` (a standard deviation) are of one unit's value
    over the `days` that were looked at, in which `units` came."""

    surface: str
    reward: str
    kind: Kind
    unit: str
    units: int
    days: float
    mean: float
    spread: float
    lift: float
    power: float
    alpha: float
    prior_std: float
    accepted_loss: float
    arms: int
    share: float
    needs: tuple[Need, ...]


def plan(
    seen: Traffic,
    *,
    kind: Kind = "mean",
    lift: float = 0.05,
    power: float = 0.8,
    rule: Rule = USUAL,
    arms: int = 2,
    share: float = 1.0,
) -> Plan:
    """What an experiment with `arms` equal variants needs, that `share` of all units enter, to find a relative `lift`.

    InputError where nothing was earned, or all earned the same, for then no lift has a meaning.
    """
    _check(lift=lift, power=power, alpha=rule.alpha, arms=arms, share=share)
    outcome = seen.outcome(kind)
    if outcome.mean == 0:
        raise InputError(
            f"reward {seen.reward!r}: nobody earned any on surface {seen.surface!r} in the time looked at, so a "
            "lift has no meaning; name one that came, or look back further",
            field="reward",
            code="zero_baseline",
        )

    def needed(method: Method) -> Need:
        bound = bound_of(method, rule)
        if kind == "proportion" and method == "fixed":
            per_arm = proportions_per_arm(outcome.mean, effect=outcome.mean * lift, power=power, alpha=rule.alpha)
        else:
            z = settled(lift, rule, power=power) if method == "bayesian" else bound(1.0)
            both = of_both(method, outcome, lift, kind=kind)
            per_arm = units_per_arm(both, effect=lift * outcome.mean, power=power, z=z)
        entered = [seen.units_in(days) * share / arms for days in WEEKS] if seen.days >= 1 else []
        return Need(
            method,
            METHODS[method],
            per_arm,
            seen.days_for(math.ceil(per_arm * arms / share)) if seen.days >= 1 else None,
            tuple(_found(outcome, n, method, bound, kind=kind, power=power) for n in entered),
        )

    return Plan(
        surface=seen.surface,
        reward=seen.reward,
        kind=kind,
        unit=seen.unit,
        units=len(seen.first),
        days=seen.days,
        mean=outcome.mean,
        spread=math.sqrt(outcome.variance),
        lift=lift,
        power=power,
        alpha=rule.alpha,
        prior_std=rule.prior_std,
        accepted_loss=rule.accepted_loss,
        arms=arms,
        share=share,
        needs=tuple(needed(method) for method in METHODS),
    )


def _found(outcome: Moments, n: float, method: Method, bound: Bound, *, kind: Kind, power: float) -> float | None:
    """The least lift δ with δ / SE(δ) = bound + z_power for n units an arm, if any is large enough and can be."""
    quantile = float(norm.ppf(power))

    def lacking(lift: float) -> float:
        std_error = std_error_of(of_both(method, outcome, lift, kind=kind), n)
        return bound(std_error) + quantile - lift / std_error

    if n < 2:
        return None
    between = ((low, high) for low, high in pairwise(_LIFTS) if lacking(low) > 0 >= lacking(high))
    least = next((float(brentq(lacking, low, high)) for low, high in between), None)
    beyond = kind == "proportion" and least is not None and outcome.mean * (1 + least) > 1  # more than all of them
    return None if beyond and method != "noninferiority" else least


def _check(*, lift: float, power: float, alpha: float, arms: int, share: float) -> None:
    if not (math.isfinite(lift) and lift > -1 and lift):
        raise InputError(f"lift == {lift}, must be above -1 and not 0; 0.05 is five per cent", field="lift")
    if not alpha < power < 1:
        raise InputError(
            f"power == {power}, must be above alpha, {alpha:g}, and below 1, for α is found without any data; 0.8 is "
            "usual",
            field="power",
        )
    if arms < 2:
        raise InputError(f"arms == {arms}, must be at least 2", field="arms")
    if not 0 < share <= 1:
        raise InputError(f"share == {share}, must be above 0 and at most 1", field="share")
