"""What another policy would have earned on a log: an estimate, and the two that weights alone give."""

from typing import NamedTuple

from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.moments import Moments
from bandstand.stats.weights import WeightedSums


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
