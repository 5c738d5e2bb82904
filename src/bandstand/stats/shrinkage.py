r"""Weights made smaller: less noise for some bias, by a level that the caller names and none chooses in silence.

Each function maps weights of any shape to weights; what takes weights takes these, chunk by chunk as well.
Clipped IPS is `ips` of `clipped` weights, Switch-DR is `dr` of `switched` ones, DRos is `dr` of `optimistic`
ones, and `subgaussian` weights give the sub-Gaussian IPS and DR.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.native import native
from bandstand.stats.checks import refuse_where
from bandstand.stats.estimates import Estimate

_SLACK = 1 + 1e-9  # a weight that equals the limit but for rounding is kept
_NOTHING = 1e-300  # a level that leaves nothing of any weight

Shrinkage = Callable[[ArrayLike, float], NDArray[np.float64]]


def clipped(weights: ArrayLike, limit: float) -> NDArray[np.float64]:
    r"""Weights cut off at a limit: :math:`w' = \min(w, \lambda)`. An infinite limit changes nothing.

    With rewards ≥ 0 clipped IPS is too low in expectation, by :math:`E[(w - \lambda)^+ r]`.

    References
    ----------
    .. [1] Ionides (2008), "Truncated importance sampling", JCGS 17(2), 295–311.
    .. [2] Bottou et al. (2013), "Counterfactual reasoning and learning systems", JMLR 14.

    Examples
    --------
    >>> clipped([0.5, 8.0], 2.0).tolist()
    [0.5, 2.0]
    """
    _check_level(limit, highest=math.inf, name="limit")
    return _shrunk(weights, cap=limit)


def switched(weights: ArrayLike, limit: float) -> NDArray[np.float64]:
    r"""Weights kept up to a limit and dropped above it: :math:`w' = w \cdot 1[w \le \lambda]`.

    `dr` of them is Switch-DR: rows above the limit rest on the reward model alone, whose term keeps all
    actions. Without a reward model the dropped rows would count as no reward: clip there.

    References
    ----------
    .. [1] Wang, Agarwal, Dudík (2017), "Optimal and adaptive off-policy evaluation in contextual bandits",
       ICML, arXiv:1612.01205.

    Examples
    --------
    >>> switched([0.5, 8.0], 2.0).tolist()
    [0.5, 0.0]
    """
    _check_level(limit, highest=math.inf, name="limit")
    return _shrunk(weights, most=limit * _SLACK)


def optimistic(weights: ArrayLike, level: float) -> NDArray[np.float64]:
    r"""Weights that minimise a bound on the squared error: :math:`w' = \lambda w / (w^2 + \lambda)`.

    `dr` of them is DRos: λ = 0 leaves the reward model alone, λ = ∞ is DR.

    References
    ----------
    .. [1] Su, Dimakopoulou, Krishnamurthy, Dudík (2020), "Doubly robust off-policy evaluation with
       shrinkage", ICML, arXiv:1907.09623.

    Examples
    --------
    >>> optimistic([0.0, 1.0, 3.0], 1.0).tolist()
    [0.0, 0.5, 0.3]
    """
    _check_level(level, highest=math.inf, name="level")
    return _shrunk(weights, bend=1 / level) if level > _NOTHING else np.zeros_like(_weights(weights))


def subgaussian(weights: ArrayLike, level: float) -> NDArray[np.float64]:
    r"""Weights bent towards one, so that tails are sub-Gaussian: :math:`w' = w / (1 - \lambda + \lambda w)`.

    λ = 0 changes nothing, λ = 1 makes all weights one (that of a row never shown stays zero).

    References
    ----------
    .. [1] Metelli, Russo, Restelli (2021), "Subgaussian and differentiable importance sampling for off-policy
       evaluation and learning", NeurIPS.

    Examples
    --------
    >>> subgaussian([0.0, 1.0, 3.0], 0.5).tolist()
    [0.0, 1.0, 1.5]
    """
    _check_level(level, highest=1.0, name="level")
    return _shrunk(weights, base=1 - level, slope=level) if level < 1 else (_weights(weights) > 0).astype(np.float64)


class Sensitivity(NamedTuple):
    """What a level does to an estimate; `kept` is the share of all weight that is left."""

    level: float
    kept: float
    estimate: Estimate


def sensitivity(
    estimate: Callable[[NDArray[np.float64]], Estimate],
    weights: ArrayLike,
    *,
    shrink: Shrinkage,
    levels: Iterable[float],
) -> tuple[Sensitivity, ...]:
    """The estimate at each level, to be shown as a whole: a pick from it after the fact is no estimate.

    Examples
    --------
    >>> from bandstand.stats.estimates import ips
    >>> from bandstand.stats.weights import WeightedSums
    >>> rewards, weights = [1, 0, 1, 0], [0.5, 0.5, 4.0, 3.0]
    >>> table = sensitivity(
    ...     lambda w: ips(WeightedSums.of(rewards, w)), weights, shrink=clipped, levels=[1, 2, math.inf]
    ... )
    >>> [(row.level, round(row.kept, 3), row.estimate.value) for row in table]
    [(1, 0.375, 0.375), (2, 0.625, 0.625), (inf, 1.0, 1.125)]
    """
    w = _weights(weights)
    whole = float(w.sum())
    shrunk = ((level, shrink(w, level)) for level in levels)
    return tuple(Sensitivity(level, float(v.sum()) / whole if whole else 1.0, estimate(v)) for level, v in shrunk)


def _shrunk(
    weights: ArrayLike,
    *,
    most: float = math.inf,
    cap: float = math.inf,
    base: float = 1.0,
    slope: float = 0.0,
    bend: float = 0.0,
) -> NDArray[np.float64]:
    """Of each weight up to `most`, and 0 above it, the lesser of it and `cap` over base + w (slope + bend w)."""
    given = np.asarray(weights, dtype=np.float64)
    if native is not None:
        shrunk = np.empty(given.shape)
        if native.shrunk(np.ascontiguousarray(given), shrunk, most, cap, base, slope, bend):
            return shrunk
    w = _weights(given)
    with np.errstate(over="ignore"):  # over infinity nothing is left, as it should be
        below = base + w * (slope + bend * w)
    return np.asarray(np.where(w <= most, np.minimum(w, cap), 0.0) / below)


def _weights(weights: ArrayLike) -> NDArray[np.float64]:
    w = np.asarray(weights, dtype=np.float64)
    if w.size and not (w.min() >= 0 and w.max() < math.inf):  # NaN too
        refuse_where(~(np.isfinite(w) & (w >= 0)), w, name="weight", rule="must be finite and >= 0")
    return w


def _check_level(level: float, *, highest: float, name: str) -> None:
    if not 0 <= level <= highest:  # NaN too
        raise InputError(f"{name} is {level}, must lie between 0 and {highest:g}.", field=name)
