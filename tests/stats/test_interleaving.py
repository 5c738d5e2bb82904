import csv
import gzip
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import WLS

from bandstand.errors import InputError
from bandstand.stats.interleaving import credit_preference, preference, preference_sequence, randomisation
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import mean_sequence

WIKIMEDIA = Path(__file__).parents[1] / "reference" / "interleaving"


def clicks_by_search(name: str) -> np.ndarray:
    """Clicks on what A and what B contributed, one row for each search with a click."""
    clicks: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    with gzip.open(WIKIMEDIA / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["event"] == "click":
                clicks[row["search_id"]]["AB".index(row["ranking_function"])] += 1
    return np.array(list(clicks.values()))


@pytest.mark.parametrize(("name", "delta"), [("a-pref", 0.371413), ("no-pref", 0.030286)])
def test_the_preference_of_wikimedias_searches_is_theirs(name: str, delta: float) -> None:
    # Theirs is in favour of A.
    a, b = clicks_by_search(name).T
    found = preference(a > b, b > a, a == b)
    assert found.delta == pytest.approx(-delta, abs=5e-7)
    assert (found.high < 0) == (name == "a-pref")
    # The coins alone say the same: of a search with a click each side is as likely to win, where positions alone count.
    tie = np.mean(a == b)
    by_coin = randomisation([[(1 - tie) / 2, tie, (1 - tie) / 2]] * len(a), int((a > b).sum()), int((b > a).sum()))
    assert by_coin == pytest.approx(found.p_value, abs=0.005)


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


def test_one_reward_an_impression_makes_credit_and_wins_the_same(rng: np.random.Generator) -> None:
    a, b, neither = rng.integers(0, 5, size=(3, 50))
    assert credit_preference(a, b, a + b + neither) == preference(a, b, neither)


def test_rewards_that_may_be_negative_count_by_their_size() -> None:
    found = credit_preference([0.0, 0.0, 1.0], [-1.0, 2.0, 0.5], [1.0, 2.0, 2.0])
    assert found.delta == pytest.approx((-1 + 2 - 0.5) / 2 / 5)
    assert (found.users_for_a, found.users_for_b) == (2, 1)


def test_the_sequence_is_that_of_users_mean_preference(rng: np.random.Generator) -> None:
    # Users with the same number of rewards: the linearised preference is each one's own.
    b = rng.binomial(4, 0.6, size=200)
    found = preference_sequence(4 - b, b, np.full(200, 4), horizon=300)
    assert found == pytest.approx(mean_sequence(Moments.of(b / 4 - 0.5), horizon=300))
    fixed = credit_preference(4 - b, b, np.full(200, 4))
    assert found.low < fixed.low < fixed.high < found.high


def test_fair_coins_give_the_sign_test() -> None:
    for wins in (0, 3, 7, 12):
        expected = stats.binomtest(wins, 12).pvalue
        assert randomisation([[0.5, 0.0, 0.5]] * 12, 12 - wins, wins) == pytest.approx(expected)


def test_coins_of_any_kind_give_the_sum_over_all_their_ways(rng: np.random.Generator) -> None:
    chances = rng.dirichlet([1, 1, 1], size=7)
    centre = float((chances[:, 2] - chances[:, 0]).sum())
    for wins_a, wins_b in ((5, 1), (2, 3), (0, 7)):
        expected = 0.0
        for fallen in product((-1, 0, 1), repeat=7):
            if abs(sum(fallen) - centre) >= abs(wins_b - wins_a - centre) - 1e-12:
                expected += float(np.prod([row[1 + one] for row, one in zip(chances, fallen, strict=True)]))
        assert randomisation(chances, wins_a, wins_b) == pytest.approx(expected)


def test_impressions_whose_winner_no_coin_decides_leave_the_others_as_they_are() -> None:
    certain = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    fair = [[0.5, 0.0, 0.5]] * 9
    assert randomisation([*certain, *fair], 1 + 1, 1 + 8) == pytest.approx(randomisation(fair, 1, 8))


@pytest.mark.parametrize("chances", [[], [[0.0, 1.0, 0.0]] * 5, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
def test_coins_that_decide_nothing_are_refused(chances: list[list[float]]) -> None:
    with pytest.raises(InputError, match=f"the coins decided none of {len(chances)} rewarded impression"):
        randomisation(chances, 0, 0)


def test_chances_that_do_not_add_up_are_refused_by_row() -> None:
    with pytest.raises(InputError, match=r"sum of chances of row 1 is 0.9\d*, must be 1"):
        randomisation([[0.5, 0.0, 0.5], [0.5, 0.0, 0.4]], 1, 1)
