"""An always-valid interval for one rate, such as the clicks of an arm, right from the first few successes."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betaln

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.mixture import best_rho
from bandstand.stats.sequences import Sequence

_EDGE = 1e-12  # rates nearer to 0 or 1 are taken for 0 and 1


def log_beta_mixture(
    rate: float, successes: ArrayLike, n: int, *, horizon: float, alpha: float = 0.05
) -> NDArray[np.float64]:
    r"""Logarithm of the evidence against a rate p after s of n independent trials succeeded; of each s where several
    are given.

    .. math:: \ln M = \ln B\Big(\frac{r}{1 - p} + s, \frac{r}{p} + n - s\Big)
        - \ln B\Big(\frac{r}{1 - p}, \frac{r}{p}\Big) - s \ln p - (n - s) \ln(1 - p)

    with r = `best_rho(horizon · p (1 − p))` − p (1 − p): the beta-binomial mixture of [1]_. It holds for every
    n, not only for large ones.

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence
       sequences", Annals of Statistics 49(2): two-sided beta-binomial, set up as in their confseq.
    """
    variance = rate * (1 - rate)
    r = max(best_rho(horizon * variance, alpha=alpha) - variance, 1e-3 * variance)
    a, b = r / (1 - rate), r / rate
    s = np.asarray(successes, dtype=np.float64)
    fit = s * math.log(rate) + (n - s) * math.log1p(-rate)
    return np.asarray(betaln(a + s, b + n - s) - betaln(a, b) - fit, dtype=np.float64)


def rate_sequence(successes: int, n: int, *, against: float = 0.5, horizon: float, alpha: float = 0.05) -> Sequence:
    """All rates that `log_beta_mixture` does not refute; the p-value is that of the rate `against`.

    Examples
    --------
    >>> found = rate_sequence(700, 1000, horizon=100)
    >>> round(found.low, 4), round(found.high, 4)
    (0.6516, 0.7459)
    """
    significance(alpha)
    if not 0 <= successes <= n or n == 0:
        raise InputError(
            f"{successes} successes of {n} trials, must be between 0 and the number of trials, and that at least 1; "
            "wait for the first.",
            field="successes",
        )
    if not 0 < against < 1:
        raise InputError(f"against is {against}, must lie between 0 and 1.", field="against")

    def beyond(rate: float) -> float:
        return float(log_beta_mixture(rate, successes, n, horizon=horizon, alpha=alpha)) + math.log(alpha)

    value = successes / n
    inside = min(max(value, _EDGE), 1 - _EDGE)
    low = brentq(beyond, _EDGE, inside) if successes and beyond(_EDGE) > 0 else 0.0
    high = brentq(beyond, inside, 1 - _EDGE) if successes < n and beyond(1 - _EDGE) > 0 else 1.0
    evidence = float(log_beta_mixture(against, successes, n, horizon=horizon, alpha=alpha))
    return Sequence(value, float(low), float(high), math.exp(min(0.0, -evidence)), math.sqrt(value * (1 - value) / n))
