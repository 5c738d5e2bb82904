"""Quantile metrics, such as the 95th percentile of latency, as `Moments` that any test of means takes."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import column, same_length
from bandstand.stats.moments import Moments, PairMoments


def quantile_moments(values: ArrayLike, q: float, *, units: ArrayLike | None = None, alpha: float = 0.05) -> Moments:
    r"""The quantile as mean of n units, with the m2 that gives its standard error.

    .. math:: SE = \frac{x_{(U)} - x_{(L)}}{2 z_{1 - \alpha/2}}, \qquad
        L, U = N (q \mp z_{1 - \alpha/2}\, \sigma_q)

    where σ_q is the standard error of the share of rows at or below the quantile: :math:`\sqrt{q (1 - q) / N}`
    for independent rows, and that of the delta method where a unit has many [1]_. No density is estimated.

    Parameters
    ----------
    values
        One finite number a row.
    units
        Who each row belongs to, where those were randomised; without it each row is a unit.

    Raises
    ------
    InputError
        Where there are too few rows for an interval inside them: about 4 / (q (1 − q)).

    References
    ----------
    .. [1] Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", KDD, section 4.2.

    Examples
    --------
    >>> found = quantile_moments(range(1, 1001), 0.5)
    >>> found.mean, round(found.std_error, 1)
    (500.5, 15.8)
    """
    rows = np.sort(column(values, name="value")) if units is None else column(values, name="value")
    if not 0 < q < 1:
        raise InputError(f"q is {q}, must lie between 0 and 1; 0.95 is the 95th percentile.", field="q")
    if rows.size < 2:
        raise InputError(f"{rows.size} row(s) have no spread, needs 2; wait for more data.", code="too_few")
    value = float(np.quantile(rows, q))
    n, share_error = _share_error(rows, q, value, units)
    reach = float(norm.isf(alpha / 2)) * share_error
    if not 0 <= q - reach < q + reach <= 1:
        raise InputError(
            f"{n} unit(s) with {rows.size} rows are too few for an interval of the quantile {q:g}; "
            "wait for more data, or take a quantile nearer to the median.",
            field="q",
            code="too_few",
        )
    low, high = np.quantile(rows, [q - reach, q + reach])
    std_error = float(high - low) / (2 * float(norm.isf(alpha / 2)))
    return Moments(n, value, std_error**2 * n * (n - 1))


def _share_error(rows: np.ndarray, q: float, value: float, units: ArrayLike | None) -> tuple[int, float]:
    """Units, and the standard error of the share of rows at or below the quantile."""
    if units is None:
        return rows.size, math.sqrt(q * (1 - q) / rows.size)
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    same_length(values=rows, units=unit.astype(np.float64))
    below = PairMoments.of(np.bincount(unit, weights=rows <= value), np.bincount(unit)).ratio()
    return below.n, below.std_error
