import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from bandstand import data
from bandstand.errors import InputError
from bandstand.stats.intervals import bernstein, clopper_pearson, rare_events
from bandstand.stats.offpolicy import empirical_likelihood
from bandstand.stats.weights import WeightedSums, importance_weights

REFERENCE = Path(__file__).parents[1] / "reference"
CASES = json.loads((REFERENCE / "stats" / "off_policy_single.json").read_text())["cases"]
CAMPAIGN = json.loads((REFERENCE / "obd_men.json").read_text())["cases"]["men:random->bts"]


def log(case: dict[str, Any]) -> WeightedSums:
    with gzip.open(REFERENCE / "stats" / case["csv"], "rt") as file:
        rows = np.genfromtxt(file, delimiter=",", names=True)
    return WeightedSums.of(rows["r"], importance_weights(rows["p_pred"], rows["p_log"]))


def campaign() -> tuple[np.ndarray, np.ndarray]:
    """Rewards and weights of the men's campaign, chosen at random, under Bernoulli TS."""
    pmf = np.genfromtxt(data.path("obd/action_dist_bts_men.csv"), delimiter=",", skip_header=1)[:, 1:]
    with gzip.open(data.path("obd/random/men") / "men.csv.gz", "rt") as file:
        rows = np.genfromtxt(file, delimiter=",", skip_header=1, usecols=(2, 3, 4, 5))
    item, position = rows[:, 0].astype(int), rows[:, 1].astype(int) - 1
    return rows[:, 2], importance_weights(pmf[item, position], rows[:, 3])


@pytest.mark.parametrize("name", CASES)
def test_weighted_clopper_pearson_equals_that_of_vw_estimators(name: str) -> None:
    sums = log(CASES[name])
    found = clopper_pearson(sums, max_weight=sums.max_w)
    assert (found.low, found.high) == pytest.approx(CASES[name]["intervals"]["clopper_pearson"], abs=1e-9)
    assert found.value == pytest.approx(CASES[name]["estimates"]["ips"], abs=1e-9)


def test_bernsteins_lower_end_equals_that_of_obp() -> None:
    # obp takes the greatest wr seen for R, on one side at 0.05, where ours takes what is possible, on both at 0.1.
    rewards, weights = campaign()
    n, seen = len(rewards), float((rewards * weights).max())
    found = bernstein(WeightedSums.of(rewards, weights), max_weight=weights.max(), alpha=0.1)
    narrower = 7 * (weights.max() - seen) * math.log(2 / 0.05) / (3 * (n - 1))
    expected = CAMPAIGN["ci"]["ipw_empirical_bernstein_lower_0.05(x_max=empirical max)"]
    assert found.low + narrower == pytest.approx(expected, abs=1e-9)


def test_bernstein_takes_the_range_of_weighted_rewards_on_both_sides_of_zero() -> None:
    sums = WeightedSums.of([1.0, -1.0] * 500, np.ones(1000))
    found = bernstein(sums, max_weight=2, reward_range=(-1, 1))
    # R = 2·(1 − (−1)) = 4; s² = 1000/999; by the formula.
    log_term = math.log(80)
    margin = math.sqrt(2 * 1000 / 999 * log_term / 1000) + 7 * 4 * log_term / (3 * 999)
    assert (found.low, found.high) == pytest.approx((-margin, margin))


def test_clopper_pearson_of_equal_weights_is_that_of_scipy() -> None:
    rewards = np.repeat([1.0, 0.0], [7, 93])
    found = clopper_pearson(WeightedSums.of(rewards, np.ones(100)), max_weight=1 + 1e-12)
    exact = binomtest(7, 100).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_a_log_of_rewards_only_has_the_highest_end() -> None:
    assert clopper_pearson(WeightedSums.of(np.ones(9), np.ones(9)), max_weight=1 + 1e-12).high == pytest.approx(1.0)


