import math

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.offpolicy import empirical_likelihood, ips, snips
from bandstand.stats.offpolicy_sequence import OrderedSums, off_policy_sequence
from bandstand.stats.thinned import thinned_sums
from bandstand.stats.weights import WeightedSums


def log(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rewards, weights, drop probabilities of which each row stands for a whole number, and whose the rows are."""
    rewards, weights = rng.binomial(1, 0.3, size=300).astype(float), rng.exponential(size=300)
    return rewards, weights, rng.choice([0.0, 0.5, 0.75], size=300), rng.integers(0, 60, size=300)


@pytest.mark.parametrize("clustered", [False, True])
def test_missing_rows_are_rows_without_weight(clustered: bool, rng: np.random.Generator) -> None:
    rewards, weights, drop, owner = log(rng)
    times = np.rint(1 / (1 - drop)).astype(int)
    first = np.repeat(np.cumsum(times) - times, times) == np.arange(times.sum())
    written = np.repeat(weights * times, times) * first
    whole = WeightedSums.of(np.repeat(rewards, times), written, clusters=np.repeat(owner, times) if clustered else None)
    thin = thinned_sums(rewards, weights, drop, clusters=owner if clustered else None)
    assert (thin.n, thin.max_rows) == (whole.n, whole.max_rows)
    for estimator in (ips, snips):
        assert estimator(thin)[:4] == pytest.approx(estimator(whole)[:4], rel=1e-9)
    for most in (40.0, math.inf):
        found = [empirical_likelihood(each, max_weight=most)[:3] for each in (thin, whole)]
        assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_a_sequence_passes_missing_rows_one_by_one(rng: np.random.Generator) -> None:
    rewards, weights, drop, _ = log(rng)
    times = np.rint(1 / (1 - drop)).astype(int)
    written, paid = np.zeros(times.sum()), np.zeros(times.sum())
    last = np.cumsum(times) - 1  # the rows that are missing came before
    written[last], paid[last] = weights * times, rewards
    whole = off_policy_sequence(OrderedSums().then(paid, written))
    thin = off_policy_sequence(OrderedSums().then(rewards, weights, drop=drop))
    assert thin[:3] == pytest.approx(whole[:3], rel=1e-9)


def test_dropping_by_reward_does_not_move_the_estimate(rng: np.random.Generator) -> None:
    # Nine in ten rows without a reward are dropped: left alone, that makes the log look far better than it was.
    rewards, weights = rng.binomial(1, 0.1, size=40_000).astype(float), rng.choice([0.5, 1.5], size=40_000)
    drop = np.where(rewards == 1, 0.0, 0.9)
    kept = rng.uniform(size=40_000) >= drop
    found = ips(thinned_sums(rewards[kept], weights[kept], drop[kept]))
    truth = ips(WeightedSums.of(rewards, weights))
    assert found.std_error is not None
    assert abs(found.value - truth.value) < 4 * found.std_error
    assert ips(WeightedSums.of(rewards[kept], weights[kept])).value > 4 * truth.value


@pytest.mark.parametrize(
    ("drop", "said"), [(1.0, "is 1, must be >= 0 and < 1"), (-0.1, "is -0.1"), (math.nan, "is nan")]
)
def test_what_is_no_probability_of_having_been_dropped_is_refused(drop: float, said: str) -> None:
    with pytest.raises(InputError, match=f"drop probability of row 1 {said}"):
        thinned_sums([1.0, 0.0], [1.0, 1.0], [0.5, drop])


def test_every_row_needs_its_drop_probability() -> None:
    with pytest.raises(InputError, match="shapes differ: weights"):
        thinned_sums([1.0, 0.0], [1.0, 1.0], [0.5])
