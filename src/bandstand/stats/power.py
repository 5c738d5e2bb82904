"""How many units does an experiment need, what can it find, and how surely? Asked before it starts."""

import math
from collections.abc import Sequence

from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import inflation

_NO_LIFT = "the mean of past data is 0, so a lift has no meaning; give the effect as a difference."


def critical(*, alpha: float = 0.05, one_sided: bool = False) -> float:
    """What z must exceed in a test at one moment fixed beforehand; one-sided for non-inferiority.

    Examples
    --------
    >>> round(critical(), 2), round(critical(one_sided=True), 2)
    (1.96, 1.64)
    """
    significance(alpha)
    return float(norm.isf(alpha if one_sided else alpha / 2))


def always_valid_critical(*, alpha: float = 0.05) -> float:
    """What z must exceed in a confidence sequence at its horizon; looks before it only add to the power.

    Examples
    --------
    >>> round(always_valid_critical(), 3)
    3.035
    """
    return inflation(1.0, horizon=1.0, alpha=alpha)


def units_per_arm(
    outcome: Moments, *, effect: float, power: float = 0.8, z: float | None = None, relative: bool = False
) -> int:
    r"""Units in each of two equal arms, to find `effect` with probability `power`.

    .. math:: n = \frac{(z + z_{\text{power}})^2 \, 2 s^2}{\delta^2}, \qquad
        n = \frac{(z + z_{\text{power}})^2 s^2 (1 + (1 + \delta)^2)}{\delta^2 \bar y^2}

    for a difference, and for a lift by the delta method [2]_. `outcome` are past data: of a mean, a linearised
    ratio, adjusted means or a quantile. `z` tells the method: `critical()`, `critical(one_sided=True)` with
    effect = true difference + margin for non-inferiority, `always_valid_critical()`, or the last of
    `group_bounds`, with which the result is an upper bound.

    References
    ----------
    .. [1] Chow, Shao, Wang (2008), "Sample size calculations in clinical research", chapter 3.
    .. [2] GrowthBook, documentation, "Power analysis technical details".

    Examples
    --------
    >>> units_per_arm(Moments(101, 5.0, 100.0), effect=0.1)
    1570
    """
    squares = _spread(outcome) * 2
    if relative:
        if outcome.mean == 0:
            raise InputError(_NO_LIFT, field="outcome", code="zero_baseline")
        squares = _spread(outcome) * (1 + (1 + effect) ** 2) / outcome.mean**2
    return math.ceil(_needed(squares, effect=effect, power=power, z=z))


def shared_units(
    outcome: Moments, weights: Sequence[float], *, effect: float, power: float = 0.8, z: float | None = None
) -> int:
    r"""Units of all arms together, the first of them the control, to find a lift of `effect` in each treatment.

    .. math:: N = \frac{(z + z_{\text{power}})^2 s^2}{\delta^2 \bar y^2}
        \Big( \frac{1}{w_T} + \frac{(1 + \delta)^2}{w_C} \Big)

    `units_per_arm` where the `weights`, which add up to 1, differ: with the smallest of the treatments' as w_T. To
    show that it is not worse by a margin m, `effect` is -m and z one-sided. Each arm is rounded up.

    Examples
    --------
    >>> shared_units(Moments(101, 5.0, 100.0), [0.5, 0.5], effect=0.02) == 2 * units_per_arm(
    ...     Moments(101, 5.0, 100.0), effect=0.02, relative=True
    ... )
    True
    >>> shared_units(Moments(101, 5.0, 100.0), [0.9, 0.1], effect=0.02)
    8757
    """
    if outcome.mean == 0:
        raise InputError(_NO_LIFT, field="outcome", code="zero_baseline")
    control, *treatments = weights
    squares = _spread(outcome) / outcome.mean**2 * (1 / min(treatments) + (1 + effect) ** 2 / control)
    needed = _needed(squares, effect=effect, power=power, z=z)
    # Of a whole number that its own rounding has raised a little, not the next one.
    return sum(math.ceil(round(weight * needed, 9)) for weight in weights)


def paired_units(outcome: Moments, *, effect: float, power: float = 0.8, z: float | None = None) -> int:
    """Users whom an interleaving needs, from moments of each user's preference: one sample instead of two.

    Examples
    --------
    >>> paired_units(Moments(101, 0.0, 100.0), effect=0.1)
    785
    """
    return math.ceil(_needed(_spread(outcome), effect=effect, power=power, z=z))


