"""Replay by rejection: rows of a log become what the target would have met, so that even a learner may be replayed.

`kept` is for a target that is fixed, `Rejection` for one that learns from the rows it keeps. Chance is the
caller's: one number in [0, 1) a row, not the logger's own.
"""

import heapq

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length
from bandstand.stats.estimates import Estimate, normal
from bandstand.stats.moments import Moments, PairMoments

_EQUAL = 1e-9  # propensities of a uniform logger may differ by rounding


def matched(rewards: ArrayLike, matches: ArrayLike, *, logging: ArrayLike, alpha: float = 0.05) -> Estimate:
    r"""Mean reward of the rows in which the target chose what the logger had shown: of a *uniform* logger alone.

    .. math:: \hat V = \frac{\sum_i 1[\pi(x_i) = a_i]\, r_i}{\sum_i 1[\pi(x_i) = a_i]}

    Where the logger preferred some items the rows that match are its favourites, and the mean is biased; so
    propensities that differ are refused. A target that learns from its matches alone is evaluated as it learns.

    References
    ----------
    .. [1] Li, Chu, Langford, Wang (2011), "Unbiased offline evaluation of contextual-bandit-based news article
       recommendation algorithms", WSDM, arXiv:1003.5956.

    Examples
    --------
    >>> round(matched([1, 0, 1, 0], [True, False, True, True], logging=[0.25] * 4).value, 3)
    0.667
    """
    r, p = column(rewards, name="reward"), column(logging, name="logging propensity")
    same = np.asarray(matches, dtype=np.bool_)
    same_length(rewards=r, logging=p, matches=same.astype(np.float64))
    refuse_where(
        np.abs(p - p.max(initial=0.0)) > _EQUAL,
        p,
        name="logging propensity",
        rule="must be the same in all rows",
        remedy="use ips, or kept, which weigh by it",
    )
    return normal(Moments.of(r[same]), n=int(same.sum()), method="matched", alpha=alpha)


def kept(weights: ArrayLike, chances: ArrayLike, *, max_weight: float) -> NDArray[np.bool_]:
    r"""Which rows a fixed target would have met: each is kept with probability :math:`w / w_\max`.

    Those kept are a log of the target policy, of about :math:`n / w_\max` rows, whatever the logger; their plain
    mean is unbiased. All that needs no replay (a mean, its interval) is had from all rows, with less noise.

    References
    ----------
    .. [1] von Neumann (1951), "Various techniques used in connection with random digits", NBS 12, 36–38.

    Examples
    --------
    >>> kept([2.0, 0.5, 0.0], [0.9, 0.3, 0.0], max_weight=2).tolist()
    [True, False, False]
    """
    w, u = column(weights, name="weight"), column(chances, name="chance")
    same_length(weights=w, chances=u)
    refuse_where(~((u >= 0) & (u < 1)), u, name="chance", rule="must be >= 0 and < 1", remedy="draw it uniformly")
    if not max_weight >= 1:
        raise InputError(f"max_weight is {max_weight}, must be >= 1, the mean weight.", field="max_weight")
    refuse_where(
        ~((w >= 0) & (w <= max_weight * (1 + _EQUAL))),
        w,
        name="weight",
        rule=f"must be >= 0 and <= max_weight, {max_weight:g}",
        remedy="give the greatest weight that is possible",
    )
    return u * max_weight < w


class Rejection:
    r"""Rejection with a multiplier that follows the log, for a target that learns: row by row, in the log's order.

    A row of weight w is kept with probability :math:`\min(1, c w)`; c is the `quantile` of all 1/w seen when the
    last row was kept, at most `most`. Each row, kept or not, adds its score at the weight :math:`c`:

    .. math:: \hat V = \frac{\sum_t c_t \big( \hat q(\pi, x_t) + w_t (r_t - \hat q(a_t, x_t)) \big)}{\sum_t c_t}

    the average reward while the target learns from what was kept (without a reward model, of IPS scores). With
    `quantile=0` no row has :math:`c w > 1` but those that outweigh all before, which leaves hardly a bias; a
    larger quantile keeps more rows for some. The standard error takes the rows between two kept ones for a unit.

    References
    ----------
    .. [1] Dudík, Erhan, Langford, Li (2012), "Sample-efficient nonstationary policy evaluation for contextual
       bandits", UAI, arXiv:1210.4862: algorithm DR-ns.

    Examples
    --------
    >>> replay = Rejection()
    >>> [replay.row(r, w, u) for r, w, u in [(1, 1.0, 0.3), (0, 2.0, 0.1), (1, 0.5, 0.9), (0, 0.5, 0.1)]]
    [True, True, False, True]
    >>> round(replay.estimate().value, 3)
    0.417
    """

    def __init__(self, *, quantile: float = 0.05, most: float = 1.0) -> None:
        if not (0 <= quantile <= 1 and most > 0):
            raise InputError(
                f"quantile is {quantile} and most {most}, must lie in [0, 1] and above 0; 0.05 and 1 are usual.",
                field="quantile",
            )
        self._quantile, self._most, self._multiplier = quantile, most, most
        # 1/w of all rows: the lower ones, largest first and negated, then the others; the quantile is between.
        self._below: list[float] = []
        self._above: list[float] = []
        self._scores: list[float] = [0.0]
        self._multipliers: list[float] = [0.0]

    def row(self, reward: float, weight: float, chance: float, *, predicted: float = 0.0, direct: float = 0.0) -> bool:
        """Whether the target meets this row, and may learn from it; its weight is that of the target as it is now."""
        given = np.array([reward, weight, chance, predicted, direct])
        if not (np.isfinite(given).all() and weight >= 0 and 0 <= chance < 1):
            raise InputError(
                f"row has reward {reward}, weight {weight} and chance {chance}, must be finite, >= 0 and in [0, 1); "
                "leave it out.",
                field="row",
            )
        multiplier = self._multiplier
        self._scores[-1] += multiplier * (direct + weight * (reward - predicted))
        self._multipliers[-1] += multiplier
        self._remember(1 / weight if weight else np.inf)
        if chance >= multiplier * weight:
            return False
        self._multiplier = min(self._most, -self._below[0] if self._below else self._above[0])
        self._scores.append(0.0)
        self._multipliers.append(0.0)
        return True

    @property
    def kept(self) -> int:
        """Rows that the target has met so far."""
        return len(self._scores) - 1

    def estimate(self, *, alpha: float = 0.05) -> Estimate:
        """What the target has earned per row while it learned; at least two rows must have been kept."""
        if self.kept < 2:
            raise InputError(f"{self.kept} row(s) were kept, must be >= 2; take a longer log.", code="too_few")
        done = slice(0, self.kept)
        ratio = PairMoments.of(self._scores[done], self._multipliers[done]).ratio()
        return normal(ratio, n=self.kept, method="rejection", alpha=alpha)

    def _remember(self, inverse: float) -> None:
        if self._below and inverse < -self._below[0]:
            heapq.heappush(self._below, -inverse)
        else:
            heapq.heappush(self._above, inverse)
        wanted = int(self._quantile * (len(self._below) + len(self._above)))
        while len(self._below) < wanted and self._above:
            heapq.heappush(self._below, -heapq.heappop(self._above))
        while len(self._below) > wanted:
            heapq.heappush(self._above, -heapq.heappop(self._below))
