"""An always-valid interval for the mean of values whose range is known, right from the first unit."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammainc, gammaln, zeta

from bandstand.errors import InputError
from bandstand.stats.checks import column, significance
from bandstand.stats.mixture import best_rho
from bandstand.stats.sequences import Sequence

_DOUBLINGS = 60
"""Until a search for a bound gives up; 2⁶⁰ times the variance is beyond any walk."""


def log_gamma_exponential(s: float, v: float, *, rho: float, scale: float) -> float:
    r"""Logarithm of the evidence that a walk which came to s with variance v drifts upwards.

    .. math:: \ln M = a \ln a - \ln\Gamma(a) - \ln P(a, a) + \ln\Gamma(b) + \ln P(b, x) - b \ln x + x - a, \qquad
        a = \frac{\rho}{c^2}, \; b = \frac{v + \rho}{c^2}, \; x = \frac{c s + v + \rho}{c^2}

    with P the regularised lower incomplete gamma function: the gamma-exponential mixture, for walks whose steps have
    an exponential tail of scale c, as those of bounded values have ([1]_, proposition 9).

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence
       sequences", Annals of Statistics 49(2), 1055–1080.

    Examples
    --------
    >>> round(log_gamma_exponential(10, 100, rho=best_rho(100, one_sided=True), scale=2), 7)
    -0.2490165
    """
    a, b, x = rho / scale**2, (v + rho) / scale**2, (scale * s + v + rho) / scale**2
    leading = a * math.log(a) - gammaln(a) - math.log(gammainc(a, a))
    return float(leading + gammaln(b) + math.log(gammainc(b, x)) - b * math.log(x) + x - a)


def gamma_exponential_bound(v: float, *, alpha: float, rho: float, scale: float) -> float:
    """What s exceeds at any time with probability at most α: where `log_gamma_exponential` reaches ln(1/α).

    Examples
    --------
    >>> round(gamma_exponential_bound(100, alpha=0.05, rho=best_rho(100, one_sided=True), scale=2), 5)
    33.02017
    """
    significance(alpha)

    def short_of(s: float) -> float:
        return log_gamma_exponential(s, v, rho=rho, scale=scale) + math.log(alpha)

    above = v + scale
    for _ in range(_DOUBLINGS):
        if short_of(above) > 0:
            return float(brentq(short_of, 0.0, above, xtol=1e-12))
        above *= 2
    raise InputError(f"no bound for variance {v} and alpha {alpha}; give an alpha that is not so small.", field="alpha")


def stitched_bound(v: float, *, alpha: float, least: float, scale: float, s: float = 1.4, eta: float = 2.0) -> float:
    r"""The polynomial stitched bound, in closed form: wider than a mixture at its horizon, but of the least order there
    is as v grows, :math:`\sqrt{v \ln\ln v}`.

    .. math:: u(v) = \sqrt{k_1^2 v \ell + k_2^2 c^2 \ell^2} + k_2 c \ell, \qquad
        \ell = s \ln\ln\frac{\eta v}{m} + \ln\frac{\zeta(s)}{\alpha \ln^s \eta}

    with :math:`k_1 = (\eta^{1/4} + \eta^{-1/4}) / \sqrt 2`, :math:`k_2 = (\sqrt\eta + 1) / 2` and m the `least`
    variance from which on it is tight ([1]_, theorem 1).

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), as for `log_gamma_exponential`.

    Examples
    --------
    >>> round(stitched_bound(100, alpha=0.05, least=10, scale=3), 5)
    64.48755
    """
    significance(alpha)
    variance = max(v, least)
    spent = s * math.log(math.log(eta * variance / least))
    spent += math.log(float(zeta(s)) / (alpha * math.log(eta) ** s))
    linear = (math.sqrt(eta) + 1) / 2 * scale * spent
    return math.sqrt((eta**0.25 + eta**-0.25) ** 2 / 2 * variance * spent + linear**2) + linear


def bounded_sequence(
    values: ArrayLike, *, least: float = 0.0, most: float = 1.0, horizon: float, alpha: float = 0.05
) -> Sequence:
    r"""The empirical-Bernstein sequence of a mean: exact for every number of units, where `mean_sequence` is for many.

    .. math:: \bar x \pm \frac{u(V)}{n}, \qquad V = \sum_i (x_i - \bar x_{i-1})^2

    with u the gamma-exponential bound at α/2, its scale the width of the range ([1]_, theorem 4). The p-value is that
    of a mean of zero. It assumes the range, and nothing of the distribution.

    Parameters
    ----------
    values
        One number a unit, in the order in which units came.
    horizon
        The number of units at which you expect to decide. It must stay the same throughout.

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), as for `log_gamma_exponential`.

    Examples
    --------
    >>> found = bounded_sequence([0.6, 0.7, 0.5, 0.4] * 50, horizon=200)
    >>> round(found.low, 3), round(found.high, 3)
    (0.508, 0.592)
    """
    rows = column(values, name="value")
    if rows.size == 0:
        raise InputError("0 values have no mean; wait for the first.", field="values", code="too_few")
    if not (math.isfinite(most - least) and least < most):
        raise InputError(f"the range [{least}, {most}] is empty, least must lie below most.", field="least")
    if rows.min() < least or rows.max() > most:
        raise InputError(
            f"values go from {rows.min():g} to {rows.max():g}, must lie in [{least:g}, {most:g}]; give the true range.",
            field="values",
        )
    width, n = most - least, rows.size
    guesses = np.r_[(least + most) / 2, rows.cumsum()[:-1] / np.arange(1, n)]  # each from what came before it
    variance = float(np.square(rows - guesses).sum())
    rho = best_rho(horizon * width**2 / 12, alpha=alpha / 2, one_sided=True)  # as if all values were as likely
    mean = float(rows.mean())
    reach = gamma_exponential_bound(variance, alpha=alpha / 2, rho=rho, scale=width) / n
    evidence = log_gamma_exponential(n * abs(mean), variance, rho=rho, scale=width)
    p_value = min(1.0, 2 * math.exp(min(0.0, -evidence)))
    std_error = float(rows.std(ddof=1) / math.sqrt(n)) if n > 1 else math.inf
    return Sequence(mean, max(mean - reach, least), min(mean + reach, most), p_value, std_error)