def detectable_effect(outcome: Moments, n: int, *, power: float = 0.8, z: float | None = None) -> float:
    """The smallest difference that n units in each arm find with probability `power`.

    Examples
    --------
    >>> round(detectable_effect(Moments(101, 5.0, 100.0), 1570), 3)
    0.1
    """
    _sized(n)
    return math.sqrt(_needed(2 * _spread(outcome), effect=1.0, power=power, z=z) / n)


def power_of(outcome: Moments, n: int, *, effect: float, z: float | None = None) -> float:
    r"""Probability that n units in each arm find `effect`: Φ(δ/SE − z) + Φ(−δ/SE − z).

    Examples
    --------
    >>> round(power_of(Moments(101, 5.0, 100.0), 1570, effect=0.1), 3)
    0.8
    """
    _sized(n)
    drift, bound = effect / math.sqrt(2 * _spread(outcome) / n), critical() if z is None else z
    return float(norm.cdf(drift - bound) + norm.cdf(-drift - bound))


def proportions_per_arm(share: float, *, effect: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Units in each arm, to tell a proportion `share` + `effect` from `share` in the score test.

    Examples
    --------
    >>> proportions_per_arm(0.1, effect=0.02)
    3841
    """
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail  # takes two seconds to import

    significance(alpha)
    if not (0 < share < 1 and 0 < share + effect < 1 and effect):
        raise InputError(
            f"share is {share} and effect {effect}, both shares must lie between 0 and 1, and differ; "
            "give the effect as a difference of shares.",
            field="effect",
        )
    _probable(power)
    n = samplesize_proportions_2indep_onetail(effect, share, power, alpha=alpha, alternative="two-sided")
    return math.ceil(float(n))


def proportions_power(share: float, per_arm: float, *, effect: float, alpha: float = 0.05) -> float:
    """How surely so many units in each arm tell a proportion `share` + `effect` from `share` in the score test.

    Examples
    --------
    >>> round(proportions_power(0.1, 3841, effect=0.02), 3)
    0.8
    """
    from statsmodels.stats.proportion import power_proportions_2indep  # takes two seconds to import

    significance(alpha)
    if not (0 < share < 1 and 0 < share + effect < 1):
        raise InputError(
            f"share is {share} and effect {effect}, both shares must lie between 0 and 1; "
            "give the effect as a difference of shares.",
            field="effect",
        )
    return float(power_proportions_2indep(effect, share, per_arm, alpha=alpha, return_results=False))


def split_units(weights: Sequence[float], actual: Sequence[float], *, power: float = 0.8, alpha: float = 0.001) -> int:
    """Units in all, to find by `sample_ratio` that traffic splits as `actual` where `weights` were meant.

    Examples
    --------
    >>> split_units([0.5, 0.5], [0.505, 0.495])
    170747
    """
    from statsmodels.stats.gof import chisquare_effectsize  # statsmodels takes two seconds to import
    from statsmodels.stats.power import GofChisquarePower

    significance(alpha)
    _probable(power)
    size = float(chisquare_effectsize(weights, actual))
    if not size > 0:
        raise InputError("the actual split is the intended one, so there is nothing to find.", field="actual")
    n = GofChisquarePower().solve_power(effect_size=size, alpha=alpha, power=power, n_bins=len(weights))
    return math.ceil(float(n))


def _needed(squares: float, *, effect: float, power: float, z: float | None) -> float:
    _probable(power)
    if not (math.isfinite(effect) and effect):
        raise InputError(f"effect is {effect}, must not be 0; give the least that is worth finding.", field="effect")
    total = (critical() if z is None else z) + float(norm.ppf(power))
    return (total / effect) ** 2 * squares


def _spread(outcome: Moments) -> float:
    if outcome.variance == 0:
        raise InputError(
            f"past data of {outcome.n} units do not vary, so nothing can be planned; give data that vary.",
            field="outcome",
            code="no_variation",
        )
    return outcome.variance


def _probable(power: float) -> None:
    if not 0 < power < 1:
        raise InputError(f"power is {power}, must lie between 0 and 1; 0.8 is usual.", field="power")


def _sized(n: int) -> None:
    if n < 2:
        raise InputError(f"n is {n} units an arm, must be at least 2.", field="n")
