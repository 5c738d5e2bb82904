"""How far two arms differ: means, ratios of means and proportions, from their moments alone."""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.moments import Moments, PairMoments


class Lift(NamedTuple):
    """A difference as a share of the control's mean: 0.1 is ten per cent more."""

    value: float
    low: float
    high: float
    std_error: float


class Difference(NamedTuple):
    """Treatment minus control, with a two-sided interval and the p-value of "no difference".

    `relative` is None where the control cannot be told from zero, for then a lift means nothing.
    """

    difference: float
    low: float
    high: float
    p_value: float
    std_error: float
    df: float
    relative: Lift | None


def difference(treatment: Moments, control: Moments, *, alpha: float = 0.05) -> Difference:
    r"""Welch's test of two means, with a lift by the delta method.

    .. math::
        SE^2 = \frac{s_T^2}{n_T} + \frac{s_C^2}{n_C}, \qquad
        \nu = \frac{SE^4}{\frac{(s_T^2/n_T)^2}{n_T - 1} + \frac{(s_C^2/n_C)^2}{n_C - 1}}, \qquad
        \mathrm{Var}\Big(\frac{\bar y_T - \bar y_C}{|\bar y_C|}\Big) \approx
        \frac{s_T^2}{n_T \bar y_C^2} + \frac{s_C^2 \bar y_T^2}{n_C \bar y_C^4}

    with ν from [1]_ and the lift's variance by the delta method [2]_. Dividing by the absolute value keeps
    the lift's sign over a negative control. The lift is None where the control's own interval contains zero
    (g ≥ 1 of [3]_: there the set of lifts that the data allow is unbounded).

    Raises
    ------
    InputError
        Below two units in an arm, or where neither arm varies.

    References
    ----------
    .. [1] Welch (1947), "The generalization of Student's problem", Biometrika 34, 28–35.
    .. [2] Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", KDD.
    .. [3] Fieller (1954), "Some problems in interval estimation", JRSS B 16, 175–185.

    Examples
    --------
    >>> found = difference(Moments.of([3, 5, 4, 6]), Moments.of([2, 3, 1, 2]))
    >>> found.difference, round(found.low, 3), round(found.high, 3), round(found.p_value, 4)
    (2.5, 0.545, 4.455, 0.0217)
    """
    significance(alpha)
    noise_t, noise_c = (_mean_variance(arm, name) for arm, name in ((treatment, "treatment"), (control, "control")))
    noise = noise_t + noise_c
    if noise == 0:
        raise InputError(
            f"the means of {treatment.n} and {control.n} units that do not vary cannot be compared; "
            "wait for data that vary, or look at the metric's definition.",
            code="no_variation",
        )
    share = noise_t / noise
    df = 1 / (share**2 / (treatment.n - 1) + (1 - share) ** 2 / (control.n - 1))
    quantile = float(student.isf(alpha / 2, df))
    std_error = math.sqrt(noise)
    delta = treatment.mean - control.mean
    return Difference(
        difference=delta,
        low=delta - quantile * std_error,
        high=delta + quantile * std_error,
        p_value=float(2 * student.sf(abs(delta) / std_error, df)),
        std_error=std_error,
        df=df,
        relative=_lift(
            _Mean(treatment.mean, math.sqrt(noise_t)), _Mean(control.mean, math.sqrt(noise_c)), quantile=quantile
        ),
    )


def enough_units(n: int, *, arm: str) -> None:
    """Raise `InputError` unless an arm has the two units from which a spread can be told."""
    if n >= 2:
        return
    remedy = "wait for more data" if n else "look whether anybody is sent there and whether exposures are recorded"
    raise InputError(
        f"{arm} has {n} unit(s), a test of means needs at least 2 in each arm; {remedy}.", field=arm, code="too_few"
    )


