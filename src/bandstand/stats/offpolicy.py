"""What another policy would have earned on a log, from the log's weighted sums alone."""

import math
from typing import NamedTuple

from msgspec.structs import replace
from scipy.stats import f as fisher
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.moments import Moments
from bandstand.stats.weights import WeightedSums

_SLACK = 1 + 1e-9  # a bound that was computed in another order than the weights may be off by rounding


class Estimate(NamedTuple):
    """Value per row of the target policy, with a two-sided interval.

    `n` counts rows. `std_error` is None where the interval does not come from one.
    """

    value: float
    low: float
    high: float
    std_error: float | None
    n: int
    method: str


def ips(sums: WeightedSums, *, alpha: float = 0.05) -> Estimate:
    r"""Inverse propensity scoring: unbiased, for any logger that could have shown all that the target shows.

    .. math:: \hat V = \frac1n \sum_i w_i r_i, \qquad SE = s_{wr} / \sqrt n

    The normal interval is too short while few rewarded rows are weighted (see `diagnostics.gate`). With
    clusters SE is that of the ratio Σwr/n over clusters [2]_.

    References
    ----------
    .. [1] Horvitz, Thompson (1952), "A generalization of sampling without replacement", JASA 47, 663–685.
    .. [2] Liang, Zeger (1986), "Longitudinal data analysis using generalized linear models", Biometrika 73.

    Examples
    --------
    >>> estimate = ips(WeightedSums.of(rewards=[1, 0, 1, 0], weights=[0.5, 2, 2, 0.5]))
    >>> estimate.value, round(estimate.std_error, 4)
    (0.625, 0.4732)
    """
    return normal(sums.reward_by_row.ratio(), n=sums.n, method="ips", alpha=alpha)


def snips(sums: WeightedSums, *, alpha: float = 0.05) -> Estimate:
    r"""Self-normalised IPS: a little biased, mostly less noisy, and never outside the range of the rewards.

    .. math:: \hat V = \frac{\sum_i w_i r_i}{\sum_i w_i}

    with the standard error of its influence function :math:`w_i (r_i - \hat V) / \bar w`, by cluster where
    clusters are given.

    References
    ----------
    .. [1] Swaminathan, Joachims (2015), "The self-normalized estimator for counterfactual learning", NeurIPS.

    Examples
    --------
    >>> estimate = snips(WeightedSums.of(rewards=[1, 0, 1, 0], weights=[0.5, 2, 2, 0.5]))
    >>> estimate.value, round(estimate.std_error, 4)
    (0.5, 0.3367)
    """
    return normal(sums.reward_by_weight.ratio(), n=sums.n, method="snips", alpha=alpha)


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
       arXiv:1906.03323. The closed forms are those of its authors' VowpalWabbit/estimators, rearranged.

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
    unseen = max_weight if sums.w < sums.n else 0.0
    budget = float(fisher.isf(alpha, 1, sums.n)) / (1 + sums.n) + _least_divergence(sums, unseen)
    low = _lower_end(sums, r_low, max_weight=max_weight, budget=budget)
    high = -_lower_end(_mirrored(sums), -r_high, max_weight=max_weight, budget=budget)
    if sums.min_r == sums.max_r:
        never_seen = -math.expm1(math.log(alpha) / sums.n)  # Clopper, Pearson (1934), for 0 of n
        reach = min(1.0, never_seen * max_weight)
        low = min(low, sums.min_r - reach * (sums.min_r - r_low))
        high = max(high, sums.max_r + reach * (r_high - sums.max_r))
    return Estimate(
        value=_likeliest(sums, unseen),
        low=min(max(low, r_low), r_high),
        high=min(max(high, r_low), r_high),
        std_error=None,
        n=sums.n,
        method="empirical_likelihood",
    )


