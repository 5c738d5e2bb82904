"""A model of the reward, and the log to correct it: estimates that are right if either of the two is."""

from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.native import native
from bandstand.stats.checks import column, of_actions, refuse_where, same_length, whole_numbers
from bandstand.stats.cross import CrossMoments
from bandstand.stats.estimates import Estimate, normal
from bandstand.stats.ratios import ROWS, rows, sum_of_ratios, unit_moments

_DIRECT, _CORRECTION, _WEIGHT = 1, 2, 3
_ONE = 1e-6  # how far from one the probabilities of a row may add up


def direct_values(target: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    r"""What a reward model expects of the target policy, row by row: :math:`\sum_a \pi(a \mid x)\, \hat q(x, a)`.

    Parameters
    ----------
    target
        Rows × actions, the target's probability of each; rows add up to one. Where fewer actions were on
        offer, fill up with 0.
    predicted
        Rows × actions, the model's expected reward. Fit it on other rows than those it predicts (by user,
        and by time), or the estimate believes what the model has memorised.

    Examples
    --------
    >>> direct_values([[0.5, 0.5], [1.0, 0.0]], [[0.2, 0.4], [0.2, 0.4]]).round(3).tolist()
    [0.3, 0.2]
    """
    return _predictions(target, predicted, None).direct


class Predictions(NamedTuple):
    """What a reward model expects, row by row: of what was `shown`, and of the target policy (`direct`)."""

    shown: NDArray[np.float64]
    direct: NDArray[np.float64]


def predictions(target: ArrayLike, predicted: ArrayLike, actions: ArrayLike) -> Predictions:
    """What `RobustSums` need of a reward model, in one pass: `direct_values`, and what it expects of `actions`.

    Parameters
    ----------
    target, predicted
        As for `direct_values`.
    actions
        The column of what was shown, one a row.

    Raises
    ------
    InputError
        About the first row whose target probabilities are no distribution, whose predictions are no numbers, or whose
        action is no column of them.

    Examples
    --------
    >>> shown, direct = predictions([[0.5, 0.5], [1.0, 0.0]], [[0.2, 0.4], [0.2, 0.4]], [1, 0])
    >>> shown.tolist(), direct.round(3).tolist()
    ([0.4, 0.2], [0.3, 0.2])
    """
    return _predictions(target, predicted, np.asarray(actions))


def _predictions(target: ArrayLike, predicted: ArrayLike, actions: NDArray[Any] | None) -> Predictions:
    pi, q = np.asarray(target, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    same_length(target=pi, predicted=q)
    if pi.ndim != 2:
        raise InputError(f"target has shape {pi.shape}, must be rows × actions.", field="target")
    numbers = np.empty(0, np.int64) if actions is None else whole_numbers(actions, rows=len(q))
    direct, shown = np.empty(len(pi)), np.empty(numbers.size)
    tables = np.ascontiguousarray(pi), np.ascontiguousarray(q)
    if native is not None and native.direct(*tables, direct, _ONE, numbers, shown):
        return Predictions(shown, direct)
    _check_predictions(pi, q)
    np.einsum("ij,ij->i", pi, q, out=direct)
    return Predictions(shown if actions is None else of_actions(q, numbers, name="predicted"), direct)


def _check_predictions(pi: NDArray[np.float64], q: NDArray[np.float64]) -> None:
    refuse_where(~((pi >= 0) & (pi <= 1 + _ONE)), pi, name="target propensity", rule="must be >= 0 and <= 1")
    refuse_where(~np.isfinite(q), q, name="predicted reward", rule="must be finite")
    total = pi.sum(axis=1)
    refuse_where(np.abs(total - 1) > _ONE, total, name="sum of target propensities", rule="must be 1")


class RobustSums(Struct, frozen=True):
    """All that `dm`, `dr` and `sndr` need of a log, with or without clusters; parts add.

    Examples
    --------
    >>> sums = RobustSums.of([1, 0], [2.0, 0.5], predicted=[0.5, 0.5], direct=[0.5, 0.4])
    >>> dm(sums).value, dr(sums).value, sndr(sums).value
    (0.45, 0.825, 0.75)
    """

    moments: CrossMoments = CrossMoments()

    @classmethod
    def of(
        cls,
        rewards: ArrayLike,
        weights: ArrayLike,
        *,
        predicted: ArrayLike,
        direct: ArrayLike,
        clusters: ArrayLike | None = None,
    ) -> "RobustSums":
        """Sums over rows.

        `weights` may be shrunk (see `shrinkage`); `predicted` is the model's reward of what was shown and
        `direct` that of the target: the two `predictions`. All rows of a cluster must be in one chunk.
        """
        named = {"reward": rewards, "weight": weights, "predicted reward": predicted, "direct value": direct}
        if clusters is None and native is not None and (found := _compiled(*named.values())) is not None:
            return cls(found)
        r, w, q, d = (column(values, name=name) for name, values in named.items())
        same_length(rewards=r, weights=w, predicted=q, direct=d)
        if w.min(initial=0.0) < 0:
            refuse_where(w < 0, w, name="weight", rule="must be >= 0")
        return cls(unit_moments([d, w * (r - q), w], clusters=clusters))

    def __add__(self, other: "RobustSums") -> "RobustSums":
        return RobustSums(self.moments + other.moments)


def _compiled(*columns: ArrayLike) -> CrossMoments | None:
    """The moments of all rows in one pass over memory; None where a row is not what it should be, or too large."""
    if native is None:
        return None
    rows, out = [np.ascontiguousarray(each, dtype=np.float64) for each in columns], np.empty(13)
    if len({each.shape for each in rows}) > 1 or rows[0].ndim != 1 or not rows[0].size:
        return None
    native.robust(*rows, out)
    if not (np.isfinite(out).all() and out[12] >= 0):
        return None
    products = np.pad(out[3:12].reshape(3, 3), ((1, 0), (1, 0)))  # of a count that is one in each row
    return CrossMoments(rows[0].size, (1.0, *out[:3].tolist()), tuple(tuple(row) for row in products.tolist()))


def dm(sums: RobustSums, *, alpha: float = 0.05) -> Estimate:
    r"""Direct method: the reward model's word alone, :math:`\hat V = \frac1n \sum_i \sum_a \pi \hat q`.

    Without bias only where the model is right. The interval tells how contexts vary, *not* how wrong the
    model may be. It is the one estimate that needs no propensities.

    References
    ----------
    .. [1] Dudík, Erhan, Langford, Li (2014), "Doubly robust policy evaluation and optimization", Statistical
       Science 29(4), arXiv:1503.02834.
    """
    return _robust(sums, [(_DIRECT, ROWS)], method="dm", alpha=alpha)


def dr(sums: RobustSums, *, alpha: float = 0.05) -> Estimate:
    r"""Doubly robust: the model, corrected by the weighted errors it makes on the log.

    .. math:: \hat V = \frac1n \sum_i \Big( \sum_a \pi(a \mid x_i)\, \hat q(x_i, a)
        + w_i \big( r_i - \hat q(x_i, a_i) \big) \Big)

    Unbiased for any model that was fitted on other rows, where the propensities are right. It may leave the
    range of the rewards, which says that the log is thin. Of weights that are `shrinkage.switched` it is
    Switch-DR, of `shrinkage.optimistic` ones DRos.

    References
    ----------
    .. [1] Dudík, Erhan, Langford, Li (2014), "Doubly robust policy evaluation and optimization", Statistical
       Science 29(4), arXiv:1503.02834.
    """
    return _robust(sums, [(_DIRECT, ROWS), (_CORRECTION, ROWS)], method="dr", alpha=alpha)


def sndr(sums: RobustSums, *, alpha: float = 0.05) -> Estimate:
    r"""Self-normalised doubly robust: the correction is divided by the sum of the weights.

    .. math:: \hat V = \frac1n \sum_i \sum_a \pi \hat q
        + \frac{\sum_i w_i \big( r_i - \hat q(x_i, a_i) \big)}{\sum_i w_i}

    A little biased in short logs, less noisy with heavy weights. The standard error is that of its influence
    function, by cluster where clusters are given.

    References
    ----------
    .. [1] Kallus, Uehara (2019), "Intrinsically efficient, stable, and bounded off-policy evaluation for
       reinforcement learning", NeurIPS, arXiv:1906.03735.
    """
    return _robust(sums, [(_DIRECT, ROWS), (_CORRECTION, _WEIGHT)], method="sndr", alpha=alpha)


def _robust(sums: RobustSums, ratios: list[tuple[int, int]], *, method: str, alpha: float) -> Estimate:
    return normal(sum_of_ratios(sums.moments, ratios), n=rows(sums.moments), method=method, alpha=alpha)
