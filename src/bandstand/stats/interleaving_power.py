"""How many users does an interleaving need? By formula, and by drawing from what users did in an earlier one."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm
from scipy.stats import t as student

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.interleaving import Floats, linearised, user_credits
from bandstand.stats.moments import Moments
from bandstand.stats.power import critical, paired_units


class Simulated(NamedTuple):
    """The share of simulated experiments that found the effect, with its 95 % interval."""

    power: float
    low: float
    high: float
    runs: int


def preference_moments(credit_a: ArrayLike, credit_b: ArrayLike, rewards: ArrayLike) -> Moments:
    """Mean and spread of users' linearised preferences in past data, one number a user as in `credit_preference`.

    Examples
    --------
    >>> preference_moments([1, 0, 2, 0, 1], [3, 2, 2, 4, 1], [5, 2, 4, 5, 4]).mean
    0.2
    """
    half, total = user_credits(credit_a, credit_b, rewards)
    return Moments.of(linearised(half, total)[0])


def users_needed(past: Moments, *, effect: float, power: float = 0.8, z: float | None = None) -> int:
    r"""Users who must reward something, to find a preference of `effect` (Δ: 0.01 is 51 against 49 %) with `power`.

    .. math:: n = \frac{(z + z_{\text{power}})^2 s^2}{\Delta^2}

    `past` is from `preference_moments`. `z` is `critical()`, or `always_valid_critical()` for a sequence. Where nothing
    was interleaved yet, take :math:`s^2 = \overline{t^2} / 4 \bar t^2` of the users' numbers t of rewards: the spread
    where each reward is for one side as likely as for the other, and all of one user's for the same.

    Examples
    --------
    >>> users_needed(Moments(101, 0.0, 25.0), effect=0.05)
    785
    """
    return paired_units(past, effect=effect, power=power, z=z)


def power_of_users(past: Moments, users: int, *, effect: float, z: float | None = None) -> float:
    r"""Probability that so many users show `effect`: Φ(Δ/SE − z) + Φ(−Δ/SE − z), SE = s/√n.

    Examples
    --------
    >>> round(power_of_users(Moments(101, 0.0, 25.0), 785, effect=0.05), 3)
    0.8
    """
    _enough(users)
    drift, bound = effect / math.sqrt(past.variance / users), critical() if z is None else z
    return float(norm.cdf(drift - bound) + norm.cdf(-drift - bound))


def simulated_power(
    credit_a: ArrayLike,
    credit_b: ArrayLike,
    rewards: ArrayLike,
    *,
    users: int,
    effect: float,
    runs: int = 1000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Simulated:
    """Power of `credit_preference` by simulation: each run draws so many users with replacement from past data, moved
    so that their preference is `effect`, and tests.

    It holds where the formula's normal approximation does not: few users, of whom some reward far more than others.

    Examples
    --------
    >>> past = [1, 0, 2, 0, 1] * 20, [3, 2, 2, 4, 1] * 20, [5, 2, 4, 5, 4] * 20
    >>> simulated_power(*past, users=100, effect=0.05, runs=200).power > 0.5
    True
    """
    significance(alpha)
    _enough(users)
    half, total = user_credits(credit_a, credit_b, rewards)
    linearised(half, total)  # refuses what has no spread
    half, total = half[total > 0], total[total > 0]
    half = half + (effect - half.sum() / total.sum()) * total
    rng = np.random.default_rng(seed)
    bound = float(student.isf(alpha / 2, users - 1))
    found = sum(_finds(half, total, rng.integers(len(half), size=users), bound) for _ in range(runs))
    interval = binomtest(found, runs).proportion_ci()
    return Simulated(found / runs, float(interval.low), float(interval.high), runs)


def _finds(half: Floats, total: Floats, drawn: np.ndarray, bound: float) -> bool:
    half, total = half[drawn], total[drawn]
    delta = half.sum() / total.sum()
    spread = ((half - delta * total) / total.mean()).std(ddof=1)
    return bool(abs(delta) * math.sqrt(len(half)) > bound * spread)


def _enough(users: int) -> None:
    if users < 2:
        raise InputError(f"users is {users}, must be at least 2.", field="users")
