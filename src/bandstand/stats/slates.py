"""What another policy would have earned with whole slates, where users read from the top."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import refuse_where, same_length
from bandstand.stats.offpolicy import Estimate, ips
from bandstand.stats.weights import WeightedSums, importance_weights


def prefix_weights(target: ArrayLike, logging: ArrayLike) -> NDArray[np.float64]:
    r"""Weight of each position: the ratio of the probabilities of the slate down to it.

    .. math:: w_{1:k} = \prod_{j \le k}
        \frac{\pi_\mathrm{target}(a_j \mid a_{1:j-1})}{\pi_\mathrm{logging}(a_j \mid a_{1:j-1})}

    A position's own ratio alone is *not* its weight: the picks above it were the logger's too, and the
    estimate would be biased. A pick that was pinned has propensity 1 under both. Shorter slates are filled up
    with propensities of 1 and rewards of 0.

    Parameters
    ----------
    target, logging
        One row a slate, one column a position: the pick's probability given the picks above it.

    Examples
    --------
    >>> prefix_weights([[0.5, 0.5]], [[0.25, 1.0]]).tolist()
    [[2.0, 1.0]]
    """
    steps = importance_weights(target, logging)
    if steps.ndim != 2:
        raise InputError(
            f"propensities have shape {steps.shape}, must be slates × positions; put each slate on a row.",
            field="target",
        )
    return np.cumprod(steps, axis=1, dtype=np.float64)


def slate_scores(rewards: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Σ_k w_1:k r_k of each slate: its unbiased share in the value of the target policy.

    >>> slate_scores([[0.0, 1.0]], [[2.0, 1.5]]).tolist()
    [1.5]
    """
    r, w = np.asarray(rewards, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    same_length(rewards=r, weights=w)
    refuse_where(~np.isfinite(r), r, name="reward", rule="must be finite")
    refuse_where(~(np.isfinite(w) & (w >= 0)), w, name="weight", rule="must be finite and >= 0")
    scores: NDArray[np.float64] = np.sum(r * w, axis=1)
    return scores


def reward_interaction_ips(
    rewards: ArrayLike, weights: ArrayLike, *, clusters: ArrayLike | None = None, alpha: float = 0.05
) -> Estimate:
    r"""Value per slate, the sum of its positions' rewards, under the target policy.

    .. math:: \hat V = \frac1n \sum_i \sum_k w_{i,1:k}\, r_{i,k}

    Unbiased where a reward depends on its own pick and those above it (users read from the top), with less
    variance than weighting each slate as a whole. The interval is normal, by cluster where given.

    Parameters
    ----------
    rewards, weights
        One row a slate, one column a position; the weights are `prefix_weights`.
    clusters
        One id a slate, such as the user's, where slates depend on each other.

    References
    ----------
    .. [1] McInerney, Brost, Chandar, Mehrotra, Carterette (2020), "Counterfactual evaluation of slate
       recommendations with sequential reward interactions", KDD, equations 3 and 4.

    Examples
    --------
    >>> weights = prefix_weights(target=[[0.5, 0.5], [0.5, 0.5]], logging=[[0.25, 1.0], [0.75, 0.5]])
    >>> round(reward_interaction_ips([[1, 0], [0, 1]], weights).value, 3)
    1.333
    """
    scores = slate_scores(rewards, weights)
    estimate = ips(WeightedSums.of(scores, np.ones_like(scores), clusters=clusters), alpha=alpha)
    return estimate._replace(method="reward_interaction_ips")
