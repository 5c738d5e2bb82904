import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from bandstand.errors import InputError
from bandstand.stats.interleaving import credit_preference
from bandstand.stats.interleaving_power import (
    power_of_users,
    preference_moments,
    simulated_power,
    users_needed,
)
from bandstand.stats.power import always_valid_critical

Past = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def past(rng: np.random.Generator) -> Past:
    """Credits of users who differ in activity and in taste."""
    rewards = 1 + rng.poisson(rng.lognormal(0.5, 0.8, size=2000))
    for_b = rng.binomial(rewards, rng.beta(4, 4, size=2000))
    return rewards - for_b, for_b, rewards


def test_past_preferences_have_the_spread_of_the_test(past: Past) -> None:
    found, moments = credit_preference(*past), preference_moments(*past)
    assert moments.mean == pytest.approx(found.delta)
    assert moments.std_error == pytest.approx(found.std_error)


def test_users_and_power_are_those_of_statsmodels_one_sample_test(past: Past) -> None:
    moments = preference_moments(*past)
    size = 0.02 / moments.variance**0.5
    users = users_needed(moments, effect=0.02)
    assert users == pytest.approx(TTestPower().solve_power(effect_size=size, alpha=0.05, power=0.8), rel=0.01)
    assert power_of_users(moments, users, effect=0.02) == pytest.approx(0.8, abs=1e-3)
    assert TTestPower().power(size, users, 0.05) == pytest.approx(0.8, abs=5e-3)
    assert users_needed(moments, effect=0.02, z=always_valid_critical()) > 1.8 * users


def test_simulation_finds_the_power_of_the_formula_where_users_are_many(past: Past) -> None:
    users = users_needed(preference_moments(*past), effect=0.05)
    found = simulated_power(*past, users=users, effect=0.05, runs=1500)
    assert found.low - 0.01 < 0.8 < found.high + 0.01
    assert found == simulated_power(*past, users=users, effect=0.05, runs=1500)


def test_without_an_effect_the_simulated_test_finds_one_as_often_as_alpha_says(past: Past) -> None:
    found = simulated_power(*past, users=400, effect=0.0, runs=2000, alpha=0.1)
    assert found.low - 0.01 < 0.1 < found.high + 0.01


def test_what_cannot_be_planned_is_refused(past: Past) -> None:
    with pytest.raises(InputError, match="users is 1, must be at least 2"):
        simulated_power(*past, users=1, effect=0.1)
    with pytest.raises(InputError, match="have the same preference"):
        simulated_power([1, 1], [0, 0], [1, 1], users=10, effect=0.1)
    with pytest.raises(InputError, match="effect is 0"):
        users_needed(preference_moments(*past), effect=0.0)