def normal(scores: Moments, *, n: int, method: str, alpha: float) -> Estimate:
    """The mean of scores of independent units with its normal interval; `n` counts the rows they come from.

    Raises `InputError` where all scores are equal, and with fewer than two units.
    """
    significance(alpha)
    if scores.variance == 0:
        raise InputError(
            f"all {scores.n} weighted rewards are equal, so {method} has no interval; "
            "use empirical_likelihood, which knows what rewards are possible, or a longer log.",
            code="no_variation",
        )
    margin = float(norm.isf(alpha / 2)) * scores.std_error
    return Estimate(scores.mean, scores.mean - margin, scores.mean + margin, scores.std_error, n, method)


class _Spread(NamedTuple):
    """Means, variances and covariance of w and wr over the log and one unseen row."""

    w: float
    wr: float
    var_w: float
    var_wr: float
    cov: float


def _spread(sums: WeightedSums, unseen: float, reward: float) -> _Spread:
    n = sums.n + 1
    w, wr = (sums.w + unseen) / n, (sums.wr + unseen * reward) / n
    return _Spread(
        w=w,
        wr=wr,
        var_w=(sums.w2 + unseen**2) / n - w * w,
        var_wr=(sums.w2r2 + (unseen * reward) ** 2) / n - wr * wr,
        cov=(sums.w2r + unseen**2 * reward) / n - w * wr,
    )


def _least_divergence(sums: WeightedSums, unseen: float) -> float:
    if unseen == math.inf:
        return 1 / sums.n
    spread = _spread(sums, unseen, 0.0)
    return (1 - spread.w) ** 2 / spread.var_w


def _likeliest(sums: WeightedSums, unseen: float) -> float:
    if unseen == math.inf:
        level, slope = 1 / sums.n, 0.0
    else:
        spread = _spread(sums, unseen, 0.0)
        slope = (1 - spread.w) / spread.var_w / (1 + sums.n)
        level = 1 / (1 + sums.n) - slope * spread.w
    seen = level * sums.w + slope * sums.w2
    return level * sums.wr + slope * sums.w2r + max(0.0, 1 - seen) * sums.r / sums.n


def _lower_end(sums: WeightedSums, reward: float, *, max_weight: float, budget: float) -> float:
    ends = [_lowest(sums, unseen, reward, budget=budget) for unseen in (0.0, max_weight)]
    return min((end for end in ends if end is not None), default=reward)


def _lowest(sums: WeightedSums, unseen: float, reward: float, *, budget: float) -> float | None:
    """The least value that the budget allows; None where it does not even allow a mean weight of one."""
    if unseen == math.inf:
        return _lowest_unbounded(sums, reward, budget=budget)
    spread = _spread(sums, unseen, reward)
    if spread.var_w <= 0:
        return None
    slope = spread.cov / spread.var_w
    left = budget - (1 - spread.w) ** 2 / spread.var_w
    residual = max(0.0, spread.var_wr - slope * spread.cov)
    if left < 0:
        return None
    return spread.wr + slope * (1 - spread.w) - math.sqrt(residual * left)


def _lowest_unbounded(sums: WeightedSums, reward: float, *, budget: float) -> float:
    """The limit of `_lowest` where the unseen weight grows without bound."""
    n = sums.n
    excess = sums.wr - reward * sums.w  # Σw(r − r_f)
    squares = sums.w2r2 - 2 * reward * sums.w2r + reward**2 * sums.w2
    residual = max(0.0, squares - excess**2 / n) / (1 + n)
    return reward + excess / n - math.sqrt(residual * max(0.0, budget - 1 / n))


def _mirrored(sums: WeightedSums) -> WeightedSums:
    return replace(sums, wr=-sums.wr, w2r=-sums.w2r)


def check_bounds(sums: WeightedSums, *, max_weight: float, reward_range: tuple[float, float]) -> None:
    """Raise `InputError` unless rows are independent and what was seen lies within what is said to be possible."""
    r_low, r_high = reward_range
    if sums.n == 0:
        raise InputError("the log has no rows, an estimate needs at least one; widen the selection.", code="too_few")
    if sums.units < sums.n:
        raise InputError(
            f"{sums.n} rows fall into {sums.units} clusters, empirical likelihood needs independent rows; "
            "use ips or snips, or leave the clusters out where rows are independent.",
            field="clusters",
        )
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
