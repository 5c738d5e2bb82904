r"""Logs of which only a part was kept: each row by chance, with a probability that it holds.

A service that is paid by the row keeps some of its decisions and says how likely it was to drop each (`pdrop` of
Vowpal Wabbit's dsjson). A kept row then weighs :math:`w / (1 - p)`, for that is how seldom logger and keeper together
chose it; and it stands beside :math:`p / (1 - p)` rows that are not there, whose weight is 0.
"""

from typing import cast

import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from bandstand.stats.checks import column, refuse_where, same_length
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.weights import WeightedSums


def standing(drop: ArrayLike) -> NDArray[np.float64]:
    """How many rows each kept one stands for, itself included: 1/(1 − p). InputError unless 0 ≤ p < 1.

    >>> standing([0.0, 0.75]).tolist()
    [1.0, 4.0]
    """
    dropped = column(drop, name="drop probability")
    refuse_where(~((dropped >= 0) & (dropped < 1)), dropped, name="drop probability", rule="must be >= 0 and < 1")
    return np.asarray(1 / (1 - dropped))


def thinned_sums(
    rewards: ArrayLike, weights: ArrayLike, drop: ArrayLike, *, clusters: ArrayLike | None = None
) -> WeightedSums:
    """The sums of a log of which a part was kept, for every estimate and interval that takes sums; parts add.

    `n` counts the rows that are not there as well, and need be no whole number. The greatest weight *possible* grows as
    those of rows do: by the most rows that one may stand for. With clusters the missing rows are those of the clusters
    of the rows that stand for them.

    References
    ----------
    .. [1] Horvitz, Thompson (1952), "A generalization of sampling without replacement", JASA 47, 663–685.
       That dropped rows are rows without weight is how VowpalWabbit/estimators count them.

    Examples
    --------
    >>> from bandstand.stats.estimates import ips
    >>> rewards, weights = [1, 0, 1, 0], [0.5, 2, 2, 0.5]
    >>> whole, half = WeightedSums.of(rewards, weights), thinned_sums(rewards, weights, [0.5] * 4)
    >>> ips(whole).value, ips(half).value, half.n, half.max_w
    (0.625, 0.625, 8.0, 4.0)
    """
    times = standing(drop)
    w = column(weights, name="weight")
    same_length(**{"weights": w, "drop probabilities": times})
    kept = WeightedSums.of(rewards, w * times, clusters=clusters)
    # Elsewhere a row is a whole one, so `n` is declared as such; nothing that is made from sums needs it to be.
    n, r = cast(int, float(times.sum())), float(np.dot(column(rewards, name="reward"), times))
    if clusters is not None:
        return replace(kept, n=n, r=r, **_clustered(column(rewards, name="reward"), w * times, times, clusters))
    missing = Moments(n=cast(int, float((times - 1).sum())))
    row = Moments(n=missing.n, mean=1.0)
    nothing = WeightedSums(
        reward_by_row=PairMoments(missing, row),
        reward_by_weight=PairMoments(missing, missing),
        weight_by_row=PairMoments(missing, row),
    )
    return replace(kept + nothing, n=n, r=r)


def _clustered(
    r: NDArray[np.float64], w: NDArray[np.float64], times: NDArray[np.float64], clusters: ArrayLike
) -> dict[str, object]:
    """What the rows that are not there change: how long clusters are."""
    ids, unit = np.unique(np.asarray(clusters), return_inverse=True)
    rows, of_w, of_wr = (np.bincount(unit, each, ids.size) for each in (times, w, w * r))
    return {
        "max_rows": float(rows.max(initial=1.0)),
        "reward_by_row": PairMoments.of(of_wr, rows),
        "weight_by_row": PairMoments.of(of_w, rows),
    }
