"""An off-policy interval that may be looked at all the time, while the logger itself learns, and with any weights."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammainc, gammaln, polygamma

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length, significance
from bandstand.stats.estimates import Estimate
from bandstand.stats.thinned import standing

_RHO = 1.0  # of the gamma mixture; 1 in the paper's own code
_BLOCK = 1 << 16  # rows that are added up at a time


class _Side(Struct, frozen=True):
    """Σ x and Σ (x − x̂)², with x̂ the mean of all x before, drawn a little to one half, and at most `most`."""

    total: float = 0.0
    spread: float = 0.0

    def then(
        self, x: NDArray[np.float64], *, after: NDArray[np.float64], missing: NDArray[np.float64], most: float
    ) -> "_Side":
        """`after` counts the rows before each, and `missing` those of no value that came between: their squares are
        Σ_s (a / (t + s))² with a fixed a, a difference of two trigamma functions, where that guess is below `most`."""
        before = self.total + np.concatenate([[0.0], np.cumsum(x)])
        drawn = before[:-1] + 0.5
        gap = x - np.minimum(drawn / (after + missing + 1), most)
        spread = self.spread + float(np.dot(gap, gap))
        if missing.any():
            capped = np.clip(np.floor(drawn / most - after), 0.0, missing)  # of those between, how many guesses
            unseen = polygamma(1, after + capped + 1) - polygamma(1, after + missing + 1)
            spread += float(np.sum(capped * np.minimum(most, drawn) ** 2) + np.dot(np.square(drawn), unseen))
        return _Side(float(before[-1]), spread)


class OrderedSums(Struct, frozen=True):
    """All that `off_policy_sequence` needs of a log that is read in its order, part after part.

    A row's value, scaled to between 0 and 1 by `reward_range`, is guessed from those before it, as at most
    `most_guessed`: only of steps x − x̂ ≥ −1 is the wealth a supermartingale. With infinity the ends are those of the
    paper's own code, which does not limit the guess; after heavy weights its proof does not hold.

    Examples
    --------
    >>> whole = OrderedSums().then([1, 0, 1], [2.0, 0.5, 0.5])
    >>> whole == OrderedSums().then([1], [2.0]).then([0, 1], [0.5, 0.5])
    True
    """

    reward_range: tuple[float, float] = (0.0, 1.0)
    most_guessed: float = 1.0
    n: float = 0
    wr: float = 0.0
    low: _Side = _Side()
    high: _Side = _Side()

    def then(self, rewards: ArrayLike, weights: ArrayLike, *, drop: ArrayLike | None = None) -> "OrderedSums":
        """These sums with the rows that came next; the reward range cannot change on the way.

        `drop` is how likely each row was not to be kept in the log: `thinned` says what that means."""
        r, w = column(rewards, name="reward"), column(weights, name="weight")
        times = np.ones(r.size) if drop is None else standing(drop)
        same_length(rewards=r, weights=w, drop=times)
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
            block = slice(start, start + _BLOCK)
            sums = sums._next(r[block], w[block] * times[block], times[block])
        return sums

    def _next(self, r: NDArray[np.float64], w: NDArray[np.float64], times: NDArray[np.float64]) -> "OrderedSums":
        r_low, r_high = self.reward_range
        wide = r_high - r_low
        counted = self.n + np.concatenate([[0.0], np.cumsum(times)])

        def then(side: _Side, x: NDArray[np.float64]) -> _Side:
            return side.then(x, after=counted[:-1], missing=times - 1, most=self.most_guessed)

        return OrderedSums(
            self.reward_range,
            self.most_guessed,
            float(counted[-1]),
            self.wr + float(np.dot(w, r)),
            then(self.low, w * (r - r_low) / wide),
            then(self.high, w * (r_high - r) / wide),
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
    return Estimate(
        sums.wr / sums.n, r_low + low * wide, r_low + high * wide, None, round(sums.n), "off_policy_sequence"
    )


def _lower_end(side: _Side, n: float, *, alpha: float) -> float:
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
