"""Which of two interleaved rankers do users prefer, from the impressions that each won with each user."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, ttest_1samp

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length, significance

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
    significance(alpha)
    a, b, tied = _credits(wins_a, "wins_a"), _credits(wins_b, "wins_b"), _credits(ties, "ties")
    same_length(wins_a=a, wins_b=b, ties=tied)
    seen = a + b + tied > 0
    if seen.sum() < 2:
        raise InputError(
            f"{seen.sum()} user(s) saw an interleaved slate, a preference needs 2; wait for more data.",
            code="too_few",
        )
    half, total = (b - a)[seen] / 2, (a + b + tied)[seen]
    delta = half.sum() / total.sum()
    linearised = delta + (half - delta * total) / total.mean()
    if np.ptp(linearised) <= _ROUNDING:
        raise InputError(
            f"all {seen.sum()} users have the same preference, which has no interval; wait for more data.",
            code="no_variation",
        )
    test = ttest_1samp(linearised, 0.0)
    low, high = test.confidence_interval(1 - alpha)
    for_a, for_b = int((half < 0).sum()), int((half > 0).sum())
    return Preference(
        delta=float(delta),
        low=float(low),
        high=float(high),
        p_value=float(test.pvalue),
        std_error=float(linearised.std(ddof=1) / np.sqrt(linearised.size)),
        impressions=float(total.sum()),
        users=int(seen.sum()),
        users_for_a=for_a,
        users_for_b=for_b,
        sign_p_value=float(binomtest(for_b, for_a + for_b).pvalue),
    )


def _credits(values: ArrayLike, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    credit = column(values, name=name)
    refuse_where(credit < 0, credit, name=name, rule="must be >= 0")
    return credit
