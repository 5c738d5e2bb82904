"""Weights of what items have in common, not of items: for catalogues in which every item is rare."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import refuse_where, same_length


def likelihood(tables: Sequence[ArrayLike], seen: ArrayLike) -> NDArray[np.float64]:
    r"""How likely each action would have had the embedding that was seen: :math:`\prod_d p_d(e_{i,d} \mid a)`.

    The dimensions are independent given the action. They are *not* once actions are averaged over, so the
    product has to be taken here, inside the sum of `embedding_weights`: a product of each dimension's own
    weight is biased.

    Parameters
    ----------
    tables
        For each dimension actions × categories, the probability of each category; rows of ones and zeros for
        a category that an item simply has, such as its brand.
    seen
        Rows × dimensions, the number of the category that was seen.

    Returns
    -------
    Rows × actions.

    Examples
    --------
    >>> brand, colour = [[1, 0], [1, 0], [0, 1]], [[0.5, 0.5], [0, 1], [0, 1]]
    >>> likelihood([brand, colour], [[0, 1], [1, 1]]).tolist()
    [[0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    e = np.asarray(seen)
    if e.ndim != 2 or e.shape[1] != len(tables) or not np.issubdtype(e.dtype, np.integer):
        raise InputError(
            f"seen has shape {e.shape} and type {e.dtype}, must be rows × {len(tables)} whole numbers, "
            "one for each table.",
            field="seen",
        )
    result = np.ones(())
    for d, given in enumerate(tables):
        table = np.asarray(given, dtype=np.float64)
        refuse_where(~((table >= 0) & (table <= 1)), table, name=f"table {d}", rule="must be >= 0 and <= 1")
        known = (e[:, d] >= 0) & (e[:, d] < table.shape[1])
        refuse_where(~known, e[:, d].astype(np.float64), name=f"category {d}", rule=f"must be < {table.shape[1]}")
        result = result * table[:, e[:, d]].T
    return result


def embedding_weights(target: ArrayLike, logging: ArrayLike, likelihoods: ArrayLike) -> NDArray[np.float64]:
    r"""Marginalised weights, of the embedding that was seen; `ips` and `snips` of them are MIPS.

    .. math:: w_i = \frac{\sum_a \pi_\mathrm{target}(a \mid x_i)\, p(e_i \mid x_i, a)}
        {\sum_a \pi_\mathrm{logging}(a \mid x_i)\, p(e_i \mid x_i, a)}

    Unbiased where the embedding tells all about the reward (no direct effect of the action) and the logger
    could have shown each embedding that the target shows, even through other actions. Rows are independent
    of each other, so chunks may be weighed one by one.

    Parameters
    ----------
    target, logging, likelihoods
        Rows × actions: each policy's probability, and the `likelihood` of what was seen.

    References
    ----------
    .. [1] Saito, Joachims (2022), "Off-policy evaluation for large action spaces via embeddings", ICML,
       arXiv:2202.06317.

    Examples
    --------
    >>> same_brand = likelihood([[[1, 0], [1, 0], [0, 1]]], [[0], [1]])
    >>> target, logging = [[0.5, 0.0, 0.5]] * 2, [[0.25, 0.5, 0.25]] * 2
    >>> embedding_weights(target, logging, same_brand).round(3).tolist()
    [0.667, 2.0]
    """
    wanted, logged, likely = (np.asarray(each, dtype=np.float64) for each in (target, logging, likelihoods))
    same_length(target=wanted, logging=logged, likelihoods=likely)
    if wanted.ndim != 2:
        raise InputError(f"target has shape {wanted.shape}, must be rows × actions.", field="target")
    for name, values in (("target propensity", wanted), ("logging propensity", logged), ("likelihood", likely)):
        refuse_where(~((values >= 0) & (values <= 1)), values, name=name, rule="must be >= 0 and <= 1")
    below = np.einsum("ij,ij->i", logged, likely)
    refuse_where(below == 0, below, name="logging propensity of the embedding", rule="must be > 0, since it was seen")
    weights: NDArray[np.float64] = np.einsum("ij,ij->i", wanted, likely) / below
    return weights
