"""One weight for a slate whose positions each add their share to its reward, though only the sum is known."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length
from bandstand.stats.weights import importance_weights

_ONE = 1e-6  # how far from one the probabilities of all slates may add up
_RANK = 1e-10  # singular values below this share of the greatest are rounding


def pseudo_inverse_weights(slates: ArrayLike, *, target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    r"""The weight of every slate of one context; `ips` of slate rewards with these weights is the estimate.

    .. math:: w(s) = \mathbf 1_s^\top \Gamma^+ q, \qquad
        \Gamma = E_\mathrm{logging}[\mathbf 1_s \mathbf 1_s^\top], \quad q = E_\mathrm{target}[\mathbf 1_s]

    with :math:`\mathbf 1_s` the indicators of (item, position). Unbiased where the expected reward of a slate
    is a sum of a value for each item at its position, and the logger shows each such pair that the target
    shows. Weights may be negative. By enumeration, hence for few candidates; contexts are independent, so
    logs may be weighed in chunks.

    Parameters
    ----------
    slates
        All slates that either policy may show: slates × positions, numbers of items.
    target, logging
        The probability of each slate.

    References
    ----------
    .. [1] Swaminathan, Krishnamurthy, Agarwal, Dudík, Langford, Jose, Zitouni (2017), "Off-policy evaluation
       for slate recommendation", NeurIPS, arXiv:1605.04812.

    Examples
    --------
    >>> pseudo_inverse_weights([[0], [1]], target=[0.75, 0.25], logging=[0.5, 0.5]).round(6).tolist()
    [1.5, 0.5]
    """
    s = np.asarray(slates)
    if s.ndim != 2 or not np.issubdtype(s.dtype, np.integer) or (s.size and s.min() < 0):
        raise InputError(f"slates have shape {s.shape}, must be slates × positions of items 0, 1, …", field="slates")
    wanted, logged = _chances(target, len(s), name="target"), _chances(logging, len(s), name="logging")
    indicators = _indicators(s)
    gamma = indicators.T @ (indicators * logged[:, None])
    reach = indicators.T @ wanted
    unseen = (reach > 0) & (np.diagonal(gamma) == 0)
    refuse_where(
        unseen,
        reach,
        name="target probability of (position, item) pair",
        rule="must be 0, since the logger never shows it",
        remedy="take a logger that explores, or a target nearer to it",
    )
    weights: NDArray[np.float64] = indicators @ (np.linalg.pinv(gamma, rcond=_RANK, hermitian=True) @ reach)
    return weights


def product_weights(target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    r"""The same weights where the logger draws each position on its own, without looking at the others.

    .. math:: w(s) = 1 - L + \sum_k \frac{\Pr_\mathrm{target}(a_k @ k)}{\pi_\mathrm{logging}(a_k @ k)}

    Not for rankings, whose items must differ. Arguments are slates × positions.

    References
    ----------
    .. [1] Swaminathan et al. (2017), arXiv:1605.04812, on product slates.

    Examples
    --------
    >>> product_weights([[0.5, 0.5]], [[0.25, 1.0]]).tolist()
    [1.5]
    """
    ratios = importance_weights(target, logging)
    if ratios.ndim != 2:
        raise InputError(f"propensities have shape {ratios.shape}, must be slates × positions.", field="target")
    weights: NDArray[np.float64] = 1 - ratios.shape[1] + ratios.sum(axis=1)
    return weights


def _chances(values: ArrayLike, slates: int, *, name: str) -> NDArray[np.float64]:
    chances = column(values, name=name)
    same_length(**{name: chances, "slates": np.empty(slates)})
    refuse_where(~((chances >= 0) & (chances <= 1)), chances, name=f"{name} propensity", rule="must be >= 0 and <= 1")
    if abs(chances.sum() - 1) > _ONE:
        raise InputError(f"{name} adds up to {chances.sum():g}, must be 1; give every slate there is.", field=name)
    return chances


def _indicators(slates: NDArray[np.int64]) -> NDArray[np.float64]:
    """Slates × (positions · items): one where the item stands at the position."""
    count, length = slates.shape
    items = int(slates.max()) + 1
    indicators = np.zeros((count, length, items))
    indicators[np.arange(count)[:, None], np.arange(length), slates] = 1
    return indicators.reshape(count, length * items)
