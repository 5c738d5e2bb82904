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

    .. math:: SE^2 = \frac{a^2 + b^2 + \tau |a^2 - b^2|}{2 z_{1 - \alpha/2}^2}, \qquad
        a = x_{(U)} - x_{(q)}, \; b = x_{(q)} - x_{(L)}, \qquad L, U = N (q \mp z_{1 - \alpha/2}\, \sigma_q)

    where σ_q is the standard error of the share of rows at or below the quantile: :math:`\sqrt{q (1 - q) / N}`
    for independent rows, and that of the delta method where a unit has many [1]_. No density is estimated. In large
    samples without ties a, b and half the width from L to U, which [1]_ takes, are the same. Among whole numbers the
    quantile may jump to the next one, though the window reaches it on one side alone; so the wider side counts by τ,
    the share of rows that tie with the quantile over :math:`z \sigma_q`, at most 1. Half the width would tell arms that
    are alike apart in up to half of all experiments there (simulated).

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
    above, below = float(high - value) ** 2, float(value - low) ** 2
    tied = min(1.0, float(np.mean(rows == value)) / reach) if reach else 1.0
    squared_error = (above + below + tied * abs(above - below)) / (2 * float(norm.isf(alpha / 2)) ** 2)
    return Moments(n, value, squared_error * n * (n - 1))


def _share_error(rows: np.ndarray, q: float, value: float, units: ArrayLike | None) -> tuple[int, float]:
    """Units, and the standard error of the share of rows at or below the quantile."""
    if units is None:
        return rows.size, math.sqrt(q * (1 - q) / rows.size)
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    same_length(values=rows, units=unit.astype(np.float64))
    below = PairMoments.of(np.bincount(unit, weights=rows <= value), np.bincount(unit)).ratio()
    return below.n, below.std_error
