"""Bootstrap of a ratio in one pass: each unit is counted 0, 1, 2, … times, by chance that hangs on its id alone."""

import hashlib

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.stats import poisson

from bandstand.errors import InputError
from bandstand.stats.checks import column, same_length, significance
from bandstand.stats.estimates import Estimate

# Bounds in 64 bit of 1, 2, … draws: beyond 20 a Poisson(1) variable goes once in 10^19 draws.
_STEPS = np.array([int(p * 2**53) << 11 for p in poisson.cdf(np.arange(20), 1.0) if int(p * 2**53) < 2**53], np.uint64)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 4096  # units whose counts are held at a time


class PoissonBootstrap(Struct, frozen=True, eq=False):
    r"""Replicates of Σ num / Σ den, in which every unit counts a Poisson(1) number of times; parts add.

    A unit (a user, or a slate) has the same counts in whichever part and order its rows come, so a log may be
    cut anywhere, within users too, and the result depends on the seed alone. Rows that share a unit go in
    together, which makes the interval one by cluster. `num` = w·r over `den` = w is SNIPS, over `den` = 1 IPS.

    References
    ----------
    .. [1] Chamandy, Muralidharan, Najmi, Naidu (2012), "Estimating uncertainty for massive data streams",
       Google research: the Poisson bootstrap, by unit.
    .. [2] Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA: the mixing.

    Examples
    --------
    >>> users, wr, w = ["ann", "bob", "ann", "cid"], [2.0, 0.0, 0.5, 1.0], [2.0, 1.0, 0.5, 1.0]
    >>> whole = PoissonBootstrap.of(users, wr, w, seed=1)
    >>> parts = PoissonBootstrap.of(users[:2], wr[:2], w[:2], seed=1) + PoissonBootstrap.of(
    ...     users[2:], wr[2:], w[2:], seed=1
    ... )
    >>> bool((whole.num == parts.num).all()), whole.n
    (True, 4)
    """

    seed: int
    n: int
    total: tuple[float, float]
    num: NDArray[np.float64]
    den: NDArray[np.float64]

    @classmethod
    def of(
        cls, units: ArrayLike, num: ArrayLike, den: ArrayLike, *, seed: int, replicates: int = 1000
    ) -> "PoissonBootstrap":
        """Replicates of a part of the log; `units` has one id a row, whole numbers or text."""
        above, below = column(num, name="num"), column(den, name="den")
        ids, unit = np.unique(np.asarray(units), return_inverse=True)
        same_length(units=unit.astype(np.float64), num=above, den=below)
        if replicates < 2:
            raise InputError(
                f"replicates is {replicates}, must be >= 2; 1000 serve 95 % intervals.", field="replicates"
            )
        sums = np.stack([np.bincount(unit, each, ids.size) for each in (above, below)])
        keys = np.array([_key(each) for each in ids.tolist()], dtype=np.uint64)
        result = np.zeros((2, replicates))
        for start in range(0, ids.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            result += sums[:, block] @ _counts(keys[block], seed, replicates)
        return cls(seed, above.size, (float(above.sum()), float(below.sum())), result[0], result[1])

    def __add__(self, other: "PoissonBootstrap") -> "PoissonBootstrap":
        if self.seed != other.seed or self.num.size != other.num.size:
            raise InputError(
                f"parts have seeds {self.seed} and {other.seed} and {self.num.size} and {other.num.size} "
                "replicates, must have the same; count them alike.",
                field="seed",
            )
        total = (self.total[0] + other.total[0], self.total[1] + other.total[1])
        return PoissonBootstrap(self.seed, self.n + other.n, total, self.num + other.num, self.den + other.den)

    def estimate(self, *, alpha: float = 0.05) -> Estimate:
        """The ratio with the percentiles of its replicates; too short where few units have a reward."""
        significance(alpha)
        if not self.total[1]:
            raise InputError("the denominator is 0, which has no ratio; wait for more data.", code="too_few")
        drawn = self.den != 0  # a replicate that drew no unit has no ratio
        ratios = self.num[drawn] / self.den[drawn]
        if ratios.size < 2:
            raise InputError("no two replicates drew a unit; wait for more data.", code="too_few")
        low, high = (float(q) for q in np.quantile(ratios, [alpha / 2, 1 - alpha / 2]))
        value = self.total[0] / self.total[1]
        return Estimate(value, low, high, float(ratios.std(ddof=1)), self.n, "poisson_bootstrap")


def means(units: ArrayLike, columns: ArrayLike, *, seed: int, replicates: int = 1000) -> NDArray[np.float64]:
    """float64[replicates, m]: the means of m columns of one table, in each replicate of its rows' units.

    The replicates are those of `PoissonBootstrap`: one that has two columns compares them on the same users. Their
    percentiles are intervals by cluster. NaN where a replicate drew no unit.
    """
    table = np.asarray(columns, np.float64)
    ids, unit = np.unique(np.asarray(units), return_inverse=True)
    if table.ndim != 2 or len(table) != len(unit):
        raise InputError(
            f"columns is {table.shape}, must be a table with a row for each of {len(unit)} units.", field="columns"
        )
    sums = np.zeros((ids.size, table.shape[1] + 1))
    np.add.at(sums, unit, np.column_stack((table, np.ones(len(table)))))
    keys = np.array([_key(each) for each in ids.tolist()], dtype=np.uint64)
    total = np.zeros((replicates, table.shape[1] + 1))
    for start in range(0, ids.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        total += _counts(keys[block], seed, replicates).T @ sums[block]
    drawn = total[:, -1:]
    found: NDArray[np.float64] = np.full((replicates, table.shape[1]), np.nan)
    np.divide(total[:, :-1], drawn, out=found, where=drawn > 0)
    return found


def _key(unit: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(unit).encode(), digest_size=8).digest(), "little")


def _counts(keys: NDArray[np.uint64], seed: int, replicates: int) -> NDArray[np.float64]:
    """Units × replicates: how often each unit counts, the same for the same unit and seed."""
    steps = np.arange(1, replicates + 1, dtype=np.uint64) * _GOLDEN
    mixed = _mix(_mix(keys ^ np.uint64(_key(seed)))[:, None] + steps)
    return np.searchsorted(_STEPS, mixed, side="right").astype(np.float64)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64; products wrap around, as they must."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
