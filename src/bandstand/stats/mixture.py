"""The normal mixture: a bound that a random walk stays below at all times together, with probability 1 − α."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr

from bandstand.errors import InputError
from bandstand.stats.checks import significance


def best_rho(horizon: float, *, alpha: float = 0.05, one_sided: bool = False) -> float:
    r"""The mixture's parameter that makes the bound about as tight as it can be at time `horizon`.

    .. math:: \rho = \frac{v}{2 \ln(1/\alpha) + \ln(1 + 2 \ln(1/\alpha))}

    with v the horizon, and 2α in place of α for one side [1]_, section 3.5.

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence
       sequences", Annals of Statistics 49(2), 1055–1080.

    Examples
    --------
    >>> round(best_rho(100), 5)
    12.60056
    """
    significance(alpha)
    level = 2 * alpha if one_sided else alpha
    if not (math.isfinite(horizon) and horizon > 0) or level >= 1:
        raise InputError(
            f"horizon is {horizon} and alpha {alpha}, must be > 0 and, one-sided, below 0.5; "
            "give the number of units at which you expect to decide.",
            field="horizon",
        )
    twice = -2 * math.log(level)
    return horizon / (twice + math.log1p(twice))


def log_mixture(s: ArrayLike, v: ArrayLike, *, rho: float, one_sided: bool = False) -> NDArray[np.float64]:
    r"""Logarithm of the evidence against "no drift" after a walk came to s with variance v; arrays broadcast.

    .. math:: \ln M = \frac12 \ln\frac{\rho}{v + \rho} + \frac{s^2}{2 (v + \rho)}
        \quad\text{or, one-sided,}\quad + \ln 2 \Phi\Big(\frac{s}{\sqrt{v + \rho}}\Big)

    M is a supermartingale under the null, so min(1, 1/M) is a p-value at every time at once (Ville) [1]_.

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence
       sequences", Annals of Statistics 49(2), propositions 5 and 6.

    Examples
    --------
    >>> round(float(log_mixture(10, 100, rho=best_rho(100))), 7)
    -0.6510052
    """
    walk, total = np.asarray(s, dtype=np.float64), np.asarray(v, dtype=np.float64) + rho
    evidence = 0.5 * np.log(rho / total) + walk * walk / (2 * total)
    return evidence + math.log(2) + log_ndtr(walk / np.sqrt(total)) if one_sided else evidence


def mixture_bound(v: ArrayLike, *, alpha: float, rho: float) -> NDArray[np.float64]:
    r"""What \|s\| exceeds at any time with probability at most α: where `log_mixture` reaches ln(1/α).

    .. math:: u(v) = \sqrt{(v + \rho) \ln\frac{v + \rho}{\alpha^2 \rho}}

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe, Sekhon (2021), as for `log_mixture`, equation 14.

    Examples
    --------
    >>> round(float(mixture_bound(100, alpha=0.05, rho=best_rho(100))), 5)
    30.35209
    """
    significance(alpha)
    total = np.asarray(v, dtype=np.float64) + rho
    return np.asarray(np.sqrt(total * (np.log(total / rho) - 2 * math.log(alpha))), dtype=np.float64)


def one_sided_bound(v: float, *, alpha: float, rho: float) -> float:
    """What s, not |s|, exceeds at any time with probability at most α; it has no closed form, so it is sought.

    Examples
    --------
    >>> round(one_sided_bound(100, alpha=0.05, rho=best_rho(100, one_sided=True)), 5)
    27.66071
    """
    significance(alpha)

    def short_of(s: float) -> float:
        return float(log_mixture(s, v, rho=rho, one_sided=True)) + math.log(alpha)

    # At zero the evidence is ½ ln(ρ/(v+ρ)) ≤ 0; the two-sided bound at α/2 lies above, for 2Φ ≥ 1 from there on.
    return float(brentq(short_of, 0.0, float(mixture_bound(v, alpha=alpha / 2, rho=rho)), xtol=1e-12))