@pytest.mark.parametrize("events", [0, 3, 19])
def test_few_events_widen_the_interval_to_the_exact_one(events: int) -> None:
    sums = WeightedSums.of(np.repeat([1.0, 0.0], [events, 400 - events]), np.tile([0.5, 1.5], 200))
    found = rare_events(sums, max_weight=3.0)
    inner = [empirical_likelihood(sums, max_weight=3.0), clopper_pearson(sums, max_weight=3.0)]
    assert found.low == min(each.low for each in inner)
    assert found.high == max(each.high for each in inner)
    assert (found.value, found.method) == (inner[0].value, "rare_events")


def test_many_events_leave_empirical_likelihood_as_it_is() -> None:
    sums = WeightedSums.of(np.repeat([1.0, 0.0], [20, 380]), np.tile([0.5, 1.5], 200))
    assert rare_events(sums, max_weight=3.0)[:3] == empirical_likelihood(sums, max_weight=3.0)[:3]


def test_few_events_with_unbounded_weights_leave_the_upper_end_open() -> None:
    sums = WeightedSums.of(np.repeat([1.0, 0.0], [3, 397]), np.tile([0.5, 1.5], 200))
    assert rare_events(sums, max_weight=math.inf).high == 1.0


@pytest.mark.parametrize(
    ("interval", "rewards", "options", "message"),
    [
        (bernstein, [1.0, 0.0], {"max_weight": math.inf}, "must be finite for Bernstein"),
        (bernstein, [1.0, 0.0], {"max_weight": 1.5}, "a weight of 2 exceeds max_weight 1.5"),
        (clopper_pearson, [0.5, 0.0], {"max_weight": 4.0}, "rewards are not all 0 or 1"),
    ],
)
def test_bounds_that_do_not_hold_are_refused(
    interval: Any, rewards: list[float], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        interval(WeightedSums.of(rewards, [2.0, 1.0]), **options)


def test_a_bound_that_is_huge_is_as_none() -> None:
    rng = np.random.default_rng(0)
    weights = rng.pareto(1.1, 3000)
    sums = WeightedSums.of(rng.random(3000) < 0.1, weights / weights.mean())
    free = empirical_likelihood(sums, max_weight=math.inf)
    for bound in (1e9, 1e12, 9.4e19):
        assert empirical_likelihood(sums, max_weight=bound).high == pytest.approx(free.high, rel=0.01)


@pytest.mark.parametrize("max_weight", [1.5, math.inf])
def test_rare_misses_count_as_rare_events_do(max_weight: float) -> None:
    # Where all weights are one, rewards of 0 and of 1 change places and the interval turns round.
    for missed in range(25):
        rewards = np.repeat([0.0, 1.0], [missed, 500 - missed])
        of_hits, of_misses = (
            rare_events(WeightedSums.of(each, np.ones(500)), max_weight=max_weight) for each in (1 - rewards, rewards)
        )
        assert (1 - of_misses.high, 1 - of_misses.low) == pytest.approx((of_hits.low, of_hits.high), abs=1e-9)


def test_intervals_of_rare_misses_cover() -> None:
    # the misses of 500 rows, 1 in 100 of them, under weights of one: every outcome and how likely it is
    outcomes = binom(500, 0.01).pmf(np.arange(30))
    covered = 0.0
    for missed, share in enumerate(outcomes.tolist()):
        sums = WeightedSums.of(np.repeat([0.0, 1.0], [missed, 500 - missed]), np.ones(500))
        found = rare_events(sums, max_weight=1.5)
        covered += share * (found.low <= 0.99 <= found.high)
    assert covered >= 0.95  # empirical likelihood alone: 0.92


@pytest.mark.parametrize("max_weight", [1.5, math.inf])
def test_intervals_cover_where_few_users_have_all_events(max_weight: float) -> None:
    # 300 users with 30 rows each, 1 in 100 of whom likes all that is shown: every outcome and how likely it is
    user, covered = np.repeat(np.arange(300), 30), 0.0
    for liking, share in enumerate(binom(300, 0.01).pmf(np.arange(20)).tolist()):
        sums = WeightedSums.of((user < liking).astype(np.float64), np.ones(9000), clusters=user)
        found = rare_events(sums, max_weight=max_weight)
        covered += share * (found.low <= 0.01 <= found.high)
    assert covered >= 0.95  # where 30 rows of one user were 30 events: 0.84
