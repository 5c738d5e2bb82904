"""Intervals that hold in short logs, from the largest weight that is possible."""

import math

from scipy.special import betaincinv

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.diagnostics import LEAST_EVENTS
from bandstand.stats.empirical_likelihood import check_bounds, check_rows, empirical_likelihood
from bandstand.stats.estimates import Estimate
from bandstand.stats.moments import Moments
from bandstand.stats.weights import WeightedSums

_NOTHING = 1e-6  # a share of all that could be earned that is rounding, of rewards or of their range


def bernstein(
    sums: WeightedSums,
    *,
    max_weight: float,
    reward_range: tuple[float, float] = (0.0, 1.0),
    alpha: float = 0.05,
) -> Estimate:
    r"""IPS with the empirical Bernstein bound: holds for every n, and is wide where weights may be large.

    .. math:: \hat V \pm \Big( \sqrt{\frac{2 s_{wr}^2 \ln(4/\alpha)}{n}} + \frac{7 R \ln(4/\alpha)}{3 (n-1)} \Big)

    with R the range of wr. Rows must be independent; other arguments as in `empirical_likelihood`.

    References
    ----------
    .. [1] Maurer, Pontil (2009), "Empirical Bernstein bounds and sample variance penalization", COLT,
       arXiv:0907.3740, theorem 4, on both sides.

    Examples
    --------
    >>> sums = WeightedSums.of(rewards=[1, 0, 1, 0] * 500, weights=[0.5, 2, 2, 0.5] * 500)
    >>> found = bernstein(sums, max_weight=2)
    >>> found.value, round(found.low, 4), round(found.high, 4)
    (0.625, 0.5605, 0.6895)
    """
    widest = _bounded(sums, max_weight=max_weight, reward_range=reward_range, alpha=alpha, method="Bernstein's bound")
    scores = sums.reward_by_row.ratio()
    log_term = math.log(4 / alpha)
    margin = math.sqrt(2 * scores.variance * log_term / sums.n) + 7 * widest * log_term / (3 * (sums.n - 1))
    return Estimate(scores.mean, scores.mean - margin, scores.mean + margin, None, sums.n, "bernstein")


def hoeffding(
    sums: WeightedSums,
    *,
    max_weight: float,
    reward_range: tuple[float, float] = (0.0, 1.0),
    alpha: float = 0.05,
) -> Estimate:
    r"""IPS with Hoeffding's bound: holds for every n by the range of wr alone, so it is far wider than Bernstein's
    where weights are heavy or rewards rare; it is here to compare with.

    .. math:: \hat V \pm R \sqrt{\frac{\ln(2/\alpha)}{2n}}

    with R the range of wr. Rows must be independent; arguments as in `bernstein`.

    References
    ----------
    .. [1] Hoeffding (1963), "Probability inequalities for sums of bounded random variables", JASA 58, theorem 2.

    Examples
    --------
    >>> sums = WeightedSums.of(rewards=[1, 0, 1, 0] * 500, weights=[0.5, 2, 2, 0.5] * 500)
    >>> found = hoeffding(sums, max_weight=2)
    >>> found.value, round(found.low, 4), round(found.high, 4)
    (0.625, 0.5643, 0.6857)
    """
    widest = _bounded(sums, max_weight=max_weight, reward_range=reward_range, alpha=alpha, method="Hoeffding's bound")
    margin = widest * math.sqrt(math.log(2 / alpha) / (2 * sums.n))
    value = sums.wr / sums.n
    return Estimate(value, value - margin, value + margin, None, sums.n, "hoeffding")


def clopper_pearson(sums: WeightedSums, *, max_weight: float, alpha: float = 0.05) -> Estimate:
    r"""IPS with the exact binomial interval of the rows which rejection sampling would keep.

    Keeping a row with probability :math:`w / w_\max` leaves a log of the target policy, with about
    :math:`m = n / w_\max` rows and :math:`k = \sum w r / w_\max` events. With these, whole or not,

    .. math:: \mathrm{low} = B_{\alpha/2}(k,\, m - k + 1), \qquad \mathrm{high} = B_{1-\alpha/2}(k + 1,\, m - k)

    B the quantile of the Beta distribution. Exact where all weights are equal, else careful by experience
    rather than by proof. Rewards must be 0 or 1, rows independent.

    References
    ----------
    .. [1] Clopper, Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the
       binomial", Biometrika 26, 404–413. The weighting is that of VowpalWabbit/estimators.

    Examples
    --------
    >>> found = clopper_pearson(WeightedSums.of(rewards=[0] * 100, weights=[1] * 100), max_weight=2)
    >>> found.low, round(found.high, 4)  # the rule of three, of 50 rows and half of alpha: 3.7 / 50
    (0.0, 0.0711)
    """
    significance(alpha)
    check_bounds(sums, max_weight=max_weight, reward_range=(0.0, 1.0))
    check_rows(sums, method="the binomial")
    if not math.isclose(sums.w2r, sums.w2r2, rel_tol=1e-9):  # r = r² for 0 and 1 alone
        raise InputError("rewards are not all 0 or 1, the binomial needs them to be; use bernstein.", field="rewards")
    low, high = _binomial(sums, max_weight=max_weight, reward_range=(0.0, 1.0), alpha=alpha)
    return Estimate(sums.wr / sums.n, low, high, None, sums.n, "clopper_pearson")


