import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import f as fisher
from statsmodels.regression.linear_model import WLS

from bandstand.errors import InputError
from bandstand.stats.offpolicy import empirical_likelihood, ips, snips
from bandstand.stats.weights import WeightedSums, importance_weights

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "off_policy_single.json").read_text())["cases"]


def log(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(REFERENCE / case["csv"], "rt") as file:
        rows = np.genfromtxt(file, delimiter=",", names=True)
    return rows["r"], importance_weights(rows["p_pred"], rows["p_log"])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunks", [1, 7])
def test_empirical_likelihood_equals_that_of_vw_estimators(name: str, chunks: int) -> None:
    case = CASES[name]
    rewards, weights = log(case)
    parts = zip(np.array_split(rewards, chunks), np.array_split(weights, chunks), strict=True)
    sums = sum((WeightedSums.of(r, w) for r, w in parts), WeightedSums())
    for key, max_weight in (("cressieread", math.inf), ("cressieread[wmax=max]", sums.max_w)):
        found = empirical_likelihood(sums, max_weight=max_weight)
        assert found.value == pytest.approx(case["estimates"][key], abs=1e-9)
        assert (found.low, found.high) == pytest.approx(case["intervals"][key], abs=1e-9)


def clustered(rng: np.random.Generator, users: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    owner = rng.integers(0, users, size=400)
    return rng.binomial(1, 0.3, size=400).astype(float), rng.exponential(size=400), owner


@pytest.mark.parametrize("max_weight", [30.0, math.inf])
def test_clusters_of_one_row_change_nothing(max_weight: float, rng: np.random.Generator) -> None:
    rewards, weights, _ = clustered(rng)
    plain, single = (
        empirical_likelihood(WeightedSums.of(rewards, weights, clusters=c), max_weight=max_weight)
        for c in (None, np.arange(400))
    )
    assert single[:3] == pytest.approx(plain[:3], rel=1e-9)


def test_equal_rows_of_a_user_count_as_one_row(rng: np.random.Generator) -> None:
    # Five copies of each row, by user: the same table of units, each five times as long.
    rewards, weights, _ = clustered(rng)
    plain = empirical_likelihood(WeightedSums.of(rewards, weights), max_weight=30.0)
    five = [np.repeat(each, 5) for each in (rewards, weights, np.arange(400))]
    found = empirical_likelihood(WeightedSums.of(*five[:2], clusters=five[2]), max_weight=30.0)
    assert found[:3] == pytest.approx(plain[:3], rel=1e-9)
    assert found.n == 2000


def test_ends_of_a_clustered_interval_are_those_of_the_divergence_itself(rng: np.random.Generator) -> None:
    # The definition, solved numerically: T(V) = N · h̄ᵀ C⁻¹ h̄ of (W - m, R - V m) over all users and the unseen one.
    rewards, weights, owner = clustered(rng)
    sums = WeightedSums.of(rewards, weights, clusters=owner)
    m, big_w, big_r = (np.bincount(owner, each) for each in (np.ones(400), weights, weights * rewards))
    g, most, longest = m.size, 12.0 * m.max(), m.max()

    def divergence(value: float, unseen: float, reward: float) -> float:
        rows, total, earned = np.append(m, longest), np.append(big_w, unseen), np.append(big_r, unseen * reward)
        table = np.stack([total - rows, earned - value * rows])
        return float(table.mean(axis=1) @ np.linalg.solve(np.cov(table, ddof=0), table.mean(axis=1)))

    likeliest = most if weights.sum() < 400 else 0.0
    excess = np.append(big_w - m, likeliest - longest)
    budget = fisher.isf(0.05, 1, g) / (g + 1) + excess.mean() ** 2 / excess.var()
    found = empirical_likelihood(sums, max_weight=12.0)
    for end, reward in ((found.low, 0.0), (found.high, 1.0)):
        least = min(divergence(end, unseen, reward) for unseen in (0.0, most))
        assert least == pytest.approx(budget, rel=1e-9)


def test_the_logging_policy_on_its_own_log_earns_the_mean_reward(rng: np.random.Generator) -> None:
    rewards = rng.binomial(1, 0.3, size=500)
    sums = WeightedSums.of(rewards, np.ones(500))
    plain = rewards.std(ddof=1) / np.sqrt(500)
    for estimate in (ips(sums), snips(sums)):
        assert (estimate.value, estimate.std_error) == pytest.approx((rewards.mean(), plain))
    assert empirical_likelihood(sums, max_weight=2.0).value == pytest.approx(rewards.mean())


@pytest.mark.parametrize("estimator", [ips, snips])
def test_clustered_errors_are_those_of_statsmodels(estimator: Any, rng: np.random.Generator) -> None:
    # IPS is the intercept of wr, SNIPS that of r weighted by w; both with the usual G/(G-1) over G users.
    users = rng.integers(0, 80, size=600)
    weights = rng.exponential(size=600)
    rewards = rng.binomial(1, rng.beta(1, 2, size=80)[users]).astype(float)
    outcome, by = (weights * rewards, np.ones(600)) if estimator is ips else (rewards, weights)
    fit = WLS(outcome, np.ones(600), weights=by).fit(cov_type="cluster", cov_kwds={"groups": users})
    found = estimator(WeightedSums.of(rewards, weights, clusters=users))
    assert found.value == pytest.approx(float(fit.params[0]))
    assert found.std_error == pytest.approx(float(fit.bse[0]))
    assert found.n == 600


def test_snips_interval_is_that_of_its_influence_function(rng: np.random.Generator) -> None:
    rewards, weights = rng.binomial(1, 0.4, size=300), rng.exponential(size=300)
    value = np.average(rewards, weights=weights)
    influence = weights * (rewards - value) / weights.mean()
    found = snips(WeightedSums.of(rewards, weights))
    assert found.std_error == pytest.approx(influence.std(ddof=1) / np.sqrt(300))


def test_snips_does_not_move_when_all_weights_are_scaled(rng: np.random.Generator) -> None:
    rewards, weights = rng.binomial(1, 0.4, size=100), rng.exponential(size=100)
    one, other = (snips(WeightedSums.of(rewards, scale * weights)) for scale in (1, 3))
    assert one[:4] == pytest.approx(other[:4], rel=1e-12)


def test_empirical_likelihood_moves_and_scales_with_the_rewards(rng: np.random.Generator) -> None:
    rewards, weights = rng.binomial(1, 0.1, size=400), rng.exponential(size=400)
    small = empirical_likelihood(WeightedSums.of(rewards, weights), max_weight=20)
    large = empirical_likelihood(WeightedSums.of(50.0 * rewards - 10, weights), max_weight=20, reward_range=(-10, 40))
    assert (large.low, large.high) == pytest.approx((50 * small.low - 10, 50 * small.high - 10))


def test_a_tight_bound_on_the_weights_shortens_the_interval() -> None:
    sums = WeightedSums.of(*log(CASES["C_heavy_tail"]))
    tight, loose = (empirical_likelihood(sums, max_weight=bound) for bound in (150.0, math.inf))
    assert 2 * (tight.high - tight.low) < loose.high - loose.low


def test_a_log_without_rewards_gets_the_exact_binomial_bound() -> None:
    # With r ∈ {0, 1}, w = 1 ≤ 2: P(reward) has the upper bound 1 - .05^(1/50), each worth at most 2.
    found = empirical_likelihood(WeightedSums.of(np.zeros(50), np.ones(50)), max_weight=2.0)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(2 * (1 - 0.05 ** (1 / 50)))


def test_a_log_without_rewards_says_nothing_where_weights_have_no_bound() -> None:
    found = empirical_likelihood(WeightedSums.of(np.zeros(50), np.ones(50)), max_weight=math.inf)
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_log_that_the_target_never_follows_says_nothing() -> None:
    found = empirical_likelihood(WeightedSums.of([1.0, 0.0, 1.0], np.zeros(3)), max_weight=math.inf)
    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize("estimator", [ips, snips])
def test_equal_rewards_have_no_normal_interval(estimator: Any) -> None:
    with pytest.raises(InputError, match="use empirical_likelihood") as refusal:
        estimator(WeightedSums.of(np.zeros(50), np.ones(50)))
    assert refusal.value.code == "no_variation"


@pytest.mark.parametrize("estimator", [ips, snips])
def test_fewer_than_two_rows_are_refused(estimator: Any) -> None:
    for sums in (WeightedSums(), WeightedSums.of([1.0], [1.0])):
        with pytest.raises(InputError) as refusal:
            estimator(sums)
        assert refusal.value.code == "too_few"


@pytest.mark.parametrize(
    ("sums", "options", "message"),
    [
        (WeightedSums(), {"max_weight": 5.0}, "the log has no rows"),
        (WeightedSums.of([1.0], [2.0]), {"max_weight": 1.0}, r"max_weight is 1.0, must be > 1"),
        (WeightedSums.of([1.0], [2.0]), {"max_weight": math.nan}, r"max_weight is nan, must be > 1"),
        (WeightedSums.of([1.0], [9.0]), {"max_weight": 5.0}, "a weight of 9 exceeds max_weight 5"),
        (WeightedSums.of([2.0], [1.0]), {"max_weight": 5.0}, r"rewards lie between 2 and 2, must lie in"),
        (
            WeightedSums.of([1.0], [1.0]),
            {"max_weight": 5.0, "reward_range": (1.0, 1.0)},
            r"reward_range is \(1.0, 1.0\), must be finite and rise",
        ),
    ],
)
def test_bounds_that_do_not_hold_are_refused(sums: WeightedSums, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        empirical_likelihood(sums, **options)
