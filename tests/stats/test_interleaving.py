from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import WLS

from bandstand.errors import InputError
from bandstand.stats.interleaving import preference


@pytest.mark.parametrize("name", ["no-pref", "a-pref", "b-pref"])
def test_preference_equals_wikimedias_with_the_sign_turned(constants: dict[str, Any], name: str) -> None:
    # There Δ is in favour of A, and each search is its own unit; ours favours B.
    case = constants["interleaving_preference"][name]
    outcome = np.repeat([0, 1, 2], [case["wA"], case["wB"], case["ties"]])
    found = preference(outcome == 0, outcome == 1, outcome == 2)
    assert found.delta == pytest.approx(-case["delta"], abs=1e-6)
    assert (found.users_for_a, found.users_for_b) == (case["wA"], case["wB"])
    assert found.sign_p_value == stats.binomtest(case["wB"], case["wA"] + case["wB"]).pvalue


def test_one_impression_a_user_gives_the_plain_t_test(rng: np.random.Generator) -> None:
    credit = rng.choice([-1, 0, 1], p=[0.2, 0.4, 0.4], size=300)  # −1: A wins, 1: B wins
    expected = stats.ttest_1samp(credit / 2, 0.0)
    found = preference(credit == -1, credit == 1, credit == 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_many_impressions_a_user_give_the_clustered_standard_error_of_statsmodels(
    rng: np.random.Generator,
) -> None:
    seen = rng.integers(1, 30, size=100)
    wins_b = rng.binomial(seen, rng.beta(2, 2, size=100))
    fit = WLS(wins_b / seen - 0.5, np.ones(100), weights=seen).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(100)}
    )
    found = preference(seen - wins_b, wins_b, np.zeros(100))
    assert found.delta == pytest.approx(float(fit.params[0]))
    assert found.std_error == pytest.approx(float(fit.bse[0]))


def test_swapping_the_rankers_turns_the_sign(rng: np.random.Generator) -> None:
    a, b, ties = rng.integers(0, 5, size=(3, 50))
    one, other = preference(a, b, ties), preference(b, a, ties)
    assert one.delta == -other.delta
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (one.p_value, one.sign_p_value) == pytest.approx((other.p_value, other.sign_p_value))


def test_one_heavy_user_does_not_decide_the_vote() -> None:
    # 1000 impressions of one user favour B, one impression of each of nine users favours A.
    found = preference([0] + [1] * 9, [1000] + [0] * 9, [0] * 10)
    assert found.delta > 0.4
    assert (found.users_for_a, found.users_for_b) == (9, 1)
    assert found.sign_p_value < 0.05


def test_users_who_saw_nothing_are_left_out() -> None:
    assert preference([1, 0, 2, 0], [0, 2, 1, 0], [1, 1, 1, 0]) == preference([1, 0, 2], [0, 2, 1], [1, 1, 1])


@pytest.mark.parametrize("credits", [([], [], []), ([1], [0], [0]), ([0, 1], [0, 0], [0, 0])])
def test_fewer_than_two_users_are_refused(credits: tuple[list[int], list[int], list[int]]) -> None:
    with pytest.raises(InputError, match="a preference needs 2; wait for more data"):
        preference(*credits)


@pytest.mark.parametrize("credits", [([0, 0], [0, 0], [3, 5]), ([0, 0, 0], [1, 2, 9], [0, 0, 0])])
def test_users_who_are_all_alike_are_refused(credits: tuple[list[int], list[int], list[int]]) -> None:
    with pytest.raises(InputError, match="have the same preference, which has no interval"):
        preference(*credits)


def test_negative_credit_is_refused_by_row() -> None:
    with pytest.raises(InputError, match="wins_b of row 1 is -2, must be >= 0"):
        preference([1, 1], [1, -2], [0, 0])
