"""What the statistics claim about their own errors, held against simulated worlds where the truth is known."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from bandstand.stats.interleaving import preference, preference_sequence, randomisation
from bandstand.stats.means import difference, proportions_difference, ratio_difference
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.offpolicy import Estimate, empirical_likelihood, ips, snips
from bandstand.stats.sample_ratio import sample_ratio
from bandstand.stats.weights import WeightedSums, importance_weights

pytestmark = pytest.mark.calibration

# A sound test fails one of these runs once in a million times; the runs are seeded besides.
CHANCE = 1e-6


def assert_rate(hits: int, runs: int, low: float, high: float) -> None:
    """The observed rate is possible under some true rate between low and high."""
    assert binom.ppf(CHANCE, runs, low) <= hits <= binom.isf(CHANCE, runs, high), f"{hits / runs:.4f}"


def clicks(rng: np.random.Generator, users: int) -> tuple[np.ndarray, np.ndarray]:
    """Clicks and impressions of users who differ in activity and in taste, so that impressions are clustered."""
    impressions = 1 + rng.poisson(rng.lognormal(1.0, 0.8, size=users))
    return rng.binomial(impressions, rng.beta(1, 6, size=users)), impressions


def test_aa_tests_of_means_reject_five_percent(rng: np.random.Generator) -> None:
    arms = rng.gamma(0.5, size=(10_000, 2, 300))
    rejected = sum(difference(Moments.of(t), Moments.of(c)).p_value < 0.05 for t, c in arms)
    assert 0.04 < rejected / 10_000 < 0.06


def test_aa_tests_of_ratios_reject_five_percent_though_impressions_are_clustered(
    rng: np.random.Generator,
) -> None:
    def arm() -> PairMoments:
        return PairMoments.of(*clicks(rng, 400))

    rejected = sum(ratio_difference(arm(), arm()).p_value < 0.05 for _ in range(10_000))
    assert 0.04 < rejected / 10_000 < 0.06


def test_tests_that_take_impressions_for_users_reject_far_too_often(rng: np.random.Generator) -> None:
    def rejects() -> bool:
        (m_t, d_t), (m_c, d_c) = clicks(rng, 400), clicks(rng, 400)
        return proportions_difference(*(int(n.sum()) for n in (m_t, d_t, m_c, d_c))).p_value < 0.05

    # Σd²/Σd = 8.2 and an intra-class correlation of 1/8 give a design effect of 1.9, hence about 15 %.
    assert sum(rejects() for _ in range(500)) / 500 > 0.09


def test_aa_tests_of_small_proportions_reject_at_most_about_five_percent(rng: np.random.Generator) -> None:
    counts = rng.binomial(60, 0.1, size=(2000, 2)).tolist()
    rejected = sum(proportions_difference(t, 60, c, 60).p_value < 0.05 for t, c in counts if t + c)
    assert_rate(rejected, 2000, 0.03, 0.06)


def test_intervals_of_small_proportions_cover_their_difference(rng: np.random.Generator) -> None:
    found = [
        proportions_difference(t, 60, c, 40)
        for t, c in rng.binomial([60, 40], [0.1, 0.2], size=(2000, 2)).tolist()
        if t + c
    ]
    assert_rate(sum(e.low <= -0.1 <= e.high for e in found), len(found), 0.94, 0.97)


def test_lift_intervals_cover_the_true_lift(rng: np.random.Generator) -> None:
    covered = 0
    for treatment, control in zip(
        rng.gamma(2.0, 1.1, size=(4000, 300)), rng.gamma(2.0, 1.0, size=(4000, 300)), strict=True
    ):
        lift = difference(Moments.of(treatment), Moments.of(control)).relative
        covered += lift is not None and lift.low < 0.1 < lift.high
    assert_rate(covered, 4000, 0.94, 0.96)


def test_interleaving_without_preference_rejects_five_percent(rng: np.random.Generator) -> None:
    def p_value() -> float:
        seen = 1 + rng.poisson(rng.lognormal(1.0, 0.8, size=200))
        wins_b = rng.binomial(seen, rng.beta(2, 2, size=200))  # a user's taste leans one way, users' do not
        return preference(seen - wins_b, wins_b, np.zeros(200)).p_value

    assert_rate(sum(p_value() < 0.05 for _ in range(4000)), 4000, 0.04, 0.06)


def test_a_preference_sequence_looked_at_a_hundred_times_alarms_in_five_percent_at_most(
    rng: np.random.Generator,
) -> None:
    def alarms() -> bool:
        seen = 1 + rng.poisson(rng.lognormal(1.0, 0.8, size=3000))
        wins_b = rng.binomial(seen, rng.beta(2, 2, size=3000))
        looks = (((seen - wins_b)[:n], wins_b[:n], seen[:n]) for n in range(100, 3001, 29))
        return any(preference_sequence(*look, horizon=1500).p_value < 0.05 for look in looks)

    assert_rate(sum(alarms() for _ in range(400)), 400, 0.0, 0.05)


def test_randomisation_tests_of_few_impressions_reject_five_percent_at_most(rng: np.random.Generator) -> None:
    def p_value() -> float:
        chances = rng.dirichlet([2, 1, 2], size=25)
        fallen = [rng.choice([-1, 0, 1], p=row) for row in chances]
        return randomisation(chances, fallen.count(-1), fallen.count(1))

    assert_rate(sum(p_value() < 0.05 for _ in range(4000)), 4000, 0.01, 0.05)


def test_fair_splits_alarm_once_in_a_thousand(rng: np.random.Generator) -> None:
    counts = rng.binomial(5000, 0.5, size=10_000)
    alarms = sum(sample_ratio({"a": n, "b": 5000 - n}, {"a": 1, "b": 1}).ok is False for n in counts.tolist())
    assert_rate(alarms, 10_000, 0.0005, 0.0015)


LOGGING, TARGET = np.array([0.5, 0.3, 0.1, 0.1]), np.array([0.1, 0.1, 0.3, 0.5])
MAX_WEIGHT = float((TARGET / LOGGING).max())


def draw(rng: np.random.Generator, click: np.ndarray, n: int) -> WeightedSums:
    shown = rng.choice(4, p=LOGGING, size=n)
    return WeightedSums.of(rng.binomial(1, click[shown]), importance_weights(TARGET[shown], LOGGING[shown]))


def bounded(sums: WeightedSums) -> Estimate:
    return empirical_likelihood(sums, max_weight=MAX_WEIGHT)


@pytest.mark.parametrize("estimator", [ips, snips, bounded])
def test_offpolicy_intervals_cover_the_truth_on_a_rich_log(
    estimator: Callable[[WeightedSums], Estimate], rng: np.random.Generator
) -> None:
    click = np.array([0.2, 0.3, 0.25, 0.4])
    found = [estimator(draw(rng, click, 2000)) for _ in range(3000)]
    assert_rate(sum(e.low < TARGET @ click < e.high for e in found), 3000, 0.935, 0.965)
    values = np.array([e.value for e in found])
    assert abs(values.mean() - TARGET @ click) < 5 * values.std() / np.sqrt(3000)


def test_empirical_likelihood_covers_where_rewards_are_so_rare_that_many_logs_have_none(
    rng: np.random.Generator,
) -> None:
    click = np.array([0.002, 0.003, 0.002, 0.004])  # 300 rows hold 0.7 clicks on average
    found = [bounded(draw(rng, click, 300)) for _ in range(3000)]
    assert_rate(sum(e.low <= TARGET @ click <= e.high for e in found), 3000, 0.95, 1.0)


@pytest.mark.parametrize("estimator", [ips, snips])
def test_clustered_intervals_cover_where_a_users_rows_depend_on_each_other(
    estimator: Callable[[WeightedSums], Estimate], rng: np.random.Generator
) -> None:
    click = np.array([0.2, 0.3, 0.25, 0.4])
    users = np.repeat(np.arange(200), 20)
    hits = {"clustered": 0, "plain": 0}
    for _ in range(1500):
        shown = np.repeat(rng.choice(4, p=LOGGING, size=200), 20)  # a user always sees the same
        liking = np.repeat(rng.choice([0.2, 1.8], size=200), 20)  # and likes it, or does not
        rewards = rng.binomial(1, click[shown] * liking)
        weights = importance_weights(TARGET[shown], LOGGING[shown])
        for name, clusters in (("clustered", users), ("plain", None)):
            found = estimator(WeightedSums.of(rewards, weights, clusters=clusters))
            hits[name] += found.low < TARGET @ click < found.high
    assert_rate(hits["clustered"], 1500, 0.93, 0.96)
    assert hits["plain"] / 1500 < 0.85
