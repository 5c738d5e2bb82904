"""Do two quantiles differ, at every look: by counts alone, so that it is exact for any distribution and any n."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from bandstand.errors import InputError
from bandstand.stats.checks import column, significance
from bandstand.stats.rate_sequence import log_beta_mixture

Floats = NDArray[np.float64]


class QuantileSequence(NamedTuple):
    """Treatment minus control, with an interval and a p-value that hold at all looks together; an end is infinite where
    an arm has too few rows on one side of its quantile."""

    difference: float
    low: float
    high: float
    p_value: float


class _Arm:
    """One arm's rows, and the evidence against any value being its quantile."""

    def __init__(self, rows: ArrayLike, q: float, *, name: str, horizon: float, alpha: float) -> None:
        self.values = np.sort(column(rows, name=name))
        n = self.values.size
        if n < 2:
            raise InputError(f"{name} has {n} row(s), needs 2; wait for more data.", field=name, code="too_few")
        self.value = float(np.quantile(self.values, q))
        self._q, self._horizon, self._alpha = q, horizon, alpha
        found = minimize_scalar(
            lambda share: float(self._of(n * share)), bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
        )
        self._likeliest = n * float(found.x)

    def against(self, x: Floats) -> Floats:
        """Of each x: as many rows may count as below it as lie below, or at it, whatever refutes it least."""
        below, upto = (np.searchsorted(self.values, x, side) for side in ("left", "right"))
        return self._of(np.clip(self._likeliest, below, upto))

    def _of(self, count: float | Floats) -> Floats:
        return log_beta_mixture(self._q, count, self.values.size, horizon=self._horizon, alpha=self._alpha)


def quantile_sequence(
    treatment: ArrayLike, control: ArrayLike, q: float, *, horizon: float, alpha: float = 0.05
) -> QuantileSequence:
    r"""The sequential test of one quantile in two arms [1]_, and all differences that it does not refute.

    .. math:: p = \min\Big(1, \max_x \frac{1}{M_T(x) M_C(x)}\Big)

    with M(x) the evidence of `log_beta_mixture` that other than a share q of an arm lies below x. Were x the quantile
    of both, the product would be a martingale. Rows must be independent, so give one a unit; where units have many,
    take `quantiles.quantile_moments` and `sequences.difference_sequence`.

    Parameters
    ----------
    horizon
        The rows of each arm at which you expect to decide. It must stay the same throughout.

    References
    ----------
    .. [1] Howard, Ramdas (2022), "Sequential estimation of quantiles with applications to A/B testing and best-arm
       identification", Bernoulli 28(3), 1704–1728.

    Examples
    --------
    >>> found = quantile_sequence(range(101, 1101), range(1, 1001), 0.5, horizon=100)
    >>> found.difference, found.low, found.high, round(found.p_value, 7)
    (100.0, 12.0, 188.0, 0.0054947)
    """
    significance(alpha)
    if not 0 < q < 1:
        raise InputError(f"q is {q}, must lie between 0 and 1; 0.95 is the 95th percentile.", field="q")
    ours = _Arm(treatment, q, name="treatment", horizon=horizon, alpha=alpha)
    theirs = _Arm(control, q, name="control", horizon=horizon, alpha=alpha)
    every = np.union1d(ours.values, theirs.values)
    evidence = float((ours.against(every) + theirs.against(every)).min())
    return QuantileSequence(
        ours.value - theirs.value,
        _lowest(ours, theirs, math.log(1 / alpha)),
        -_lowest(theirs, ours, math.log(1 / alpha)),
        math.exp(min(0.0, -evidence)),
    )


def _lowest(ours: _Arm, theirs: _Arm, enough: float) -> float:
    """The least difference of a value of ours and one of theirs against which together there is not enough evidence."""
    mine, other = ours.against(ours.values), theirs.against(theirs.values)
    nowhere = np.array([-np.inf, np.inf])
    if ours.against(nowhere)[0] + other.min() < enough or theirs.against(nowhere)[1] + mine.min() < enough:
        return -math.inf  # it may lie beyond every row
    falling = mine[: int(mine.argmin()) + 1]  # up to the likeliest value it falls
    first = np.searchsorted(-falling, other - enough, side="right")
    there = first < falling.size
    return float((ours.values[first[there]] - theirs.values[there]).min())
