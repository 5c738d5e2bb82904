"""Units, days and detectable lifts, by formula, for every way to compare two variants."""

import math
from typing import Final, Literal

import msgspec
from scipy.optimize import brentq
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.plan.traffic import Kind, Traffic
from bandstand.stats.group_sequential import group_bounds
from bandstand.stats.power import always_valid_critical, critical, proportions_per_arm, units_per_arm

Method = Literal["fixed", "groups", "sequential", "noninferiority"]

LOOKS: Final = 5
WEEKS: Final = (7.0, 14.0, 28.0)
METHODS: Final[dict[Method, str]] = {
    "fixed": "one look, at the end",
    "groups": f"{LOOKS} looks, planned",
    "sequential": "looks at any time",
    "noninferiority": "not worse by the lift, one-sided",
}


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
    arms: int
    share: float
    needs: tuple[Need, ...]


def plan(
    seen: Traffic,
    *,
    kind: Kind = "mean",
    lift: float = 0.05,
    power: float = 0.8,
    alpha: float = 0.05,
    arms: int = 2,
    share: float = 1.0,
) -> Plan:
    """What an experiment with `arms` equal variants needs, that `share` of all units enter, to find a relative `lift`.

    InputError where nothing was earned, or all earned the same, for then no lift has a meaning.
    """
    _check(lift=lift, arms=arms, share=share)
    outcome = seen.outcome(kind)
    if outcome.mean == 0:
        raise InputError(
            f"reward {seen.reward!r}: nobody earned any on surface {seen.surface!r} in the time looked at, so a "
            "lift has no meaning; name one that came, or look back further",
            field="reward",
            code="zero_baseline",
        )

    def needed(method: Method) -> Need:
        z = _critical(method, alpha)
        if kind == "proportion" and method == "fixed":
            per_arm = proportions_per_arm(outcome.mean, effect=outcome.mean * lift, power=power, alpha=alpha)
        else:
            per_arm = units_per_arm(outcome, effect=lift, power=power, z=z, relative=True)
        entered = [seen.units_in(days) * share / arms for days in WEEKS] if seen.days >= 1 else []
        return Need(
            method,
            METHODS[method],
            per_arm,
            seen.days_for(math.ceil(per_arm * arms / share)) if seen.days >= 1 else None,
            tuple(_found(outcome.mean, outcome.variance, n, z=z, power=power) for n in entered),
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
        alpha=alpha,
        arms=arms,
        share=share,
        needs=tuple(needed(method) for method in METHODS),
    )


def _critical(method: Method, alpha: float) -> float:
    match method:
        case "fixed":
            return critical(alpha=alpha)
        case "groups":
            return group_bounds([(look + 1) / LOOKS for look in range(LOOKS)], alpha=alpha)[-1]
        case "sequential":
            return always_valid_critical(alpha=alpha)
        case "noninferiority":
            return critical(alpha=alpha, one_sided=True)


def _found(mean: float, variance: float, n: float, *, z: float, power: float) -> float | None:
    """The lift δ with (z + z_power)² s² (1 + (1 + δ)²) / (δ² ȳ²) = n, if any lift is large enough."""
    factor = (z + float(norm.ppf(power))) ** 2 * variance / mean**2

    def lacking(lift: float) -> float:
        return factor * (1 + (1 + lift) ** 2) / lift**2 - n

    most = 1e3
    return None if n < 2 or lacking(most) > 0 else float(brentq(lacking, 1e-9, most))


def _check(*, lift: float, arms: int, share: float) -> None:
    if not (math.isfinite(lift) and lift > -1 and lift):
        raise InputError(f"lift == {lift}, must be above -1 and not 0; 0.05 is five per cent", field="lift")
    if arms < 2:
        raise InputError(f"arms == {arms}, must be at least 2", field="arms")
    if not 0 < share <= 1:
        raise InputError(f"share == {share}, must be above 0 and at most 1", field="share")
