"""What another policy would have earned with whole slates, by how users are believed to read them."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError, UnknownError
from bandstand.stats.assumptions import SLATE_MODELS
from bandstand.stats.checks import refuse_where, same_length
from bandstand.stats.cross import CrossMoments
from bandstand.stats.estimates import Estimate, ips, normal
from bandstand.stats.ratios import ROWS, rows, sum_of_ratios, unit_moments
from bandstand.stats.weights import WeightedSums

_BLOCK = 1 << 12  # slates that are taken apart by position at a time, in the processor's caches


def slate_scores(rewards: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Σ_k w_k r_k of each slate: its unbiased share in the value of the target policy.

    >>> slate_scores([[0.0, 1.0]], [[2.0, 1.5]]).tolist()
    [1.5]
    """
    r, w = np.asarray(rewards, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    same_length(rewards=r, weights=w)
    refuse_where(~np.isfinite(r), r, name="reward", rule="must be finite")
    refuse_where(~(np.isfinite(w) & (w >= 0)), w, name="weight", rule="must be finite and >= 0")
    scores: NDArray[np.float64] = np.sum(r * w, axis=1)
    return scores


def _finite(values: NDArray[np.float64]) -> bool:
    return bool(values.min() > -math.inf and values.max() < math.inf)  # NaN is neither


class SlateSums(Struct, frozen=True):
    """All that `slate_ips` and `slate_snips` need of a log under one of `assumptions.SLATE_MODELS`; parts add.

    Examples
    --------
    >>> rewards, weights = [[1, 0], [1, 1], [0, 1]], [[2.0, 1.0], [0.5, 0.5], [0.5, 2.0]]
    >>> sums = SlateSums.of(rewards, weights, model="independent")
    >>> round(slate_ips(sums).value, 4), round(slate_snips(sums).value, 4)
    (1.6667, 1.5476)
    """

    model: str
    length: int
    moments: CrossMoments

    @classmethod
    def of(
        cls, rewards: ArrayLike, weights: ArrayLike, *, model: str, clusters: ArrayLike | None = None
    ) -> "SlateSums":
        """Sums over slates.

        Parameters
        ----------
        rewards, weights
            One row a slate, one column a position; `slate_weights` has the weights of each model. For
            `pseudo_inverse` one column, of the slate's reward and of its weight, which may be negative.
        clusters
            One id a slate, such as the user's; all slates of a cluster must be in one chunk.
        """
        if model not in SLATE_MODELS:
            raise UnknownError(f"model {model!r} is not known; known: {', '.join(SLATE_MODELS)}.", field="model")
        r, w = np.asarray(rewards, dtype=np.float64), np.asarray(weights, dtype=np.float64)
        same_length(rewards=r, weights=w)
        if r.ndim != 2:
            raise InputError(f"rewards have shape {r.shape}, must be slates × positions.", field="rewards")
        least = -math.inf if model == "pseudo_inverse" else 0.0
        if r.size and not (_finite(r) and _finite(w) and w.min() >= least):
            refuse_where(~np.isfinite(r), r, name="reward", rule="must be finite")
            refuse_where(~np.isfinite(w), w, name="weight", rule="must be finite")
            refuse_where(w < least, w, name="weight", rule=f"must be >= {least:g}")
        if clusters is not None:
            return cls(model, r.shape[1], unit_moments([*(w * r).T, *w.T], clusters=clusters))
        blocks = (slice(start, start + _BLOCK) for start in range(0, len(r), _BLOCK))
        parts = (unit_moments([*(w[b] * r[b]).T, *w[b].T]) for b in blocks)
        return cls(model, r.shape[1], sum(parts, CrossMoments()))

    def __add__(self, other: "SlateSums") -> "SlateSums":
        if (self.model, self.length) != (other.model, other.length):
            raise InputError(
                f"sums of {self.model} over {self.length} position(s) and of {other.model} over {other.length} "
                "do not add; fill slates up to one length, and keep models apart.",
                field="model",
            )
        return SlateSums(self.model, self.length, self.moments + other.moments)


def slate_ips(sums: SlateSums, *, alpha: float = 0.05) -> Estimate:
    r"""Value per slate, the sum of its positions' rewards, with weights by position.

    .. math:: \hat V = \frac1n \sum_i \sum_k w_{i,k}\, r_{i,k}

    Unbiased where the assumption of the model holds, in words `assumptions.SLATE_MODELS`. The interval is
    normal, by cluster where given.

    References
    ----------
    .. [1] McInerney et al. (2020), "Counterfactual evaluation of slate recommendations with sequential reward
       interactions", KDD, which has whole slates, independent positions and the cascade.
    """
    ratios = [(1 + k, ROWS) for k in range(sums.length)]
    return _estimate(sums, ratios, kind="ips", alpha=alpha)


def slate_snips(sums: SlateSums, *, alpha: float = 0.05) -> Estimate:
    r"""The same, with each position divided by its own weights: less noisy, a little biased in short logs.

    .. math:: \hat V = \sum_k \frac{\sum_i w_{i,k}\, r_{i,k}}{\sum_i w_{i,k}}

    References
    ----------
    .. [1] Swaminathan, Joachims (2015), "The self-normalized estimator for counterfactual learning", NeurIPS.
    .. [2] Vlassis, Chandrashekar, Amat Gil, Kallus (2021), "Control variates for slate off-policy
       evaluation", NeurIPS, arXiv:2106.07914, for the pseudo-inverse.
    """
    ratios = [(1 + k, 1 + sums.length + k) for k in range(sums.length)]
    return _estimate(sums, ratios, kind="snips", alpha=alpha)


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
        One row a slate, one column a position; the weights are `slate_weights.prefix_weights`.
    clusters
        One id a slate, such as the user's, where slates depend on each other.

    References
    ----------
    .. [1] McInerney, Brost, Chandar, Mehrotra, Carterette (2020), "Counterfactual evaluation of slate
       recommendations with sequential reward interactions", KDD, equations 3 and 4.

    Examples
    --------
    >>> from bandstand.stats.slate_weights import prefix_weights
    >>> weights = prefix_weights(target=[[0.5, 0.5], [0.5, 0.5]], logging=[[0.25, 1.0], [0.75, 0.5]])
    >>> round(reward_interaction_ips([[1, 0], [0, 1]], weights).value, 3)
    1.333
    """
    return slate_ips(SlateSums.of(rewards, weights, model="reward_interaction", clusters=clusters), alpha=alpha)


def cascade_scores(
    rewards: ArrayLike, weights: ArrayLike, *, predicted: ArrayLike, expected: ArrayLike
) -> NDArray[np.float64]:
    r"""Score of each slate under the cascade, with a reward model to take the noise out.

    .. math:: \sum_k \Big( w_{1:k} \big( r_k - \hat Q_k(x, a_{1:k}) \big)
        + w_{1:k-1} \sum_a \pi(a \mid x, a_{1:k-1})\, \hat Q_k(x, a_{1:k-1}, a) \Big), \qquad w_{1:0} = 1

    Arguments are slates × positions, as in `cascade_dr`.
    """
    r, w, q, e = (np.asarray(each, dtype=np.float64) for each in (rewards, weights, predicted, expected))
    same_length(rewards=r, weights=w, predicted=q, expected=e)
    if r.ndim != 2:
        raise InputError(f"rewards have shape {r.shape}, must be slates × positions.", field="rewards")
    for name, values in (("reward", r), ("predicted reward", q), ("expected reward", e)):
        refuse_where(~np.isfinite(values), values, name=name, rule="must be finite")
    refuse_where(~(np.isfinite(w) & (w >= 0)), w, name="weight", rule="must be finite and >= 0")
    above = np.column_stack([np.ones(len(w)), w[:, :-1]])
    scores: NDArray[np.float64] = np.sum(w * (r - q) + above * e, axis=1)
    return scores


def cascade_dr(
    rewards: ArrayLike,
    weights: ArrayLike,
    *,
    predicted: ArrayLike,
    expected: ArrayLike,
    clusters: ArrayLike | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Value per slate, doubly robust where users read from the top: the mean of `cascade_scores`.

    Unbiased with any model that was fitted on other slates. Over chunks add up
    `WeightedSums.of(cascade_scores(...), ones)` and take their `ips`.

    Parameters
    ----------
    rewards, weights
        Slates × positions; the weights are `slate_weights.prefix_weights`.
    predicted
        Q̂_k of what was shown down to each position: the reward expected *from there on down*, under the target.
    expected
        The mean of Q̂_k over what the target would show there, given the logged picks above it.

    References
    ----------
    .. [1] Kiyohara, Saito, Matsuhiro, Narita, Shimizu, Yamamoto (2022), "Doubly robust off-policy evaluation
       for ranking policies under the cascade behavior model", WSDM, arXiv:2202.01562.
    """
    scores = cascade_scores(rewards, weights, predicted=predicted, expected=expected)
    estimate = ips(WeightedSums.of(scores, np.ones_like(scores), clusters=clusters), alpha=alpha)
    return estimate._replace(method="cascade_dr")


def _estimate(sums: SlateSums, ratios: list[tuple[int, int]], *, kind: str, alpha: float) -> Estimate:
    scores = sum_of_ratios(sums.moments, ratios)
    return normal(scores, n=rows(sums.moments), method=f"{sums.model}_{kind}", alpha=alpha)
