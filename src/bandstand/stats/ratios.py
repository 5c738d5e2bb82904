"""Sums of ratios of totals, such as a mean plus a weighted mean, with the standard error of independent units."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import column, same_length
from bandstand.stats.cross import CrossMoments
from bandstand.stats.moments import Moments

ROWS = 0  # the first column of `unit_moments`: how many rows the unit has


def unit_moments(columns: Sequence[NDArray[np.float64]], *, clusters: ArrayLike | None = None) -> CrossMoments:
    """Moments of a count of rows and of columns with one value a row, by row or summed by cluster.

    >>> whole = unit_moments([np.array([1.0, 0.0, 2.0])], clusters=["ann", "bob", "ann"])
    >>> whole.n, whole.means
    (2, (1.5, 1.5))
    """
    values = [np.ones_like(columns[0]), *columns]
    if clusters is None:
        return CrossMoments.of(*values)
    same_length(**{f"column {i}": column(each, name=f"column {i}") for i, each in enumerate(values)})
    ids, unit = np.unique(np.asarray(clusters), return_inverse=True)
    same_length(clusters=unit.astype(np.float64), rows=values[ROWS])
    return CrossMoments.of(*(np.bincount(unit, each, ids.size) for each in values))


def rows(moments: CrossMoments) -> int:
    """How many rows the units have together."""
    return round(moments.n * moments.means[ROWS]) if moments.n else 0


def sum_of_ratios(moments: CrossMoments, pairs: Sequence[tuple[int, int]]) -> Moments:
    r"""Moments of the linearised sum :math:`\hat V = \sum_p \bar y_{num_p} / \bar y_{den_p}` of columns.

    .. math:: s^2 = \frac{g^\top M g}{n - 1}, \qquad g = \nabla \hat V

    References
    ----------
    .. [1] van der Vaart (1998), "Asymptotic statistics", section 3.1: the delta method.

    Examples
    --------
    >>> sum_of_ratios(unit_moments([np.array([1.0, 0.0, 2.0]), np.array([1.0, 1.0, 2.0])]), [(1, ROWS), (1, 2)]).mean
    1.75
    """
    if not moments.n:
        raise InputError("the log has no rows, an estimate needs at least one; widen the selection.", code="too_few")
    means = np.array(moments.means)
    value, gradient = 0.0, np.zeros_like(means)
    for num, den in pairs:
        if means[den] == 0:
            raise InputError(
                f"the weights of {moments.n} unit(s) are all 0, which gives no ratio; choose a target that the "
                "log follows at times.",
                field="weights",
                code="too_few",
            )
        ratio = float(means[num] / means[den])
        value += ratio
        gradient[num] += 1 / means[den]
        gradient[den] -= ratio / means[den]
    return replace(moments.combination(gradient), mean=value)