def rare_events(
    sums: WeightedSums,
    *,
    max_weight: float,
    reward_range: tuple[float, float] = (0.0, 1.0),
    few: int = LEAST_EVENTS,
    alpha: float = 0.05,
) -> Estimate:
    r"""The default: empirical likelihood, widened to the exact binomial where events are few, or what is not one.

    With fewer than `few` weighted events, or misses, the interval holds both that of `empirical_likelihood` and that of
    the binomial, so it covers at least as often as either; where weights have no bound its upper, or its lower, end is
    then that of the rewards. The value is that of empirical likelihood.

    Misses are what rewards lack of the greatest one, as an effective number of rows:
    :math:`(\sum w m)^2 / \sum (w m)^2, m = (r_{max} - r) / (r_{max} - r_{min})`. Rewards that nearly all are 1 tell as
    little as those that nearly all are 0. Of clusters both are counted in this way, by their sums: a user with thirty
    clicks is one event.

    Rewards between 0 and 1, as a share of their range, vary less than 0 and 1 themselves; a cluster is one trial,
    worth as many rows as the longest of them has, against the mean one. Arguments as in `empirical_likelihood`.

    References
    ----------
    .. [1] Karampatziakis, Langford, Mineiro (2020), "Empirical likelihood for contextual bandits", NeurIPS,
       arXiv:1906.03323.

    Examples
    --------
    >>> none = WeightedSums.of(rewards=[0] * 100, weights=[1] * 100)
    >>> round(rare_events(none, max_weight=2).high, 4)
    0.0711
    """
    found = empirical_likelihood(sums, max_weight=max_weight, reward_range=reward_range, alpha=alpha)
    found = found._replace(method="rare_events")
    rare, common = scarce(sums, reward_range=reward_range, few=few)
    if not (rare or common):
        return found
    if max_weight == math.inf:
        r_low, r_high = reward_range
        return found._replace(low=r_low if common else found.low, high=r_high if rare else found.high)
    low, high = _binomial(sums, max_weight=max_weight, reward_range=reward_range, alpha=alpha)
    return found._replace(low=min(found.low, low), high=max(found.high, high))


def scarce(
    sums: WeightedSums, *, reward_range: tuple[float, float] = (0.0, 1.0), few: int = LEAST_EVENTS
) -> tuple[bool, bool]:
    """Whether `rare_events` finds fewer than `few` weighted events, and whether misses; then it widens.

    Examples
    --------
    >>> scarce(WeightedSums.of(rewards=[0] * 90 + [1] * 10, weights=[1] * 100))
    (True, False)
    """
    return _events(sums) < few, _misses(sums, reward_range) < few


def _bounded(
    sums: WeightedSums, *, max_weight: float, reward_range: tuple[float, float], alpha: float, method: str
) -> float:
    """The range of weighted rewards; `InputError` where they have none, or rows are not independent."""
    significance(alpha)
    check_bounds(sums, max_weight=max_weight, reward_range=reward_range)
    check_rows(sums, method=method)
    if max_weight == math.inf:
        raise InputError(
            f"max_weight is inf, must be finite for {method}; use empirical_likelihood.", field="max_weight"
        )
    r_low, r_high = reward_range
    return max_weight * (max(r_high, 0.0) - min(r_low, 0.0))


def _events(sums: WeightedSums) -> float:
    """How many rows have a weighted reward; of clusters, how many equal ones their rewards are worth."""
    return sums.events if sums.units == sums.n else _effective(sums.reward_by_row.num)


def _misses(sums: WeightedSums, reward_range: tuple[float, float]) -> float:
    """How many equal rows, or clusters, what their rewards lack of the greatest one is worth."""
    (r_low, r_high), by = reward_range, sums.reward_by_weight
    lacked = r_high * by.den.mean - by.num.mean
    if lacked <= _NOTHING * (r_high - r_low) * by.den.mean:
        return 0.0
    m2 = r_high * r_high * by.den.m2 - 2 * r_high * by.cross + by.num.m2
    return _effective(Moments(sums.units, lacked, max(0.0, m2)))


def _effective(amounts: Moments) -> float:
    """(Σ x)² / Σ x²."""
    squares = amounts.m2 + amounts.n * amounts.mean**2
    return (amounts.n * amounts.mean) ** 2 / squares if squares else 0.0


def _binomial(
    sums: WeightedSums, *, max_weight: float, reward_range: tuple[float, float], alpha: float
) -> tuple[float, float]:
    """Exact ends for the share of the range of rewards that the target earns, from units that are kept or not."""
    r_low, r_high = reward_range
    share = (sums.wr - r_low * sums.w) / (r_high - r_low) / sums.n
    heaviest = max_weight * sums.max_rows * sums.units / sums.n
    trials = sums.units / heaviest
    hits = min(max(share, 0.0), 1.0) * trials
    low = float(betaincinv(hits, trials - hits + 1, alpha / 2)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - alpha / 2)) if hits < trials else 1.0
    return r_low + low * (r_high - r_low), r_low + high * (r_high - r_low)
