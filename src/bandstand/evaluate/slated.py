"""Estimators that look at whole slates, each by how it believes they are read."""

import numpy as np

from bandstand.errors import InputError
from bandstand.evaluate import regression
from bandstand.evaluate.evidence import Inverse, Reach
from bandstand.evaluate.regression import Sketches
from bandstand.evaluate.rows import Floats
from bandstand.evaluate.scored import Case, Scored, normalised
from bandstand.stats.slate_weights import examination_weights
from bandstand.stats.slates import cascade_scores


def _rewards(case: Case) -> Floats:
    """By position; what came for the slate as a whole hangs on all its picks, so it counts with the last."""
    rewards = case.rows.rewards(case.metric)
    rewards[np.arange(len(rewards)), case.rows.lengths - 1] += case.rows.wholes(case.metric)
    return rewards


def _prefix(case: Case) -> Floats:
    return np.cumprod(case.rows.ratios(case.target), axis=1, dtype=np.float64)


def cascade(case: Case, *, divided: bool) -> Scored:
    return _slates(_prefix(case), _rewards(case), divided=divided)


def whole(case: Case, *, divided: bool) -> Scored:
    prefix = _prefix(case)
    return _slates(np.repeat(prefix[:, -1:], prefix.shape[1], axis=1), _rewards(case), divided=divided)


def independent(case: Case, *, divided: bool) -> Scored:
    assert isinstance(case.evidence, Reach)
    above, below = case.evidence.target(case.rows, case.target), case.evidence.logged(case.rows)
    weights = np.diagonal(above, axis1=1, axis2=2) / np.diagonal(below, axis1=1, axis2=2)
    there = np.arange(case.rows.length) < case.rows.lengths[:, None]
    return _slates(np.where(there, weights, 1.0), _rewards(case), divided=divided)


def position_based(case: Case, *, divided: bool) -> Scored:
    r"""Divided, if at all, by the mean of :math:`\sum_k \theta_k w_k / \sum_k \theta_k`, whose expectation is 1; that
    of a single position's weights is not, for a good target moves good items up."""
    assert isinstance(case.evidence, Reach)
    theta = examination(case)
    above, below = case.evidence.target(case.rows, case.target), case.evidence.logged(case.rows)
    weights = examination_weights(above, below, theta)
    there = np.arange(case.rows.length) < case.rows.lengths[:, None]
    seen = theta * there
    mean = np.sum(weights * seen, axis=1) / seen.sum(axis=1)
    scores = np.sum(np.where(there, weights, 0.0) * _rewards(case), axis=1)
    rewards = np.divide(scores, mean, out=np.zeros_like(scores), where=mean > 0)
    found = Scored((scores,), (None,), mean, rewards, float(theta.sum() / theta.min()), slots=weights)
    return normalised(found) if divided else found


def examination(case: Case) -> Floats:
    r"""How likely each position is to be looked at, as given or from the log itself: :math:`\theta_k \propto \sum_i
    r_{i,k} / \Pr_\mathrm{logging}(a_{i,k} @ k)`, in which every candidate counts once at every position.

    References
    ----------
    .. [1] Joachims, Swaminathan, Schnabel (2017), "Unbiased learning-to-rank with biased feedback", WSDM,
       arXiv:1608.04468, section 5.1, whose swaps are replaced by the logger's known marginals.
    """
    assert isinstance(case.evidence, Reach)
    given, length = case.question.examination, case.rows.length
    if isinstance(given, tuple):
        first = case.rows.first_positions
        if len(given) < length + int(first.max(initial=0)):
            raise InputError(
                f"examination: {len(given)} values for {length} positions, must be one each", field="examination"
            )
        if first.any():
            raise InputError("examination: later pages are among the slates, must be first ones", field="examination")
        return np.array(given[:length])
    below = np.diagonal(case.evidence.logged(case.rows), axis1=1, axis2=2)
    there = np.arange(length) < case.rows.lengths[:, None]
    found = np.sum(np.where(there, _rewards(case) / below, 0.0), axis=0) / there.sum(axis=0)
    if not (found > 0).all():
        raise InputError(
            "examination: some position has no reward, so it cannot be estimated; give it, as --examination 1,0.6,0.4",
            field="examination",
        )
    return np.asarray(found / found[0])


def inverse(case: Case, *, divided: bool) -> Scored:
    assert isinstance(case.evidence, Inverse)
    weights, rewards = case.evidence.weights(case.target), case.rows.earned(case.metric)
    found = Scored((weights * rewards,), (None,), weights, rewards, float(case.rows.length), plain=False)
    return normalised(found) if divided else found


def cascade_dr(case: Case, *, divided: bool = False) -> Scored:
    r"""Divided, if at all, by the mean weights of each position: :math:`\sum_k \frac{\sum_i w_{i,1:k} (r_{i,k} -
    \hat Q_{i,k})}{\sum_i w_{i,1:k}} + \frac{\sum_i w_{i,1:k-1} \hat V_{i,k}}{\sum_i w_{i,1:k-1}}`.

    References
    ----------
    .. [1] Thomas, Brunskill (2016), "Data-efficient off-policy policy evaluation for reinforcement learning", ICML,
       arXiv:1604.00923: the weighted doubly robust estimator, whose steps are positions here.
    """
    assert isinstance(case.evidence, Sketches)
    weights, rewards = _prefix(case), _rewards(case)
    found = regression.cascade(case.rows, case.evidence, case.target, rewards)
    mean, earned, length = weights.mean(axis=1), case.rows.earned(case.metric), weights.shape[1]
    if not divided:
        scores = cascade_scores(rewards, weights, predicted=found.shown, expected=found.expected)
        return Scored((scores,), (None,), mean, earned, float(length), plain=False)
    above: list[Floats] = [found.expected[:, 0]]
    below: list[Floats | None] = [None]
    for k in range(length):
        if weights[:, k].any():
            corrections = weights[:, k] * (rewards[:, k] - found.shown[:, k])
            further = weights[:, k] * found.expected[:, k + 1] if k + 1 < length else 0.0
            above.append(corrections + further)
            below.append(weights[:, k])
    return Scored(tuple(above), tuple(below), mean, earned, float(length), plain=False)


def _slates(weights: Floats, rewards: Floats, *, divided: bool) -> Scored:
    """One weight a position, each 1 on average. The row's own is their mean, and its reward what is left of its score:
    at most `length` rewards of one pick."""
    scores = np.sum(weights * rewards, axis=1)
    mean = weights.mean(axis=1)
    left = np.divide(scores, mean, out=np.zeros_like(scores), where=mean > 0)
    length = weights.shape[1]
    if not divided:
        return Scored((scores,), (None,), mean, left, float(length), slots=weights)
    here = [k for k in range(length) if weights[:, k].any()]
    above = tuple(weights[:, k] * rewards[:, k] for k in here)
    return Scored(above, tuple(weights[:, k] for k in here), mean, left, float(length), slots=weights)
