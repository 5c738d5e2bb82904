"""The default interval holds the truth in worlds from mild to hopeless, where the normal one does not."""

import numpy as np
import pytest
from scipy.stats import binom

from bandstand.stats.estimates import Estimate, ips
from bandstand.stats.intervals import rare_events
from bandstand.stats.offpolicy_sequence import OrderedSums, off_policy_sequence
from bandstand.stats.weights import WeightedSums

pytestmark = pytest.mark.calibration

# A sound interval fails one of these runs once in a million times; the runs are seeded besides.
CHANCE = 1e-6
RUNS = 600
# Logger and target over actions: greatest weights 2.5, 20 and 250, effective sizes 77 %, 9 % and 0.8 % of the log.
POLICIES = {
    "mild": (np.array([0.4, 0.3, 0.2, 0.1]), np.full(4, 0.25)),
    "heavy": (np.r_[0.775, np.full(9, 0.025)], np.r_[0.05, 0.5, np.full(8, 0.45 / 8)]),
    "extreme": (np.r_[0.952, np.full(24, 0.002)], np.r_[0.4, 0.5, np.full(23, 0.1 / 23)]),
}


def rates(tail: str, rate: float, *, where_heavy: bool) -> np.ndarray:
    logging, target = POLICIES[tail]
    weights = target / logging
    if where_heavy:
        return np.where(weights == weights.max(), rate, rate / 10)
    return np.minimum(rate * np.linspace(0.7, 1.3, logging.size), 1.0)


def misses(found: list[Estimate], truth: float) -> int:
    return sum(not each.low <= truth <= each.high for each in found)


@pytest.mark.parametrize("where_heavy", [False, True])
@pytest.mark.parametrize("n", [500, 2000])
@pytest.mark.parametrize("rate", [0.3, 0.02, 0.005])
@pytest.mark.parametrize("tail", POLICIES)
def test_the_default_interval_covers(
    tail: str, rate: float, n: int, where_heavy: bool, rng: np.random.Generator
) -> None:
    logging, target = POLICIES[tail]
    click, weight = rates(tail, rate, where_heavy=where_heavy), target / logging
    found = []
    for _ in range(RUNS):
        shown = rng.choice(logging.size, p=logging, size=n)
        sums = WeightedSums.of(rng.binomial(1, click[shown]), weight[shown])
        found.append(rare_events(sums, max_weight=float(weight.max())))
    assert misses(found, float(target @ click)) <= binom.isf(CHANCE, RUNS, 0.07)


@pytest.mark.parametrize("sizes", ["equal", "uneven"])
@pytest.mark.parametrize("tail", POLICIES)
def test_the_default_interval_covers_where_users_have_many_rows(
    tail: str, sizes: str, rng: np.random.Generator
) -> None:
    # A user is always shown the same, and likes it or does not; uneven ones have 1 to some 40 rows.
    logging, target = POLICIES[tail]
    click, weight = rates(tail, 0.2, where_heavy=False), target / logging
    truth = float(target @ click)
    found = []
    for _ in range(RUNS):
        rows = np.full(300, 5) if sizes == "equal" else rng.geometric(0.2, size=300)
        user = np.repeat(np.arange(300), rows)
        shown = rng.choice(logging.size, p=logging, size=300)[user]
        rewards = rng.binomial(1, click[shown] * rng.choice([0.5, 1.5], size=300)[user])
        sums = WeightedSums.of(rewards, weight[shown], clusters=user)
        found.append(rare_events(sums, max_weight=float(weight.max())))
    assert misses(found, truth) <= binom.isf(CHANCE, RUNS, 0.07)


def test_the_default_interval_covers_rewards_that_are_amounts(rng: np.random.Generator) -> None:
    # Two per cent buy, for up to 50: the mean is made by few, and by few weights.
    logging, target = POLICIES["heavy"]
    click, weight = rates("heavy", 0.02, where_heavy=True), target / logging
    found = []
    for _ in range(RUNS):
        shown = rng.choice(logging.size, p=logging, size=2000)
        amount = 50 * rng.beta(0.5, 2.0, size=2000) * rng.binomial(1, click[shown])  # of mean 10
        sums = WeightedSums.of(amount, weight[shown])
        found.append(rare_events(sums, max_weight=float(weight.max()), reward_range=(0.0, 50.0)))
    assert misses(found, 10 * float(target @ click)) <= binom.isf(CHANCE, RUNS, 0.07)


def test_normal_intervals_do_not_cover_rare_rewards_under_heavy_weights(rng: np.random.Generator) -> None:
    logging, target = POLICIES["heavy"]
    click, weight = rates("heavy", 0.02, where_heavy=False), target / logging
    shown = rng.choice(logging.size, p=logging, size=(RUNS, 500))
    sums = [WeightedSums.of(rng.binomial(1, click[row]), weight[row]) for row in shown]
    found = [ips(each) for each in sums if each.w2r2]
    assert misses(found, float(target @ click)) / RUNS > 0.2


def test_the_sequence_covers_at_all_looks_together_while_the_logger_learns(rng: np.random.Generator) -> None:
    # ε-greedy over two items learns as it logs; the target shows the item that it comes to neglect. A normal interval
    # that is looked at as often fails far more often than once in twenty.
    click, truth, looks = np.array([0.5, 0.4]), 0.4, range(50, 1001, 50)
    hits = {"sequence": 0, "normal": 0}
    for _ in range(200):
        won, tried = np.ones(2), np.full(2, 2.0)
        uniform, coin = rng.uniform(size=1000), rng.uniform(size=1000)
        rewards, weights = np.empty(1000), np.empty(1000)
        for t in range(1000):
            greedy = won[0] / tried[0] < won[1] / tried[1]
            chance = 0.9 if greedy else 0.1  # of item 1
            shown = int(uniform[t] < chance)
            rewards[t] = coin[t] < click[shown]
            weights[t] = shown / chance
            won[shown] += rewards[t]
            tried[shown] += 1
        sums, plain = OrderedSums(), {"sequence": False, "normal": False}
        for look in looks:
            part = slice(look - 50, look)
            sums = sums.then(rewards[part], weights[part])
            found = {"sequence": off_policy_sequence(sums)}
            so_far = WeightedSums.of(rewards[:look], weights[:look])
            if so_far.w2r2:
                found["normal"] = ips(so_far)
            for name, one in found.items():
                plain[name] |= not one.low <= truth <= one.high
        for name, missed in plain.items():
            hits[name] += missed
    assert hits["sequence"] <= binom.isf(CHANCE, 200, 0.05)
    assert hits["normal"] / 200 > 0.2
