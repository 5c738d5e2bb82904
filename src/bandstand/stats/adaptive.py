"""Arms whose probabilities changed while data came: what each is worth over all units, by the probabilities known.

A mean over an arm's own units is of whoever came while the arm had many, and what a bandit had sent there *because* it
did well or badly: it is biased, and Welch's test of two such means is wrong. Scores by known probabilities are not.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length, significance
from bandstand.stats.means import Difference, Lift
from bandstand.stats.moments import Moments

Floats = NDArray[np.float64]

_SHRUNK = 10.0  # an arm's earlier mean counts fully when many times so many units are behind it
_ONE = 1e-6


class Contrast(NamedTuple):
    """Treatment against control, one score a unit: their mean is the estimate, and they are a martingale's steps about
    the truth. `lift` is None where the control cannot be told from zero."""

    difference: Floats
    lift: Floats | None


def arm_scores(values: ArrayLike, arms: ArrayLike, probabilities: ArrayLike) -> Floats:
    r"""What every arm would have had of every unit, units × arms: augmented inverse probability weighting [1]_.

    .. math:: \Gamma_i(a) = \hat m_{i-1}(a) + \frac{1\{A_i = a\}}{p_i(a)} \big(y_i - \hat m_{i-1}(a)\big)

    with :math:`\hat m_{i-1}(a)` the mean of the arm's earlier units, drawn a little towards that of all. It does not
    depend on the unit's own assignment, so the mean of an arm's scores is unbiased for its mean over *all* units,
    in whatever way p was chosen from earlier ones [2]_.

    Parameters
    ----------
    values
        One a unit, in the order in which units came.
    arms
        Index of the arm that each unit got.
    probabilities
        Units × arms: each unit's probability of each arm when it was assigned, above zero.

    References
    ----------
    .. [1] Robins, Rotnitzky, Zhao (1994), "Estimation of regression coefficients when some regressors are not always
       observed", JASA 89, 846–866.
    .. [2] Hadad, Hirshberg, Zhan, Wager, Athey (2021), "Confidence intervals for policy evaluation in adaptive
       experiments", PNAS 118(15), equation 5.

    Examples
    --------
    >>> arm_scores([1.0, 3.0], [0, 1], [[0.5, 0.5], [0.5, 0.5]]).round(2).tolist()
    [[2.0, 0.0], [1.0, 5.0]]
    """
    y, chosen, p = column(values, name="value"), np.asarray(arms), np.asarray(probabilities, dtype=np.float64)
    _check(y, chosen, p)
    got = np.zeros(p.shape)
    got[np.arange(len(y)), chosen] = 1.0
    earned = got * y[:, None]
    units, sums = np.cumsum(got, axis=0) - got, np.cumsum(earned, axis=0) - earned
    everybody = ((np.cumsum(y) - y) / np.maximum(np.arange(len(y)), 1))[:, None]
    expected = (sums + _SHRUNK * everybody) / (units + _SHRUNK)
    scores: Floats = expected + got / p * (y[:, None] - expected)
    return scores


def ratio_scores(above: ArrayLike, below: ArrayLike, arms: ArrayLike, probabilities: ArrayLike) -> Floats:
    r"""`arm_scores` of Σabove/Σbelow, linearised: :math:`R_a + (\Gamma^m_i(a) - R_a \Gamma^d_i(a)) / \bar\Gamma^d(a)`.

    Examples
    --------
    >>> clicks, views, arms = [1.0, 2.0] * 50, [10.0, 5.0] * 50, [0, 1] * 50
    >>> ratio_scores(clicks, views, arms, [[0.5, 0.5]] * 100).mean(axis=0).round(2).tolist()
    [0.1, 0.41]
    """
    over, under = arm_scores(above, arms, probabilities), arm_scores(below, arms, probabilities)
    base = under.mean(axis=0)
    if not (base > 0).all():
        raise InputError(
            "the denominator of an arm is 0, which has no ratio; wait for more data.", field="below", code="too_few"
        )
    ratio = over.mean(axis=0) / base
    scores: Floats = ratio + (over - ratio * under) / base
    return scores


def contrast(scores: Floats, *, treatment: int, control: int = 0, alpha: float = 0.05) -> Contrast:
    """Scores of the difference, and of the lift by the delta method, from those of `arm_scores` or `ratio_scores`.

    Examples
    --------
    >>> scores = arm_scores([1.0, 3.0] * 50, [0, 1] * 50, [[0.5, 0.5]] * 100)
    >>> round(float(contrast(scores, treatment=1).difference.mean()), 2)
    2.01
    """
    ours, theirs = scores[:, treatment], scores[:, control]
    of_control = Moments.of(theirs)
    base = abs(of_control.mean)
    if base <= float(norm.isf(alpha / 2)) * of_control.std_error:
        return Contrast(ours - theirs, None)
    ratio = ours.mean() / of_control.mean
    value = (ours.mean() - of_control.mean) / base
    return Contrast(ours - theirs, value + (ours - ours.mean() - ratio * (theirs - of_control.mean)) / base)


def adaptive_difference(found: Contrast, *, alpha: float = 0.05) -> Difference:
    """The difference at one look that was planned, by the martingale central limit theorem: in the place of Welch's
    test. At looks whenever it pleases, take `lyapunov.average_sequence` of the same scores.

    References
    ----------
    .. [1] Hall, Heyde (1980), "Martingale limit theory and its application", corollary 3.1.

    Examples
    --------
    >>> scores = arm_scores([1.0, 3.0, 2.0, 5.0] * 50, [0, 1] * 100, [[0.5, 0.5]] * 200)
    >>> adaptive_difference(contrast(scores, treatment=1)).p_value < 1e-6
    True
    """
    significance(alpha)
    of = Moments.of(found.difference)
    if not of.std_error > 0:
        raise InputError(
            f"the scores of {of.n} units do not vary, so arms cannot be compared; wait for data that vary.",
            code="no_variation",
        )
    quantile, std_error = float(norm.isf(alpha / 2)), of.std_error
    lift = None
    if found.lift is not None:
        one = Moments.of(found.lift)
        lift = Lift(one.mean, one.mean - quantile * one.std_error, one.mean + quantile * one.std_error, one.std_error)
    p_value = float(2 * norm.sf(abs(of.mean) / std_error))
    low, high = of.mean - quantile * std_error, of.mean + quantile * std_error
    return Difference(of.mean, low, high, p_value, std_error, float("inf"), lift)


def _check(values: Floats, arms: NDArray[np.generic], p: Floats) -> None:
    if p.ndim != 2 or not p.shape[1] or arms.ndim != 1:
        raise InputError(
            f"probabilities have shape {p.shape} and arms {arms.shape}, must be (units, arms) and (units,); "
            "give a row of probabilities and one arm a unit.",
            field="probabilities",
        )
    same_length(values=values, arms=arms.astype(np.float64), probabilities=p[:, 0])
    refuse_where(
        ~((p > 0) & (p <= 1 + _ONE)),
        p,
        name="probability of an arm",
        rule="must be > 0 and <= 1",
        remedy="leave out units that an arm could not get",
    )
    total = p.sum(axis=1)
    refuse_where(np.abs(total - 1) > _ONE, total, name="sum of probabilities", rule="must be 1")
    inside = np.issubdtype(arms.dtype, np.integer) and (not len(arms) or (arms.min() >= 0 and arms.max() < p.shape[1]))
    if not inside:
        raise InputError(f"arms must be indices from 0 to {p.shape[1] - 1}; give the arm's column.", field="arms")
