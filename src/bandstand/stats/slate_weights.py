"""How much more often the target shows a pick where it was seen, under each way users may read a slate."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import column, refuse_where, same_length
from bandstand.stats.weights import importance_weights


def prefix_weights(target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    r"""Weight of each position: the ratio of the probabilities of the slate down to it.

    .. math:: w_{1:k} = \prod_{j \le k}
        \frac{\pi_\mathrm{target}(a_j \mid a_{1:j-1})}{\pi_\mathrm{logging}(a_j \mid a_{1:j-1})}

    Right where users read from the top: a reward depends on its own pick and those above it. A position's own
    ratio alone is *not* its weight: the picks above it were the logger's too, and the estimate would be
    biased. A pick that was pinned has propensity 1 under both. Shorter slates are filled up with propensities
    of 1 and rewards of 0.

    Parameters
    ----------
    target, logging
        One row a slate, one column a position: the pick's probability given the picks above it.

    References
    ----------
    .. [1] McInerney, Brost, Chandar, Mehrotra, Carterette (2020), "Counterfactual evaluation of slate
       recommendations with sequential reward interactions", KDD, equations 3 and 4.

    Examples
    --------
    >>> prefix_weights([[0.5, 0.5]], [[0.25, 1.0]]).tolist()
    [[2.0, 1.0]]
    """
    return np.cumprod(_by_position(target, logging), axis=1, dtype=np.float64)


def whole_weights(target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    r"""Weight of each position: that of the whole slate, :math:`w_{1:L}`; arguments as in `prefix_weights`.

    Right however users read, and the noisiest: it grows exponentially with the length of the slate.

    References
    ----------
    .. [1] Horvitz, Thompson (1952), "A generalization of sampling without replacement", JASA 47, 663–685,
       of slates in place of single picks.

    Examples
    --------
    >>> whole_weights([[0.5, 0.5]], [[0.25, 1.0]]).tolist()
    [[1.0, 1.0]]
    """
    ratios = _by_position(target, logging)
    return np.broadcast_to(ratios.prod(axis=1, keepdims=True), ratios.shape)


def marginal_weights(target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    r"""Weight of each position: how often each policy shows this item there, whatever else it shows.

    .. math:: w_k = \frac{\Pr_\mathrm{target}(a_k @ k)}{\Pr_\mathrm{logging}(a_k @ k)}

    Right where a reward depends on its own pick and position alone. Needs the marginal probability of the item
    at the position, *not* that given the picks above it.

    References
    ----------
    .. [1] Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay, Wen (2018), "Offline evaluation of ranking
       policies with click models", KDD, arXiv:1804.10488: the item-position estimator.

    Examples
    --------
    >>> marginal_weights([[0.5, 0.5]], [[0.25, 1.0]]).tolist()
    [[2.0, 0.5]]
    """
    return _by_position(target, logging)


def examination_weights(target: ArrayLike, logging: ArrayLike, examination: ArrayLike) -> NDArray[np.float64]:
    r"""Weight of each pick: how often users look at it under each policy, wherever it stands.

    .. math:: w_k = \frac{\sum_j \theta_j \Pr_\mathrm{target}(a_k @ j)}{\sum_j \theta_j \Pr_\mathrm{logging}(a_k @ j)}

    Right where a click is an item's attraction times the examination θ of its position (position-based click
    model), with far less noise than `marginal_weights`. It inherits every error in θ: take θ from randomised
    swaps, not from click rates.

    Parameters
    ----------
    target, logging
        Slates × shown positions × positions: the marginal probability that the item shown at the one stands
        at the other. Filled up slates have ones in both.
    examination
        θ, one value a position.

    References
    ----------
    .. [1] Li et al. (2018), as for `marginal_weights`: the position-based click model.

    Examples
    --------
    >>> always_first, swapped = [[[1.0, 0.0], [0.0, 1.0]]], [[[0.5, 0.5], [0.5, 0.5]]]
    >>> examination_weights(always_first, swapped, [1.0, 0.6]).round(3).tolist()
    [[1.25, 0.75]]
    """
    wanted, logged = np.asarray(target, dtype=np.float64), np.asarray(logging, dtype=np.float64)
    theta = column(examination, name="examination")
    same_length(target=wanted, logging=logged)
    refuse_where(theta < 0, theta, name="examination", rule="must be >= 0", remedy="estimate it again")
    if wanted.ndim != 3 or wanted.shape[2] != theta.size:
        raise InputError(
            f"propensities have shape {wanted.shape}, must be slates × shown positions × {theta.size} positions.",
            field="target",
        )
    for name, values in (("target propensity", wanted), ("logging propensity", logged)):
        refuse_where(~((values >= 0) & (values <= 1)), values, name=name, rule="must be >= 0 and <= 1")
    below = logged @ theta
    refuse_where(below <= 0, below, name="logged examination", rule="must be > 0, since the pick was shown")
    weights: NDArray[np.float64] = (wanted @ theta) / below
    return weights


def moved_weights(target: ArrayLike, logging: ArrayLike, examination: ArrayLike) -> NDArray[np.float64]:
    r"""Weight of each pick where both policies place items for sure: examination there over examination here.

    .. math:: w_k = \frac{\theta_{\mathrm{pos}_\mathrm{target}(a_k)}}{\theta_k}

    The one slate estimate that can speak of a logger *without* exploration: under the position-based click model
    an item's attraction shows wherever it stands. What the target leaves out has weight 0; what it alone shows
    was never seen, and adds nothing: the estimate is too low by it. All rests on the click model, and on θ.

    Parameters
    ----------
    target, logging
        Slates × shown items: the position, counted from 0, at which each policy places the item that was shown;
        −1 in `target` where it does not show it.
    examination
        θ, one value a position.

    References
    ----------
    .. [1] Li et al. (2018), as for `marginal_weights`: the position-based click model.

    Examples
    --------
    >>> moved_weights([[1, 0, -1]], [[0, 1, 2]], [1.0, 0.5, 0.25]).tolist()
    [[0.5, 2.0, 0.0]]
    """
    to, at, theta = np.asarray(target), np.asarray(logging), column(examination, name="examination")
    refuse_where(theta <= 0, theta, name="examination", rule="must be > 0", remedy="estimate it again")
    for name, places, least in (("target", to, -1), ("logging", at, 0)):
        if places.ndim != 2 or places.shape != to.shape or not np.issubdtype(places.dtype, np.integer):
            raise InputError(
                f"{name} has shape {places.shape} and type {places.dtype}, must be slates × shown items of whole "
                "numbers, as many in both; give positions from 0.",
                field=name,
            )
        bad = (places < least) | (places >= theta.size)
        refuse_where(bad, places.astype(np.float64), name=f"{name} position", rule=f"must be < {theta.size}")
    return np.where(to < 0, 0.0, theta[to] / theta[at])


def _by_position(target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    ratios = importance_weights(target, logging)
    if ratios.ndim != 2:
        raise InputError(
            f"propensities have shape {ratios.shape}, must be slates × positions; put each slate on a row.",
            field="target",
        )
    return ratios
