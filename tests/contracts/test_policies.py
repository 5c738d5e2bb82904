"""What every policy promises; one that is added to the registry is tested by that."""

from itertools import permutations
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.chance import uniforms
from bandstand.policy import Policy, Slot
from bandstand.policy.baseline import Fixed
from bandstand.policy.explore import EpsilonGreedy, Softmax, SquareCB
from bandstand.policy.registry import AnyPolicy
from bandstand.slate import draw, pick, propensities

NAMES = ["a", "b", "c", "d", "e"]
TABLE = {"a": [0.5, 0.1], "b": [0.25, 0.0], "d": [0.25, 0.9]}
POLICIES = [kind(TABLE) if kind is Fixed else kind() for kind in get_args(AnyPolicy)]

every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array)


def slot(n: int, *, position: int = 0, learned: int = 100) -> Slot:
    return Slot([NAMES[k % 5] for k in range(n)], np.arange(n), position, learned)


@every_policy
@given(values=scores, position=st.integers(0, 20), learned=st.integers(0, 10**9))
def test_probabilities_are_a_distribution_over_the_items_left(
    policy: Policy, values: np.ndarray, position: int, learned: int
) -> None:
    chances = policy.probabilities(values, slot(len(values), position=position, learned=learned))
    assert chances.shape == values.shape
    assert (chances >= 0).all()
    assert chances.sum() == pytest.approx(1.0, abs=1e-9)


@every_policy
def test_all_slates_together_have_probability_one_and_each_is_drawn_with_its_own(policy: Policy) -> None:
    values = np.array([0.1, 0.4, 0.3, 0.3, -0.2])
    slates = {
        order: propensities(policy, values, NAMES, order, learned=50).prod() for order in permutations(range(5), 3)
    }
    assert sum(slates.values()) == pytest.approx(1.0, abs=1e-12)
    for k in range(200):
        drawn = draw(policy, values, NAMES, chances=uniforms("draw", k, first=0, count=3), learned=50)
        order = tuple(one.chosen for one in drawn)
        logged = [one.propensity for one in drawn]
        np.testing.assert_allclose(propensities(policy, values, NAMES, order, learned=50), logged, atol=1e-12)


def test_slates_come_as_often_as_their_propensity_says() -> None:
    values = np.array([0.0, 0.02, 0.05])
    policy, rounds = Softmax(), 20_000
    counts = dict.fromkeys(permutations(range(3), 2), 0)
    for k in range(rounds):
        drawn = draw(policy, values, NAMES[:3], chances=uniforms("often", k, first=0, count=2))
        counts[tuple(one.chosen for one in drawn)] += 1
    for order, count in counts.items():
        p = propensities(policy, values, NAMES[:3], order).prod()
        # Six slates; five standard errors of a binomial share leave one false alarm in 300,000.
        assert abs(count / rounds - p) < 5 * (p * (1 - p) / rounds) ** 0.5


def test_exploration_starts_anew_at_each_slot() -> None:
    # Renormalising the first slot's distribution would make every later slot uniform once the best item is gone.
    values = np.array([0.9, 0.8, 0.1, 0.0])
    second = propensities(EpsilonGreedy(0.1), values, NAMES[:4], [0, 1])[1]
    assert second == pytest.approx(0.9 + 0.1 / 3)


def test_epsilon_greedy_shares_the_best_among_ties() -> None:
    chances = EpsilonGreedy(0.2).probabilities(np.array([1.0, 0.0, 1.0, 0.0]), slot(4))
    np.testing.assert_allclose(chances, [0.45, 0.05, 0.45, 0.05])


def test_squarecb_weighs_by_the_inverse_gap() -> None:
    # Foster & Rakhlin (2020): 1 / (K + γ·gap), γ = 10 · √100.
    chances = SquareCB().probabilities(np.array([0.5, 0.4, 0.0]), slot(3))
    np.testing.assert_allclose(chances[1:], [1 / (3 + 100 * 0.1), 1 / (3 + 100 * 0.5)])


def test_fixed_table_gives_each_position_its_own_shares() -> None:
    policy = Fixed(TABLE)
    first = policy.probabilities(np.zeros(5), Slot(NAMES, np.arange(5), 0, 0))
    np.testing.assert_allclose(first, [0.5, 0.25, 0, 0.25, 0])
    later = policy.probabilities(np.zeros(5), Slot(NAMES, np.arange(5), 7, 0))
    np.testing.assert_allclose(later, [0.1, 0, 0, 0.9, 0])


@pytest.mark.parametrize("chance", [0.0, 0.3, 1 - 2**-53])
def test_an_item_without_probability_is_never_picked(chance: float) -> None:
    assert pick(np.array([0.0, 0.5, 0.5, 0.0]), chance) in (1, 2)


def test_a_slate_that_the_candidates_do_not_hold_has_no_probability_from_there_on() -> None:
    found = propensities(EpsilonGreedy(), np.zeros(3), NAMES[:3], [0, -1, 1])
    np.testing.assert_allclose(found, [1 / 3, 0, 0])
