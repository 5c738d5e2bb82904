"""Which of two interleaved rankers do users prefer, from the impressions that each won with each user."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, ttest_1samp

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length, significance
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import Sequence, mean_sequence

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

_ROUNDING = 1e-12  # shares are of order one; a smaller spread among them is rounding


class Preference(NamedTuple):
    """Preference for B, the second ranker: positive favours B, negative A; ±0.5 is unanimous.

    `p_value` and the interval treat users, not impressions, as independent; `sign_p_value` gives each user
    one vote, so that a few heavy users cannot decide.
    """

    delta: float
    low: float
    high: float
    p_value: float
    std_error: float
    impressions: float
    users: int
    users_for_a: int
    users_for_b: int
    sign_p_value: float


def preference(wins_a: ArrayLike, wins_b: ArrayLike, ties: ArrayLike, *, alpha: float = 0.05) -> Preference:
    r"""Share of impressions that B wins beyond one half, with a user-clustered t-test and a sign test.

    .. math:: \Delta = \frac{\mathrm{wins}_B + \frac12 \mathrm{ties}}
        {\mathrm{wins}_A + \mathrm{wins}_B + \mathrm{ties}} - \frac12

    This is :math:`\Delta_{AB}` of [1]_ with the sign turned, which there favours A. With
    :math:`h_u = (b_u - a_u)/2` and :math:`t_u` impressions of user u, Δ = Σh/Σt; the t-test and its interval
    are those of the linearised :math:`\Delta + (h_u - \Delta t_u)/\bar t` (delta method, [2]_).

    Parameters
    ----------
    wins_a, wins_b, ties
        One number ≥ 0 a user: impressions in which A, B, or neither got more credit. Users without any
        impression are left out.

    References
    ----------
    .. [1] Chapelle, Joachims, Radlinski, Yue (2012), "Large-scale validation and analysis of interleaved
       search evaluation", ACM TOIS 30(1).
    .. [2] Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", KDD.

    Examples
    --------
    >>> found = preference([1, 0, 2, 0, 1], [3, 2, 2, 4, 1], [1, 0, 0, 1, 2])
    >>> found.delta, found.users_for_a, found.users_for_b
    (0.2, 0, 3)
    """
    a, b, tied = _credits(wins_a, "wins_a"), _credits(wins_b, "wins_b"), _credits(ties, "ties")
    same_length(wins_a=a, wins_b=b, ties=tied)
    return _preferred((b - a) / 2, a + b + tied, alpha=alpha)


def credit_preference(
    credit_a: ArrayLike, credit_b: ArrayLike, rewards: ArrayLike, *, alpha: float = 0.05
) -> Preference:
    r"""Share of what users' rewards came to that speaks for B beyond one half, with the same tests as `preference`.

    .. math:: \Delta = \frac{1}{2} \frac{\sum_u (b_u - a_u)}{\sum_u t_u}

    Where every rewarded impression has one reward, this is `preference`. Where some have more, it stays unbiased for
    users who reward positions at random: the credit of each position has mean 0 over the coins, but which of two sums
    of credits is the greater may depend on them. It is the test for methods whose credit is not one or nothing.

    Parameters
    ----------
    credit_a, credit_b, rewards
        One number a user: what the rewards earned A and B, and the sum of their absolute values, those that speak for
        neither included. Users without any reward are left out.

    Examples
    --------
    >>> credit_preference([1, 0, 2, 0, 1], [3, 2, 2, 4, 1], [5, 2, 4, 5, 4]).delta
    0.2
    """
    return _preferred(*user_credits(credit_a, credit_b, rewards), alpha=alpha)


def preference_sequence(
    credit_a: ArrayLike, credit_b: ArrayLike, rewards: ArrayLike, *, horizon: float, alpha: float = 0.05
) -> Sequence:
    """`credit_preference` with an interval that may be looked at every day: `mean_sequence` of the linearised
    preferences of users. `horizon` is the number of users at which you expect to decide.

    Examples
    --------
    >>> found = preference_sequence([1, 0, 2, 0, 1], [3, 2, 2, 4, 1], [5, 2, 4, 5, 4], horizon=5)
    >>> found.low < 0 < found.value < found.high
    True
    """
    values, _ = linearised(*user_credits(credit_a, credit_b, rewards))
    return mean_sequence(Moments.of(values), horizon=horizon, alpha=alpha)


def user_credits(credit_a: ArrayLike, credit_b: ArrayLike, rewards: ArrayLike) -> tuple[Floats, Floats]:
    """Half of what speaks for B less what speaks for A, and the sum of the rewards, by user."""
    a, b, total = column(credit_a, name="credit_a"), column(credit_b, name="credit_b"), _credits(rewards, "rewards")
    same_length(credit_a=a, credit_b=b, rewards=total)
    return (b - a) / 2, total


def linearised(half: Floats, total: Floats) -> tuple[Floats, Floats]:
    r"""Each user's :math:`\Delta + (h_u - \Delta t_u)/\bar t`, whose mean is Δ and whose spread is its error, and h_u;
    of those users who have a total. InputError where they are fewer than 2, or all alike."""
    seen = total > 0
    if seen.sum() < 2:
        raise InputError(
            f"users with an interleaved slate: {seen.sum()}, a preference needs 2; wait for more data.",
            code="too_few",
        )
    half, total = half[seen], total[seen]
    delta = half.sum() / total.sum()
    values = delta + (half - delta * total) / total.mean()
    if np.ptp(values) <= _ROUNDING:
        raise InputError(
            f"all {seen.sum()} users have the same preference, which has no interval; wait for more data.",
            code="no_variation",
        )
    return values, half


def randomisation(chances: ArrayLike, wins_a: int, wins_b: int) -> float:
    r"""Exact two-sided p-value of B's wins less A's, from the coins of the impressions alone [1]_.

    Under the null hypothesis that positions are rewarded as they were whatever is shown there, the coins alone say who
    wins an impression, and the sum of independent results has the characteristic function
    :math:`\prod_i (p_{i0} + p_{i+} e^{i\theta} + p_{i-} e^{-i\theta})`. Nothing is assumed of users: it holds however
    few there are, and however much one of them did.

    Parameters
    ----------
    chances
        One row an impression: the probability over its coins that A wins, that neither does, and that B wins, where its
        positions are rewarded as they were; see `bandstand.experiments.interleaving.contests.chances`.

    References
    ----------
    .. [1] Fisher (1935), "The design of experiments", chapter 2; Imbens, Rubin (2015), "Causal inference", chapter 5.

    Examples
    --------
    >>> round(randomisation([[0.5, 0.0, 0.5]] * 10, 1, 9), 6)  # the sign test
    0.021484
    """
    rows = decided_rows(chances)
    reach = len(rows)
    angles = 2 * np.pi * np.arange(2 * reach + 1) / (2 * reach + 1)
    transform = np.ones(len(angles), np.complex128)
    different, counts = np.unique(rows, axis=0, return_counts=True)
    for (loss, tie, win), count in zip(different.tolist(), counts.tolist(), strict=True):
        transform *= (tie + win * np.exp(1j * angles) + loss * np.exp(-1j * angles)) ** count
    shares = np.fft.fft(transform).real.clip(0) / len(angles)  # of a sum of 0, 1, …, reach, -reach, …, -1
    sums = np.r_[0 : reach + 1, -reach:0]
    centre = float((rows[:, 2] - rows[:, 0]).sum())
    as_far = np.abs(sums - centre) >= abs(wins_b - wins_a - centre) - _ROUNDING
    return float(min(1.0, shares[as_far].sum()))


def decided_rows(chances: ArrayLike) -> NDArray[np.float64]:
    """The chances as three columns; InputError where they are none, or no coin decided anything."""
    rows = np.asarray(chances, np.float64).reshape(-1, 3)
    refuse_where(np.abs(rows.sum(axis=1) - 1) > _ROUNDING, rows.sum(axis=1), name="sum of chances", rule="must be 1")
    if not (rows.max(axis=1, initial=0.0) < 1 - _ROUNDING).any():
        raise InputError(
            f"the coins decided none of {len(rows)} rewarded impression(s), which tells nothing; wait for more data.",
            code="no_variation",
        )
    return rows


def _preferred(half: Floats, total: Floats, *, alpha: float) -> Preference:
    significance(alpha)
    values, halves = linearised(half, total)
    test = ttest_1samp(values, 0.0)
    low, high = test.confidence_interval(1 - alpha)
    for_a, for_b = int((halves < 0).sum()), int((halves > 0).sum())
    return Preference(
        delta=float(half.sum() / total.sum()),
        low=float(low),
        high=float(high),
        p_value=float(test.pvalue),
        std_error=float(values.std(ddof=1) / np.sqrt(values.size)),
        impressions=float(total.sum()),
        users=int(values.size),
        users_for_a=for_a,
        users_for_b=for_b,
        sign_p_value=float(binomtest(for_b, for_a + for_b).pvalue),
    )


def _credits(values: ArrayLike, name: str) -> Floats:
    credit = column(values, name=name)
    refuse_where(credit < 0, credit, name=name, rule="must be >= 0")
    return credit
