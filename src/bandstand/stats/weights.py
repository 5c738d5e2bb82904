"""How much more often the target policy would have shown each logged row, and the sums estimates need."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

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
    # Written so that NaN is refused too.
    refuse_where(~((logged > 0) & (logged <= 1)), logged, name="logging propensity", rule="must be > 0 and <= 1")
    refuse_where(~((wanted >= 0) & (wanted <= 1)), wanted, name="target propensity", rule="must be >= 0 and <= 1")
    with np.errstate(over="ignore"):  # refused below
        weights = wanted / logged
    refuse_where(
        ~np.isfinite(weights),
        weights,
        name="weight",
        rule="must be finite, its logging propensity is too small",
    )
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

    The last three are moments per independent unit (a row, or a cluster's rows summed), from which standard
    errors come: Σwr against rows, Σwr against Σw, Σw against rows.

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
    reward_by_row: PairMoments = PairMoments()
    reward_by_weight: PairMoments = PairMoments()
    weight_by_row: PairMoments = PairMoments()

    @classmethod
    def of(cls, rewards: ArrayLike, weights: ArrayLike, *, clusters: ArrayLike | None = None) -> "WeightedSums":
        """Sums over rows. Rows that share a cluster (a user's id) may depend on each other.

        A log larger than memory is read in chunks and added up; all rows of a cluster must be in one chunk.
        """
        r, w = column(rewards, name="reward"), column(weights, name="weight")
        same_length(rewards=r, weights=w)
        refuse_where(w < 0, w, name="weight", rule="must be >= 0")
        wr = w * r
        unit_rows, unit_w, unit_wr = _per_unit(w, wr, clusters)
        return cls(
            n=r.size,
            w=float(w.sum()),
            w2=float(np.dot(w, w)),
            wr=float(wr.sum()),
            w2r=float(np.dot(w, wr)),
            w2r2=float(np.dot(wr, wr)),
            r=float(r.sum()),
            events=int(np.count_nonzero(wr)),
            max_w=float(w.max(initial=0.0)),
            min_r=float(r.min(initial=math.inf)),
            max_r=float(r.max(initial=-math.inf)),
            reward_by_row=PairMoments.of(unit_wr, unit_rows),
            reward_by_weight=PairMoments.of(unit_wr, unit_w),
            weight_by_row=PairMoments.of(unit_w, unit_rows),
        )

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
            reward_by_row=self.reward_by_row + other.reward_by_row,
            reward_by_weight=self.reward_by_weight + other.reward_by_weight,
            weight_by_row=self.weight_by_row + other.weight_by_row,
        )

    @property
    def units(self) -> int:
        """Number of independent units: clusters where they were given, rows otherwise."""
        return self.weight_by_row.num.n


def _per_unit(
    w: NDArray[np.float64], wr: NDArray[np.float64], clusters: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    if clusters is None:
        return np.ones_like(w), w, wr
    ids, unit = np.unique(np.asarray(clusters), return_inverse=True)
    same_length(clusters=unit.astype(np.float64), weights=w)
    rows, unit_w, unit_wr = (np.bincount(unit, each, ids.size) for each in (np.ones_like(w), w, wr))
    return rows.astype(np.float64), unit_w.astype(np.float64), unit_wr.astype(np.float64)
