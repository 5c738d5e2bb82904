"""A few heavy users must not decide: values capped at one quantile of all arms together."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import column


def pooled_cap(*arms: ArrayLike, share: float = 0.999, above_zero: bool = True) -> float:
    """The quantile `share` of the values of all arms; by default of those above zero, for most users spend nothing.

    A cap for each arm would cut off the very effect that is looked for [1]_. Use it for covariates too.

    References
    ----------
    .. [1] Kohavi, Tang, Xu (2020), "Trustworthy online controlled experiments", Cambridge University Press,
       chapter 22: capping is part of the metric, the same for all variants.

    Examples
    --------
    >>> pooled_cap([0.0, 1.0, 2.0], [3.0, 100.0], share=0.5)
    2.5
    """
    if not 0 < share < 1:
        raise InputError(f"share is {share}, must lie between 0 and 1; 0.999 caps one in a thousand.", field="share")
    values = np.concatenate([column(arm, name="value") for arm in arms]) if arms else np.empty(0)
    counted = values[values > 0] if above_zero else values
    if not counted.size:
        raise InputError(
            f"none of {values.size} values counts, a cap needs one; wait for more data, or set above_zero=False.",
            field="values",
            code="too_few",
        )
    return float(np.quantile(counted, share))


def winsorised(*arms: ArrayLike, share: float = 0.999, above_zero: bool = True) -> tuple[NDArray[np.float64], ...]:
    """All arms with what lies above their `pooled_cap` set to it.

    Examples
    --------
    >>> [arm.tolist() for arm in winsorised([0.0, 1.0, 2.0], [3.0, 100.0], share=0.5)]
    [[0.0, 1.0, 2.0], [2.5, 2.5]]
    """
    cap = pooled_cap(*arms, share=share, above_zero=above_zero)
    return tuple(np.minimum(column(arm, name="value"), cap) for arm in arms)
