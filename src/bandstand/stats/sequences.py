"""Intervals that may be looked at every day, and acted on at any look: asymptotic confidence sequences."""

import math
from typing import NamedTuple

import numpy as np

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.means import Lift, difference
from bandstand.stats.mixture import best_rho, log_mixture, mixture_bound, one_sided_bound
from bandstand.stats.moments import Moments


class Sequence(NamedTuple):
    """An estimate with an interval and a p-value that hold at all looks together, from the first to the last."""

    value: float
    low: float
    high: float
    p_value: float
    std_error: float


def always_valid(value: float, std_error: float, n: int, *, horizon: float, alpha: float = 0.05) -> Sequence:
    r"""The asymptotic confidence sequence [1]_ around an estimate from n units in all, at its standard error.

    .. math:: \text{value} \pm SE
        \sqrt{\frac{2 (n \varrho^2 + 1)}{n \varrho^2} \ln\frac{\sqrt{n \varrho^2 + 1}}{\alpha}},
        \qquad p = \min\Big(1, \sqrt{n \varrho^2 + 1}\, e^{-\frac{z^2}{2} \frac{n \varrho^2}{n \varrho^2 + 1}}\Big)

    with z = value / SE and :math:`\varrho^2 = 1/` `best_rho(horizon)`. It is valid as n grows, so begin to look
    after some 100 units and a few tens of conversions in each arm. `horizon`, the total number of units at which
    you expect to decide, must stay the same throughout; away from it the interval is valid, only wider.

    Parameters
    ----------
    value, std_error
        Of anything asymptotically normal: a difference, a lift, a ratio, a quantile.
    n
        Units of all arms together.

    References
    ----------
    .. [1] Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), "Time-uniform central limit theory and
       asymptotic confidence sequences", Annals of Statistics 52(6), arXiv:2103.06476, equations 9 and 155.

    Examples
    --------
    >>> found = always_valid(0.5, 0.1, 5000, horizon=5000)
    >>> round(found.low, 3), round(found.high, 3)
    (0.196, 0.804)
    """
    rho = _checked_rho(std_error, n, horizon=horizon, alpha=alpha)
    margin = std_error / math.sqrt(n) * float(mixture_bound(n, alpha=alpha, rho=rho))
    evidence = float(log_mixture(value / std_error * math.sqrt(n), n, rho=rho))
    return Sequence(value, value - margin, value + margin, math.exp(min(0.0, -evidence)), std_error)


def always_above(value: float, std_error: float, n: int, *, horizon: float, alpha: float = 0.05) -> Sequence:
    """The one-sided sequence, for alarms: `low` is a lower bound at all looks together, `high` is infinite.

    The p-value is that of "the truth is ≤ 0". For "is it worse?" give the negated difference. The bound is the
    one-sided normal mixture, where GrowthBook approximates it (arXiv:2103.06476, equation 134).

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence
       sequences", Annals of Statistics 49(2), proposition 6.

    Examples
    --------
    >>> two_sided, one_sided = (f(0.5, 0.1, 5000, horizon=5000) for f in (always_valid, always_above))
    >>> two_sided.low < one_sided.low < 0.5
    True
    """
    rho = _checked_rho(std_error, n, horizon=horizon, alpha=alpha, one_sided=True)
    margin = std_error / math.sqrt(n) * one_sided_bound(n, alpha=alpha, rho=rho)
    evidence = float(log_mixture(value / std_error * math.sqrt(n), n, rho=rho, one_sided=True))
    return Sequence(value, value - margin, math.inf, math.exp(min(0.0, -evidence)), std_error)


def mean_sequence(values: Moments, *, horizon: float, alpha: float = 0.05) -> Sequence:
    """`always_valid` for one mean, such as users' preferences in an interleaving, against zero.

    Examples
    --------
    >>> round(mean_sequence(Moments(n=400, mean=0.1, m2=100.0), horizon=400).low, 4)
    0.024
    """
    return always_valid(values.mean, values.std_error, values.n, horizon=horizon, alpha=alpha)


def difference_sequence(treatment: Moments, control: Moments, *, horizon: float, alpha: float = 0.05) -> Sequence:
    """`always_valid` for treatment minus control; ratios, adjusted means and quantiles come as `Moments` too.

    Examples
    --------
    >>> found = difference_sequence(Moments(500, 1.3, 500.0), Moments(500, 1.0, 500.0), horizon=1000)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.3, 0.108, 0.492)
    """
    found = difference(treatment, control, alpha=alpha)
    return always_valid(found.difference, found.std_error, treatment.n + control.n, horizon=horizon, alpha=alpha)


def lift_sequence(lift: Lift | None, n: int, *, horizon: float, alpha: float = 0.05) -> Sequence:
    """`always_valid` for a lift as `difference`, `ratio_difference` or `adjusted_difference` give it.

    Examples
    --------
    >>> from bandstand.stats.means import difference
    >>> lift = difference(Moments(500, 1.3, 500.0), Moments(500, 1.0, 500.0)).relative
    >>> round(lift_sequence(lift, 1000, horizon=1000).low, 3)
    0.077
    """
    if lift is None:
        raise InputError(
            "the control's mean cannot be told from zero, so a lift has no meaning; "
            "look at the absolute difference, or wait for more data.",
            field="lift",
            code="zero_baseline",
        )
    return always_valid(lift.value, lift.std_error, n, horizon=horizon, alpha=alpha)


def inflation(n: float, *, horizon: float, alpha: float = 0.05) -> float:
    """Margin of a sequence at n units, in standard errors: what stands in the place of a fixed test's 1.96.

    Examples
    --------
    >>> round(inflation(1000, horizon=1000), 3)
    3.035
    """
    significance(alpha)
    return float(mixture_bound(n, alpha=alpha, rho=best_rho(horizon, alpha=alpha)) / np.sqrt(n))


def _checked_rho(std_error: float, n: int, *, horizon: float, alpha: float, one_sided: bool = False) -> float:
    if n < 1 or not (math.isfinite(std_error) and std_error > 0):
        raise InputError(
            f"std_error of {n} unit(s) is {std_error}, must be finite and > 0; wait for data that vary.",
            field="std_error",
            code="no_variation",
        )
    return best_rho(horizon, alpha=alpha, one_sided=one_sided)
