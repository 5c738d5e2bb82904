"""The default interval: it covers with rare rewards and heavy weights, and needs only the sums of a log."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import f as fisher

from bandstand.errors import InputError
from bandstand.stats.checks import column, same_length, significance
from bandstand.stats.estimates import Estimate
from bandstand.stats.weights import WeightedSums

_SLACK = 1 + 1e-9  # a bound that was computed in another order than the weights may be off by rounding


_BOUNDLESS = 1e9
"""A larger bound is as none: the interval is the same to three digits there, and from 1e12 on lost in rounding."""


def empirical_likelihood(
    sums: WeightedSums,
    *,
    max_weight: float,
    reward_range: tuple[float, float] = (0.0, 1.0),
    alpha: float = 0.05,
) -> Estimate:
    r"""Empirical likelihood in its Cressie–Read (−2) form: covers even with rare rewards and heavy weights.

    Rows get the probabilities nearest to 1/n under which the mean weight is one, as it must be. One further,
    never seen row :math:`(w_f, r_f)` at the edge of what is possible stands for the tail that the log missed:

    .. math::
        q_i = \frac{1}{n+1}\Big(1 + (1 - \bar w)\frac{w_i - \bar w}{\mathrm{Var}(w)}\Big), \qquad
        \hat V = \sum_{i \le n} q_i w_i r_i + \max\big(0, 1 - \textstyle\sum_{i \le n} q_i w_i\big) \bar r

    with mean and variance over the n + 1 rows. The interval holds all values whose Cressie–Read divergence
    exceeds the least one by at most :math:`F^{-1}_{1,n}(1 - \alpha)`; its lower end is

    .. math::
        \min_{w_f}\; \overline{wr} + \beta (1 - \bar w)
        - \sqrt{\mathrm{Var}(wr - \beta w)\Big(B - \frac{(1 - \bar w)^2}{\mathrm{Var}(w)}\Big)}, \qquad
        \beta = \frac{\mathrm{Cov}(w, wr)}{\mathrm{Var}(w)}

    where :math:`r_f` is the least reward and B the budget; the upper end mirrors it. Where no reward differs
    from any other the divergence sees no uncertainty, and the interval is widened to the exact binomial bound
    for what was never seen in n rows.

    With clusters the rows of this table are the clusters' sums :math:`(m_u, W_u, R_u)` of rows, weights and
    weighted rewards: a mean of :math:`W_u - m_u` must be zero, and V is where the mean of :math:`R_u - V m_u`
    is zero too (a quadratic equation, as Fieller's). The cluster never seen is as long as the longest one, and
    each of its rows has the greatest weight.

    Parameters
    ----------
    max_weight
        The greatest weight *possible*, not the greatest seen: from the least propensity that the logger's
        exploration allows (K/ε), or `math.inf` where it has none. A tight bound shortens the interval, up to
        four times.
    reward_range
        Least and greatest reward possible.

    References
    ----------
    .. [1] Karampatziakis, Langford, Mineiro (2020), "Empirical likelihood for contextual bandits", NeurIPS,
       arXiv:1906.03323. The closed forms are those of its authors' VowpalWabbit/estimators, rearranged, and
       carried over to clusters.

    Examples
    --------
    >>> sums = WeightedSums.of(rewards=[1, 0, 1, 0], weights=[0.5, 2, 2, 0.5])
    >>> estimate = empirical_likelihood(sums, max_weight=4)
    >>> round(estimate.value, 3), round(estimate.low, 3), round(estimate.high, 3)
    (0.5, 0.0, 1.0)
    """
    significance(alpha)
    check_bounds(sums, max_weight=max_weight, reward_range=reward_range)
    r_low, r_high = reward_range
    if max_weight * sums.max_rows > _BOUNDLESS:
        max_weight = math.inf
    units, longest = _seen(sums), max_weight * sums.max_rows
    likeliest = longest if sums.w < sums.n else 0.0
    budget = float(fisher.isf(alpha, 1, units.n)) / (1 + units.n) + _least_divergence(units, sums.max_rows, likeliest)
    low = _lower_end(units, r_low, rows=sums.max_rows, longest=longest, budget=budget)
    high = -_lower_end(_mirrored(units), -r_high, rows=sums.max_rows, longest=longest, budget=budget)
    if sums.min_r == sums.max_r:
        never_seen = -math.expm1(math.log(alpha) / units.n)  # Clopper, Pearson (1934), for 0 of n
        reach = min(1.0, never_seen * longest / float(units.means[_ROWS]))
        low = min(low, sums.min_r - reach * (sums.min_r - r_low))
        high = max(high, sums.max_r + reach * (r_high - sums.max_r))
    return Estimate(
        value=_likeliest(units, sums.max_rows, likeliest, missing=sums.r / sums.n),
        low=min(max(low, r_low), r_high),
        high=min(max(high, r_low), r_high),
        std_error=None,
        n=sums.n,
        method="empirical_likelihood",
    )


def likeliest_value(rewards: ArrayLike, weights: ArrayLike, *, max_weight: float = math.inf) -> float:
    r"""The value under the likeliest distribution of rows whose mean weight is one: empirical likelihood itself.

    .. math:: \hat V = \sum_i \frac{w_i r_i}{(w_i - 1) \beta + n} + \Big(1 - \sum_i \frac{w_i}{(w_i - 1) \beta + n}
        \Big)^+ \bar r, \qquad \beta: \sum_i \frac{w_i - 1}{(w_i - 1) \beta + n} = 0

    Its Cressie–Read form, in `empirical_likelihood`, needs sums alone and has an interval; this needs all rows.

    References
    ----------
    .. [1] Karampatziakis, Langford, Mineiro (2020), arXiv:1906.03323, section 3.

    Examples
    --------
    >>> round(likeliest_value([1, 0, 1, 0], [0.5, 2.0, 2.0, 0.5]), 3)
    0.5
    """
    r, excess = column(rewards, name="reward"), column(weights, name="weight") - 1
    same_length(rewards=r, weights=excess)
    if not r.size:
        raise InputError("the log has no rows, an estimate needs at least one; widen the selection.", code="too_few")
    n = r.size
    most, least = max(max_weight - 1, float(excess.max())), min(-1.0, float(excess.min()))
    # Every probability must lie between 0 and 1: (w − 1) β + n >= 1, and >= 0 for the weights that were not seen.
    above, below = excess[excess > 0], excess[excess < 0]
    first = max(-n / most, float(((1 - n) / above).max(initial=-math.inf)))
    last = min(-n / least, float(((1 - n) / below).min(initial=math.inf)))

    def slope(beta: float) -> float:
        return math.fsum(excess / (excess * beta + n))

    start, end = slope(first), slope(last)
    beta = brentq(slope, first, last, xtol=1e-12) if start * end < 0 else first if start < 0 else last
    q = 1 / (excess * beta + n)
    seen = math.fsum(q * (excess + 1))
    return math.fsum(q * (excess + 1) * r) + max(0.0, 1 - seen) * float(r.mean())


_ROWS, _WEIGHT, _REWARD = 0, 1, 2
_EXCESS = np.array([-1.0, 1.0, 0.0])  # a unit's weight beyond its rows, whose mean is zero


class _Units(NamedTuple):
    """Means and centred products of rows, weight and weighted reward, over n independent units."""

    n: int
    means: NDArray[np.float64]
    products: NDArray[np.float64]


def _seen(sums: WeightedSums) -> _Units:
    by_row, by_weight, weights = sums.reward_by_row, sums.reward_by_weight, sums.weight_by_row
    means = np.array([weights.den.mean, weights.num.mean, by_row.num.mean])
    off = (weights.cross, by_row.cross, by_weight.cross)
    products = [
        [weights.den.m2, off[0], off[1]],
        [off[0], weights.num.m2, off[2]],
        [off[1], off[2], by_row.num.m2],
    ]
    return _Units(sums.units, means, np.array(products))


def _mirrored(units: _Units) -> _Units:
    flip = np.array([1.0, 1.0, -1.0])
    return _Units(units.n, units.means * flip, units.products * np.outer(flip, flip))


def _joined(units: _Units, rows: int, weight: float, reward: float) -> _Units:
    """With one further unit that was never seen."""
    n, gap = units.n + 1, np.array([rows, weight, weight * reward]) - units.means
    return _Units(n, units.means + gap / n, units.products + np.outer(gap, gap) * units.n / n)


def _least_divergence(units: _Units, rows: int, weight: float) -> float:
    if weight == math.inf:
        return 1 / units.n
    joined = _joined(units, rows, weight, 0.0)
    return float(joined.n * (_EXCESS @ joined.means) ** 2 / (_EXCESS @ joined.products @ _EXCESS))


def _likeliest(units: _Units, rows: int, weight: float, *, missing: float) -> float:
    """V̂; what the probabilities of the units leave over is worth `missing`, the mean reward."""
    seen, all_rows = units.means, float(units.means[_ROWS])
    if weight != math.inf:
        joined = _joined(units, rows, weight, 0.0)
        excess = _EXCESS @ joined.means
        slope = -excess / (_EXCESS @ joined.products @ _EXCESS)  # of n q, by a unit's excess over the mean one
        level = 1 / joined.n
        centred = _EXCESS @ units.products / units.n + (_EXCESS @ units.means - excess) * units.means
        seen = units.n * (level * units.means + slope * centred)
        unseen = level + slope * (weight - rows - excess)
        all_rows = float(seen[_ROWS] + unseen * rows)
    return float(seen[_REWARD] + max(0.0, all_rows - seen[_WEIGHT]) * missing) / all_rows


def _lower_end(units: _Units, reward: float, *, rows: int, longest: float, budget: float) -> float:
    ends = [_lowest(units, rows, weight, reward, budget=budget) for weight in (0.0, longest)]
    return min((end for end in ends if end is not None), default=reward)


def _lowest(units: _Units, rows: int, weight: float, reward: float, *, budget: float) -> float | None:
    """The least value that the budget allows; None where it does not even allow a mean weight of one."""
    if weight == math.inf:
        # The limit, in which V − r is the mean of R − r W: the unseen unit takes 1/n of the budget, and no more.
        less = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -reward, 1.0]])
        means, spread = less @ units.means, less @ units.products @ less.T / (1 + units.n)
        return reward + _least_ratio(means, spread, max(0.0, budget - 1 / units.n), default=0.0)
    joined = _joined(units, rows, weight, reward)
    spread, excess = joined.products / joined.n, float(_EXCESS @ joined.means)
    var = float(_EXCESS @ spread @ _EXCESS)
    if var <= 0 or (left := budget - excess**2 / var) < 0:
        return None
    cov = spread @ _EXCESS
    return _least_ratio(joined.means - cov * excess / var, spread - np.outer(cov, cov) / var, left, default=reward)


def _least_ratio(means: NDArray[np.float64], spread: NDArray[np.float64], left: float, *, default: float) -> float:
    """The lesser root V of (R̄ − V m̄)² = left · Var(R − V m); `default` where there is none, for m̄ may be zero."""
    m, r = float(means[_ROWS]), float(means[_REWARD])
    var_m, cov, var_r = (float(spread[i, j]) for i, j in ((_ROWS, _ROWS), (_ROWS, _REWARD), (_REWARD, _REWARD)))
    square, half = m * m - left * max(0.0, var_m), r * m - left * cov
    if square <= 0:
        return default
    return (half - math.sqrt(max(0.0, half * half - square * (r * r - left * max(0.0, var_r))))) / square


def check_bounds(sums: WeightedSums, *, max_weight: float, reward_range: tuple[float, float]) -> None:
    """Raise `InputError` unless there are rows, and what was seen lies within what is said to be possible."""
    r_low, r_high = reward_range
    if sums.n == 0:
        raise InputError("the log has no rows, an estimate needs at least one; widen the selection.", code="too_few")
    if not max_weight > 1:
        raise InputError(f"max_weight is {max_weight}, must be > 1, the mean weight.", field="max_weight")
    if sums.max_w > max_weight * _SLACK:
        raise InputError(
            f"a weight of {sums.max_w:g} exceeds max_weight {max_weight:g}, which must be the greatest "
            "possible; derive it from the least propensity of the logger, or use math.inf.",
            field="max_weight",
        )
    if not (math.isfinite(r_low) and math.isfinite(r_high) and r_low < r_high):
        raise InputError(f"reward_range is {reward_range}, must be finite and rise.", field="reward_range")
    if sums.min_r < r_low or sums.max_r > r_high:
        raise InputError(
            f"rewards lie between {sums.min_r:g} and {sums.max_r:g}, must lie in {reward_range}; widen it.",
            field="reward_range",
        )


def check_rows(sums: WeightedSums, *, method: str) -> None:
    """Raise `InputError` where rows fall into clusters, of which the method knows nothing."""
    if sums.units < sums.n:
        raise InputError(
            f"{sums.n} rows fall into {sums.units} clusters, {method} needs independent rows; "
            "use empirical_likelihood, or leave the clusters out where rows are independent.",
            field="clusters",
        )