def ratio_difference(treatment: PairMoments, control: PairMoments, *, alpha: float = 0.05) -> Difference:
    """Welch's test of two ratios Σnum/Σden, such as clicks per impression; units are those randomised.

    The delta method of `PairMoments.ratio` turns each arm into moments of a mean; the rest is `difference`.

    Examples
    --------
    >>> treatment = PairMoments.of([2, 1, 3, 0], [10, 5, 9, 2])
    >>> control = PairMoments.of([1, 0, 1, 1], [10, 6, 8, 5])
    >>> round(ratio_difference(treatment, control).difference, 4)
    0.1273
    """
    return difference(treatment.ratio(), control.ratio(), alpha=alpha)


def proportions_difference(
    treatment_successes: int, treatment_n: int, control_successes: int, control_n: int, *, alpha: float = 0.05
) -> Difference:
    """Score test and interval of two proportions, right in small samples where the test of means is not.

    The p-value is that of Miettinen and Nurminen [1]_, the interval Newcombe's hybrid score interval [2]_
    (method 10); at the very edge of significance the two may disagree. `std_error` is the plain unpooled one,
    `df` is infinite, the lift is that of `difference`.

    References
    ----------
    .. [1] Miettinen, Nurminen (1985), "Comparative analysis of two rates", Statistics in Medicine 4, 213–226.
    .. [2] Newcombe (1998), "Interval estimation for the difference between independent proportions", Statistics
       in Medicine 17, 873–890.

    Examples
    --------
    >>> found = proportions_difference(50, 1000, 40, 1000)
    >>> round(found.difference, 3), round(found.low, 4), round(found.high, 4), round(found.p_value, 4)
    (0.01, -0.0084, 0.0286, 0.2809)
    """
    # statsmodels takes about two seconds to import, and few callers need it.
    from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

    significance(alpha)
    _check_successes(treatment_successes, treatment_n, arm="treatment")
    _check_successes(control_successes, control_n, arm="control")
    if treatment_successes + control_successes in (0, treatment_n + control_n):
        raise InputError(
            f"{treatment_successes} of {treatment_n} against {control_successes} of {control_n} does not "
            "vary, so it cannot be tested; wait for more data.",
            code="no_variation",
        )
    counts = (treatment_successes, treatment_n, control_successes, control_n)
    with np.errstate(divide="ignore", invalid="ignore"):  # it forms all ratios, also those not asked for
        p_value = float(test_proportions_2indep(*counts, compare="diff", method="score").pvalue)
    # Not method="score": up to statsmodels 0.15 its interval of a difference comes from a wrong cubic and often
    # cannot be computed (its issue 10269), and that of a ratio is wrong where all of one arm succeed.
    low, high = confint_proportions_2indep(*counts, compare="diff", method="newcomb", alpha=alpha)
    treatment, control = _share(treatment_successes, treatment_n), _share(control_successes, control_n)
    return Difference(
        difference=treatment.value - control.value,
        low=max(float(low), -1.0),
        high=min(float(high), 1.0),
        p_value=p_value,
        std_error=math.hypot(treatment.std_error, control.std_error),
        df=math.inf,
        relative=_lift(treatment, control, quantile=float(norm.isf(alpha / 2))),
    )


def _mean_variance(arm: Moments, name: str) -> float:
    enough_units(arm.n, arm=name)
    return arm.variance / arm.n


class _Mean(NamedTuple):
    value: float
    std_error: float


def _share(successes: int, n: int) -> _Mean:
    share = successes / n
    return _Mean(share, math.sqrt(share * (1 - share) / n))


def _lift(treatment: _Mean, control: _Mean, *, quantile: float) -> Lift | None:
    base = abs(control.value)
    if base <= quantile * control.std_error:
        return None
    value = (treatment.value - control.value) / base
    std_error = math.hypot(treatment.std_error, control.std_error * treatment.value / base) / base
    return Lift(value, value - quantile * std_error, value + quantile * std_error, std_error)


def _check_successes(successes: int, n: int, *, arm: str) -> None:
    if not 0 <= successes <= n or n == 0:
        raise InputError(
            f"{arm} has {successes} successes among {n} units, must be between 0 and the number of units, "
            "and that at least 1; count each unit once.",
            field=arm,
        )
