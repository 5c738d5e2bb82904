r"""A level of shrinkage chosen from the log by a published rule, for those who would rather not name one.

The rules read a whole `shrinkage.sensitivity` table, to be shown beside what they chose. An interval at the chosen
level knows nothing of the choice, and is too short by it.
"""

import math
from collections.abc import Sequence

from scipy.stats import t as student

from bandstand.errors import InputError
from bandstand.stats.checks import significance
from bandstand.stats.estimates import Estimate
from bandstand.stats.shrinkage import Sensitivity
from bandstand.stats.weights import WeightedSums

_LEPSKI = math.sqrt(6) - 1


def by_slope(table: Sequence[Sensitivity], *, alpha: float = 0.1) -> Sensitivity:
    r"""The steadiest estimate that agrees with all less steady ones (SLOPE++).

    Estimates are visited from the widest interval to the narrowest, for as long as

    .. math:: |\hat V_i - \hat V_j| \le c_i + (\sqrt 6 - 1)\, c_j, \qquad c = t_{n-1}(1 - \alpha)\, SE

    for every j visited before: a bias that outgrows the noise shows as a disagreement.

    References
    ----------
    .. [1] Su, Srinath, Krishnamurthy (2020), "Adaptive estimator selection for off-policy evaluation", ICML,
       arXiv:2002.07729.
    .. [2] Tucker, Lee (2021), "Improved estimator selection for off-policy evaluation", Workshop on Reinforcement
       Learning Theory at ICML: the order by width alone.

    Examples
    --------
    >>> rows = [(1.0, 0.30, 0.01), (5.0, 0.34, 0.02), (50.0, 0.60, 0.20)]
    >>> table = [Sensitivity(l, 1.0, Estimate(v, 0, 1, se, 500, "clipped_ips")) for l, v, se in rows]
    >>> by_slope(table).level
    1.0
    """
    significance(alpha)
    _check(table)
    visited: list[tuple[Sensitivity, float]] = []
    for one in sorted(table, key=_std_error, reverse=True):
        width = float(student.isf(alpha, one.estimate.n - 1)) * _std_error(one)
        if any(abs(_value(one) - _value(other)) > width + _LEPSKI * wider for other, wider in visited):
            break
        visited.append((one, width))
    return visited[-1][0]


def by_error(
    table: Sequence[Sensitivity], *, unshrunk: Estimate, sums: WeightedSums, alpha: float = 0.1
) -> Sensitivity:
    r"""The least bound on the squared error: variance, and the square of what the bias may be at most.

    .. math:: \min_\lambda\; SE_\lambda^2 + \Big( |\hat V_\lambda - \hat V| + \sqrt{\tfrac{2\,\overline{w^2}
        \ln(2/\alpha)}{n}} + \tfrac{2 \max w \ln(2/\alpha)}{3 n} \Big)^2

    Its bound on the bias is wide in short logs, and then nothing is shrunk.

    Parameters
    ----------
    unshrunk
        The estimate :math:`\hat V` of the weights as they are.
    sums
        Of the weights as they are.

    References
    ----------
    .. [1] Su, Dimakopoulou, Krishnamurthy, Dudík (2020), "Doubly robust off-policy evaluation with shrinkage", ICML,
       arXiv:1907.09623, section 5.
    """
    significance(alpha)
    _check(table)
    log_term = math.log(2 / alpha) / sums.n
    slack = math.sqrt(2 * sums.w2 / sums.n * log_term) + 2 / 3 * sums.max_w * log_term

    def bound(one: Sensitivity) -> float:
        return _std_error(one) ** 2 + (abs(_value(one) - unshrunk.value) + slack) ** 2

    return min(table, key=bound)


def _check(table: Sequence[Sensitivity]) -> None:
    if not table:
        raise InputError("the table has no levels, a choice needs at least one; name some.", field="levels")


def _value(one: Sensitivity) -> float:
    return one.estimate.value


def _std_error(one: Sensitivity) -> float:
    if one.estimate.std_error is None:
        raise InputError(
            f"{one.estimate.method} has no standard error, which the choice goes by; take a normal interval.",
            field="levels",
        )
    return one.estimate.std_error
