"""An off-policy interval that may be looked at all the time, while the logger itself learns, and with any weights."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammainc, gammaln

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length, significance
from bandstand.stats.estimates import Estimate

_RHO = 1.0  # of the gamma mixture; 1 in the paper's own code
_BLOCK = 1 << 16  # rows that are added up at a time


class _Side(Struct, frozen=True):
    """Σ x and Σ (x − x̂)², with x̂ the mean of all x before, drawn a little to one half, and at most one."""

    total: float = 0.0
    spread: float = 0.0

    def then(self, x: NDArray[np.float64], *, after: int) -> "_Side":
        before = self.total + np.concatenate([[0.0], np.cumsum(x)])
        # At most one: only of steps x − x̂ >= −1 is the wealth a supermartingale.
        expected = np.minimum((before[:-1] + 0.5) / np.arange(after + 1, after + 1 + x.size), 1.0)
        gap = x - expected
        return _Side(float(before[-1]), self.spread + float(np.dot(gap, gap)))


class OrderedSums(Struct, frozen=True):
    """All that `off_policy_sequence` needs of a log that is read in its order, part after part.

    Examples
    --------
    >>> whole = OrderedSums().then([1, 0, 1], [2.0, 0.5, 0.5])
    >>> whole == OrderedSums().then([1], [2.0]).then([0, 1], [0.5, 0.5])
    True
    """

    reward_range: tuple[float, float] = (0.0, 1.0)
    n: int = 0
    wr: float = 0.0
    low: _Side = _Side()
    high: _Side = _Side()

    def then(self, rewards: ArrayLike, weights: ArrayLike) -> "OrderedSums":
        """These sums with the rows that came next; the reward range cannot change on the way."""
        r, w = column(rewards, name="reward"), column(weights, name="weight")
        same_length(rewards=r, weights=w)
        r_low, r_high = self.reward_range
        if not (math.isfinite(r_low) and math.isfinite(r_high) and r_low < r_high):
            raise InputError(f"reward_range is {self.reward_range}, must be finite and rise.", field="reward_range")
        refuse_where(w < 0, w, name="weight", rule="must be >= 0")
        refuse_where(
            (r < r_low) | (r > r_high),
            r,
            name="reward",
            rule=f"must lie in {self.reward_range}",
            remedy="begin again with a wider reward_range",
        )
        sums = self
        for start in range(0, r.size, _BLOCK):
            sums = sums._next(r[start : start + _BLOCK], w[start : start + _BLOCK])
        return sums

    def _next(self, r: NDArray[np.float64], w: NDArray[np.float64]) -> "OrderedSums":
        r_low, r_high = self.reward_range
        wide = r_high - r_low
        return OrderedSums(
            self.reward_range,
            self.n + r.size,
            self.wr + float(np.dot(w, r)),
            self.low.then(w * (r - r_low) / wide, after=self.n),
            self.high.then(w * (r_high - r) / wide, after=self.n),
        )


def off_policy_sequence(sums: OrderedSums, *, alpha: float = 0.05) -> Estimate:
    r"""The confidence sequence of IPS: it holds at all looks together, however the logger learned on the way.

    With :math:`x_t = w_t (r_t - r_{min}) / (r_{max} - r_{min}) \ge 0`, its sum S and
    :math:`V = \sum_t (x_t - \hat x_t)^2`, where :math:`\hat x_t` is known before row t, the wealth of a bet
    against the mean μ, mixed over bets by a gamma distribution, is

    .. math::
        \ln M(\mu) = s + V + \varrho \ln\varrho - (V + \varrho) \ln(s + V + \varrho)
        + \ln\gamma(V + \varrho,\, s + V + \varrho) - \ln\gamma(\varrho, \varrho), \qquad s = S - t \mu

    and the lower end is where it reaches :math:`\ln(2/\alpha)`; the upper end mirrors it. No largest weight need
    be known, for x has a lower bound alone. Only the weights' own mean of one is used, given all that came
    before: with the propensities of the moment of the decision that holds for a logger that learns, where normal
    intervals may fail. It is wider than the others; the price of looking as often as one likes.

    References
    ----------
    .. [1] Karampatziakis, Mineiro, Ramdas (2021), "Off-policy confidence sequences", ICML, arXiv:2102.09540.
    .. [2] Howard, Ramdas, McAuliffe, Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence
       sequences", Annals of Statistics 49(2): the gamma-exponential mixture.

    Examples
    --------
    >>> found = off_policy_sequence(OrderedSums().then([1, 0, 1, 0] * 500, [0.5, 1.5, 1.5, 0.5] * 500))
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (0.5, 0.448, 0.552)
    """
    significance(alpha)
    if not sums.n:
        raise InputError("the log has no rows, an estimate needs at least one; widen the selection.", code="too_few")
    r_low, r_high = sums.reward_range
    low = _lower_end(sums.low, sums.n, alpha=alpha / 2)
    high = 1 - _lower_end(sums.high, sums.n, alpha=alpha / 2)
    wide = r_high - r_low
    return Estimate(sums.wr / sums.n, r_low + low * wide, r_low + high * wide, None, sums.n, "off_policy_sequence")


def _lower_end(side: _Side, n: int, *, alpha: float) -> float:
    """The least mean, between 0 and 1, against which too little was won."""
    enough, most = -math.log(alpha), min(1.0, side.total / n)

    def lacks(mean: float) -> float:
        return _log_wealth(side.total - n * mean, side.spread) - enough

    if lacks(0.0) <= 0:
        return 0.0
    if lacks(most) >= 0:
        return most
    return float(brentq(lacks, 0.0, most))


def _log_wealth(gain: float, spread: float) -> float:
    shape, at = spread + _RHO, gain + spread + _RHO
    return (
        gain
        + spread
        + _RHO * math.log(_RHO)
        - shape * math.log(at)
        + math.log(gammainc(shape, at))
        + float(gammaln(shape))
        - math.log(gammainc(_RHO, _RHO))
        - float(gammaln(_RHO))
    )
