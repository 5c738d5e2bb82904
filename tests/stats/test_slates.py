from itertools import permutations
from typing import NamedTuple

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.slate_weights import prefix_weights
from bandstand.stats.slates import reward_interaction_ips, slate_scores


class World(NamedTuple):
    """Every slate there is: conditional propensities under both policies, and what a user gives each pick."""

    target: np.ndarray
    logging: np.ndarray
    rewards: np.ndarray

    @property
    def truth(self) -> float:
        """What the target earns, by summing over its slates."""
        return float(self.target.prod(axis=1) @ self.rewards.sum(axis=1))

    def expectation(self, scores: np.ndarray) -> float:
        """Of a score of each slate, under the logging policy."""
        return float(self.logging.prod(axis=1) @ scores)


def conditional(scores: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """Plackett–Luce: each pick drawn in proportion to its score from the items still left."""
    picked = scores[slates]
    return picked / (scores.sum() - np.cumsum(picked, axis=1) + picked)


def cascade(appeal: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """A user reads from the top, takes an item with its appeal and stops there (Craswell et al. 2008)."""
    taken = appeal[slates]
    return taken * np.cumprod(np.column_stack([np.ones(len(slates)), 1 - taken[:, :-1]]), axis=1)


def world(rng: np.random.Generator, *, items: int, length: int) -> World:
    slates = np.array(list(permutations(range(items), length)))
    target, logging = (conditional(rng.exponential(size=items) + 0.1, slates) for _ in range(2))
    return World(target, logging, cascade(rng.uniform(0.1, 0.9, size=items), slates))


def test_prefix_weights_are_unbiased_in_a_cascade_world(rng: np.random.Generator) -> None:
    for _ in range(20):
        w = world(rng, items=5, length=3)
        scores = slate_scores(w.rewards, prefix_weights(w.target, w.logging))
        assert w.expectation(scores) == pytest.approx(w.truth, abs=1e-10)


def test_weights_have_expectation_one_at_every_position(rng: np.random.Generator) -> None:
    w = world(rng, items=5, length=3)
    weights = prefix_weights(w.target, w.logging)
    assert [w.expectation(weights[:, k]) for k in range(3)] == pytest.approx([1.0, 1.0, 1.0], abs=1e-10)


def test_a_positions_own_ratio_alone_is_biased() -> None:
    # Three items, two slots. Item 2 is the good one; the logger puts it first, the target second. By hand: the
    # target's second pick earns Σ_ij π_e(i) π_e(j|i) v_j, but own-ratio weights average over the logger's firsts.
    slates = np.array(list(permutations(range(3), 2)))
    target, logging = conditional(np.array([8.0, 1, 1]), slates), conditional(np.array([1.0, 1, 8]), slates)
    value = np.array([0.1, 0.2, 0.9])
    second = np.column_stack([np.zeros(len(slates)), value[slates[:, 1]]])
    w = World(target, logging, second)
    own_ratio = slate_scores(second, target / logging)
    assert w.expectation(slate_scores(second, prefix_weights(target, logging))) == pytest.approx(w.truth, abs=1e-10)
    assert w.truth - w.expectation(own_ratio) > 0.2


def test_estimate_and_interval_are_the_mean_of_slate_scores(rng: np.random.Generator) -> None:
    w = world(rng, items=4, length=2)
    drawn = rng.choice(len(w.logging), p=w.logging.prod(axis=1), size=4000)
    rewards = rng.binomial(1, w.rewards[drawn])
    weights = prefix_weights(w.target[drawn], w.logging[drawn])
    scores = (weights * rewards).sum(axis=1)
    found = reward_interaction_ips(rewards, weights)
    assert (found.value, found.n, found.method) == (pytest.approx(scores.mean()), 4000, "reward_interaction_ips")
    assert found.std_error == pytest.approx(scores.std(ddof=1) / np.sqrt(4000))
    assert abs(found.value - w.truth) < 4 * scores.std(ddof=1) / np.sqrt(4000)


def test_users_with_many_slates_widen_the_interval(rng: np.random.Generator) -> None:
    taste = np.repeat(rng.integers(0, 2, size=100), 10)
    rewards, weights = np.column_stack([taste, taste]), np.ones((1000, 2))
    plain = reward_interaction_ips(rewards, weights)
    clustered = reward_interaction_ips(rewards, weights, clusters=np.repeat(np.arange(100), 10))
    # Ten equal slates a user are one: Var(mean) is Σd²/(100·99) over users, not 10 Σd²/(1000·999) over slates.
    assert plain.std_error is not None
    assert clustered.std_error == pytest.approx(plain.std_error * np.sqrt(999 / 99))


def test_the_logging_policy_has_weight_one_everywhere() -> None:
    logged = np.array([[0.3, 0.5, 1.0], [0.1, 0.2, 0.3]])
    assert (prefix_weights(logged, logged) == 1).all()


def test_a_flat_list_of_propensities_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(2,\), must be slates × positions"):
        prefix_weights([0.5, 0.5], [0.5, 0.5])


def test_a_missing_reward_is_refused_by_row_and_position() -> None:
    with pytest.raises(InputError, match="reward of row 0 position 1 is nan, must be finite"):
        slate_scores([[1.0, float("nan")]], [[1.0, 1.0]])


def test_rewards_and_weights_of_different_shape_are_refused() -> None:
    with pytest.raises(InputError, match="shapes differ"):
        slate_scores([[1.0, 0.0]], [[1.0]])
