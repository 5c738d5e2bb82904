"""How much more often the target policy would have shown each logged row, and the sums estimates need."""

import math
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from bandstand.native import native
from bandstand.stats.checks import column, refuse_where, same_length
from bandstand.stats.moments import Moments, PairMoments


def importance_weights(target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    """w = π_target/π_logging of what was shown; both as they were when it was shown, of any equal shape.

    Raises `InputError`, naming the row, unless 0 < logging ≤ 1 and 0 ≤ target ≤ 1.

    References
    ----------
    .. [1] Horvitz, Thompson (1952), "A generalization of sampling without replacement", JASA 47, 663–685.

    Examples
    --------
    >>> importance_weights([0.5, 0.0, 0.2], [0.25, 0.5, 0.2]).tolist()
    [2.0, 0.0, 1.0]
    >>> importance_weights([0.5, 0.5], [0.25, 0.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    bandstand.errors.InputError: logging propensity of row 1 is 0, must be > 0 and <= 1; repair or ...
    """
    wanted, logged = np.asarray(target, dtype=np.float64), np.asarray(logging, dtype=np.float64)
    same_length(target=wanted, logging=logged)
    if not wanted.size:
        return wanted / logged
    if native is not None:
        weighed = np.empty(wanted.shape)
        if native.weighed(np.ascontiguousarray(wanted), np.ascontiguousarray(logged), weighed):
            return weighed
    # Extremes first, which takes no memory; a NaN is neither above nor below anything, so it is refused too.
    if not (logged.min() > 0 and logged.max() <= 1):
        refuse_where(~((logged > 0) & (logged <= 1)), logged, name="logging propensity", rule="must be > 0 and <= 1")
    if not (wanted.min() >= 0 and wanted.max() <= 1):
        refuse_where(~((wanted >= 0) & (wanted <= 1)), wanted, name="target propensity", rule="must be >= 0 and <= 1")
    with np.errstate(over="ignore"):  # refused below
        weights: NDArray[np.float64] = wanted / logged
    if not weights.max() < math.inf:
        rule = "must be finite, its logging propensity is too small"
        refuse_where(~np.isfinite(weights), weights, name="weight", rule=rule)
    return weights


def inverse_propensities(logging: ArrayLike, candidates: ArrayLike) -> Moments:
    """Moments of 1/(π_logging · K), K the number of candidates of the row (or of all rows).

    Its expectation is one for every logger that could have shown each candidate, whatever the target: scores
    logged in place of propensities show here even where the mean weight looks right.

    Examples
    --------
    >>> inverse_propensities([0.25, 0.25, 0.5], 4).mean
    0.8333333333333334
    """
    logged = np.asarray(logging, dtype=np.float64)
    among = np.broadcast_to(np.asarray(candidates, dtype=np.float64), logged.shape)
    refuse_where(~(among >= 1), among, name="number of candidates", rule="must be >= 1")
    return Moments.of(importance_weights(1 / among, logged))  # the weights of choosing at random


class WeightedSums(Struct, frozen=True):
    """All that the estimates need of a log, row by row w (weight) and r (reward); parts add.

    `max_rows` are those of the longest cluster. The last three are moments per independent unit (a row, or a
    cluster's rows summed), from which standard errors come: Σwr against rows, Σwr against Σw, Σw against rows.

    Examples
    --------
    >>> rewards, weights = [1.0, 0.0, 1.0], [2.0, 0.5, 0.5]
    >>> whole = WeightedSums.of(rewards, weights)
    >>> whole.n, whole.w, whole.wr, whole.events
    (3, 3.0, 2.5, 2)
    >>> parts = WeightedSums.of(rewards[:2], weights[:2]) + WeightedSums.of(rewards[2:], weights[2:])
    >>> (parts.n, parts.w, parts.wr, parts.events) == (whole.n, whole.w, whole.wr, whole.events)
    True
    """

    n: int = 0
    w: float = 0.0
    w2: float = 0.0
    wr: float = 0.0
    w2r: float = 0.0
    w2r2: float = 0.0
    r: float = 0.0
    events: int = 0
    max_w: float = 0.0
    min_r: float = math.inf
    max_r: float = -math.inf
    max_rows: int = 1
    reward_by_row: PairMoments = PairMoments()
    reward_by_weight: PairMoments = PairMoments()
    weight_by_row: PairMoments = PairMoments()

    @classmethod
    def of(cls, rewards: ArrayLike, weights: ArrayLike, *, clusters: ArrayLike | None = None) -> "WeightedSums":
        """Sums over rows. Rows that share a cluster (a user's id) may depend on each other.

        A log larger than memory is read in chunks and added up; all rows of a cluster must be in one chunk.
        """
        r, w = np.asarray(rewards, dtype=np.float64), np.asarray(weights, dtype=np.float64)
        if r.ndim != 1 or w.shape != r.shape:
            same_length(rewards=column(rewards, name="reward"), weights=column(weights, name="weight"))
        if clusters is None and native is not None and r.size and (found := _compiled(r, w)) is not None:
            return found
        return _with_numpy(r, w, None if clusters is None else np.asarray(clusters))

    def __add__(self, other: "WeightedSums") -> "WeightedSums":
        return WeightedSums(
            n=self.n + other.n,
            w=self.w + other.w,
            w2=self.w2 + other.w2,
            wr=self.wr + other.wr,
            w2r=self.w2r + other.w2r,
            w2r2=self.w2r2 + other.w2r2,
            r=self.r + other.r,
            events=self.events + other.events,
            max_w=max(self.max_w, other.max_w),
            min_r=min(self.min_r, other.min_r),
            max_r=max(self.max_r, other.max_r),
            max_rows=max(self.max_rows, other.max_rows),
            reward_by_row=self.reward_by_row + other.reward_by_row,
            reward_by_weight=self.reward_by_weight + other.reward_by_weight,
            weight_by_row=self.weight_by_row + other.weight_by_row,
        )

    @property
    def units(self) -> int:
        """Number of independent units: clusters where they were given, rows otherwise."""
        return self.weight_by_row.num.n


def _compiled(r: NDArray[np.float64], w: NDArray[np.float64]) -> WeightedSums | None:
    """The sums of all rows in one pass over memory; None where a row is not what it should be, or too large."""
    if native is None:
        return None
    out = np.empty(17)
    native.weighted(np.ascontiguousarray(r), np.ascontiguousarray(w), out)
    if not (np.isfinite(out).all() and out[7] >= 0):
        return None
    total_w, w2, wr, w2r, w2r2, total_r, events, _, max_w, min_r, max_r = out[:11].tolist()
    mean_w, mean_wr, m2_w, cross, _, m2_wr = out[11:].tolist()
    of_w, of_wr, of_rows = Moments(r.size, mean_w, m2_w), Moments(r.size, mean_wr, m2_wr), Moments(r.size, 1.0, 0.0)
    return WeightedSums(
        n=r.size,
        w=total_w,
        w2=w2,
        wr=wr,
        w2r=w2r,
        w2r2=w2r2,
        r=total_r,
        events=int(events),
        max_w=max_w,
        min_r=min_r,
        max_r=max_r,
        reward_by_row=PairMoments(of_wr, of_rows),
        reward_by_weight=PairMoments(of_wr, of_w, cross),
        weight_by_row=PairMoments(of_w, of_rows),
    )


def _with_numpy(r: NDArray[np.float64], w: NDArray[np.float64], clusters: NDArray[Any] | None) -> WeightedSums:
    if not r.size:
        return WeightedSums()
    low_r, high_r, low_w, high_w = (float(each) for each in (r.min(), r.max(), w.min(), w.max()))
    if not (low_w >= 0 and high_w < math.inf and low_r > -math.inf and high_r < math.inf):  # NaN too
        _check(r, w)
    wr = w * r
    sums = WeightedSums(
        n=r.size,
        w=float(w.sum()),
        w2=float(w @ w),
        wr=float(wr.sum()),
        w2r=float(w @ wr),
        w2r2=float(wr @ wr),
        r=float(r.sum()),
        events=int(np.count_nonzero(wr != 0)),
        max_w=high_w,
        min_r=low_r,
        max_r=high_r,
    )
    if clusters is not None:
        return _clustered(sums, w, wr, clusters)
    pair, of_rows = PairMoments.of(wr, w), Moments(r.size, 1.0, 0.0)
    return replace(
        sums,
        reward_by_row=PairMoments(pair.num, of_rows),
        reward_by_weight=pair,
        weight_by_row=PairMoments(pair.den, of_rows),
    )


def _clustered(
    sums: WeightedSums, w: NDArray[np.float64], wr: NDArray[np.float64], clusters: NDArray[Any]
) -> WeightedSums:
    ids, unit = np.unique(clusters, return_inverse=True)
    same_length(clusters=unit.astype(np.float64), weights=w)
    rows = np.bincount(unit, minlength=ids.size).astype(np.float64)
    unit_w, unit_wr = (np.bincount(unit, each, ids.size) for each in (w, wr))
    return replace(
        sums,
        max_rows=int(rows.max()),
        reward_by_row=PairMoments.of(unit_wr, rows),
        reward_by_weight=PairMoments.of(unit_wr, unit_w),
        weight_by_row=PairMoments.of(unit_w, rows),
    )


def _check(r: NDArray[np.float64], w: NDArray[np.float64]) -> None:
    """Raise `InputError` about the first row that is no finite reward with a finite weight >= 0."""
    column(r, name="reward")
    refuse_where(column(w, name="weight") < 0, w, name="weight", rule="must be >= 0")
