"""Does what each unit does change with time: slopes over its own periods, as `Moments` that any test of means takes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.moments import Moments

Table = NDArray[np.float64]


def slopes(values: ArrayLike) -> Moments:
    r"""Each unit's least-squares slope over its periods, numbered 0, 1, …: how much more it does in each than before.

    .. math:: b_u = \frac{\sum_k (k - \bar k) y_{uk}}{\sum_k (k - \bar k)^2}

    The difference of two arms' mean slopes is the trend of the treatment's effect. All units have all periods, so that
    none of it is a change of who is counted, and units are what is independent [1]_.

    Parameters
    ----------
    values
        One row a unit, one column a period.

    References
    ----------
    .. [1] Sadeghi, Gupta, Gramatovici, Lu, Ai, Zhang (2022), "Novelty and primacy: a long-term estimator for online
       experiments", Technometrics 64(4), 524–534.

    Examples
    --------
    >>> slopes([[1, 2, 3], [4, 4, 4], [2, 1, 3]]).mean
    0.5
    """
    table = _table(values)
    centred = np.arange(table.shape[1]) - (table.shape[1] - 1) / 2
    return Moments.of(table @ (centred / (centred @ centred)))


def linearised_ratios(above: ArrayLike, below: ArrayLike) -> Table:
    r"""For a ratio metric, what stands in the place of each unit's value in each period, by the delta method [1]_.

    .. math:: z_{uk} = R_k + \frac{a_{uk} - R_k b_{uk}}{\bar b_k}, \qquad R_k = \frac{\sum_u a_{uk}}{\sum_u b_{uk}}

    References
    ----------
    .. [1] Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", KDD.

    Examples
    --------
    >>> linearised_ratios([[1, 0], [1, 3]], [[2, 4], [2, 2]]).mean(axis=0).round(9).tolist()
    [0.5, 0.5]
    """
    a, b = _table(above), _table(below)
    total = b.sum(axis=0)
    if not total.all():
        raise InputError(
            f"the denominator is 0 in period {int(np.argmin(total != 0))}, a ratio needs some; look at fewer periods.",
            field="below",
            code="zero_baseline",
        )
    ratio = a.sum(axis=0) / total
    return np.asarray(ratio + (a - ratio * b) / (total / len(b)), dtype=np.float64)


def _table(values: ArrayLike) -> Table:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 2:
        raise InputError(
            f"values have shape {table.shape}, must be 2 units and 2 periods at least; wait for more data.",
            field="values",
            code="too_few",
        )
    if not np.isfinite(table).all():
        raise InputError("values hold what is not finite; repair or leave out the unit.", field="values")
    return table
