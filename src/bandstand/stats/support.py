"""What the target would show and the logger never could: how much that is, and what it may be worth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2 as chi_squared
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length, significance
from bandstand.stats.estimates import Estimate
from bandstand.stats.moments import Moments

_CERTAIN = 1 - 1e-9  # a propensity that was summed up to one


def unsupported(target: ArrayLike, logging: ArrayLike) -> Moments:
    r"""Moments of the probability, row by row, that the target shows what the logger could not show there.

    Of policies over all actions (rows × actions): :math:`\Delta_i = \sum_a \pi_i(a)\, 1[\pi_{log,i}(a) = 0]`.
    Where only the actions that were shown are known (one value a row), the part that is certain: a logger with
    propensity 1 could show nothing else, so there :math:`\Delta_i = 1 - \pi_i(a_i)`, and elsewhere 0. A mean
    weight below one, by more than its error, is a sign of the rest.

    References
    ----------
    .. [1] Sachdeva, Su, Joachims (2020), "Off-policy bandits with deficient support", KDD, arXiv:2006.09438.

    Examples
    --------
    >>> unsupported([[0.5, 0.3, 0.2]], [[0.6, 0.4, 0.0]]).mean
    0.2
    >>> unsupported([0.5, 0.5], [1.0, 0.25]).mean
    0.25
    """
    wanted, logged = np.asarray(target, dtype=np.float64), np.asarray(logging, dtype=np.float64)
    same_length(target=wanted, logging=logged)
    for name, values in (("target propensity", wanted), ("logging propensity", logged)):
        refuse_where(~((values >= 0) & (values <= 1)), values, name=name, rule="must be >= 0 and <= 1")
    if wanted.ndim == 1:
        return Moments.of(np.where(logged >= _CERTAIN, 1 - wanted, 0.0))
    if wanted.ndim != 2:
        raise InputError(f"target has shape {wanted.shape}, must be rows or rows × actions.", field="target")
    return Moments.of(np.sum(wanted, axis=1, where=logged == 0))


def certain(logging: ArrayLike) -> float:
    """Share of rows whose logger had no choice: propensity 1 of what was shown. All of them: it never explored.

    >>> certain([1.0, 0.5, 1.0, 1.0])
    0.75
    """
    logged = column(logging, name="logging propensity")
    return float(np.mean(logged >= _CERTAIN)) if logged.size else 0.0


def partially_identified(
    found: Estimate, mass: Moments, *, reward_range: tuple[float, float] = (0.0, 1.0), alpha: float = 0.05
) -> Estimate:
    r"""The estimate of an incomplete log, widened by all that the unsupported mass may be worth.

    .. math:: [\mathrm{low} + \Delta\, r_{min},\ \mathrm{high} + \Delta\, r_{max}]

    where `found` is an estimate of Σ w r / n, in which what the logger could not show counts as 0 (as in `ips`,
    *not* in a self-normalised one), and Δ is the `unsupported` mass, itself taken at the far end of its normal
    interval. No longer log makes it narrower than Δ times the range of rewards. The value is its middle.

    References
    ----------
    .. [1] Manski (1990), "Nonparametric bounds on treatment effects", American Economic Review 80(2), 319–323.

    Examples
    --------
    >>> mass = unsupported([[0.5, 0.3, 0.2]] * 2, [[0.6, 0.4, 0.0]] * 2)
    >>> found = partially_identified(Estimate(0.4, 0.38, 0.42, 0.01, 2, "ips"), mass)
    >>> round(found.low, 3), round(found.high, 3)
    (0.38, 0.62)
    """
    significance(alpha)
    r_low, r_high = reward_range
    margin = float(norm.isf(alpha / 2)) * mass.std_error
    least, most = max(0.0, mass.mean - margin), min(1.0, mass.mean + margin)
    low = found.low + min(r_low * most, r_low * least)
    high = found.high + max(r_high * most, r_high * least)
    return Estimate((low + high) / 2, low, high, None, found.n, "partially_identified")


class Drift(NamedTuple):
    """X² of the parts' means against each other or against what they must be, with the part that stands out most."""

    chi2: float
    df: int
    p_value: float
    farthest: int
    farthest_z: float


def drift(parts: Sequence[Moments], *, expected: float | None = None) -> Drift:
    r"""Did the log change from part to part (day by day, version by version)?

    .. math:: X^2 = \sum_k \frac{(\bar y_k - \mu)^2}{SE_k^2} \sim \chi^2

    Of weights or of `weights.inverse_propensities`, with `expected=1`: a part far from one was logged with wrong
    propensities. Of the logging probabilities, or of rewards, with `expected=None`, against the parts' common
    mean: the logger, or the world, moved on. An estimate over all parts is then one of their mixture: take
    propensities of the moment of each decision, never one average of the time.

    References
    ----------
    .. [1] Cochran (1954), "The combination of estimates from different experiments", Biometrics 10(1), 101–129.

    Examples
    --------
    >>> days = [Moments.of([0.9, 1.1, 1.0, 1.0]), Moments.of([1.5, 1.7, 1.6, 1.6])]
    >>> found = drift(days, expected=1.0)
    >>> found.df, found.farthest, round(found.farthest_z, 1)
    (2, 1, 14.7)
    """
    if len(parts) < 2:
        raise InputError(f"{len(parts)} part(s) given, must be >= 2; cut the log by day.", field="parts")
    means, errors = np.array([part.mean for part in parts]), np.array([part.std_error for part in parts])
    refuse_where(errors == 0, errors, name="standard error of part", rule="must be > 0", remedy="join it with another")
    centre = float(np.average(means, weights=errors**-2)) if expected is None else expected
    z: NDArray[np.float64] = (means - centre) / errors
    chi2, df = float(z @ z), len(parts) - (expected is None)
    far = int(np.abs(z).argmax())
    return Drift(chi2, df, float(chi_squared.sf(chi2, df)), far, float(z[far]))
