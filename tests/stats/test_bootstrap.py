from functools import reduce
from operator import add

import numpy as np
import pytest
from scipy.stats import chisquare, poisson

from bandstand.errors import InputError
from bandstand.stats.bootstrap import PoissonBootstrap
from bandstand.stats.offpolicy import ips, snips
from bandstand.stats.weights import WeightedSums


def test_units_are_counted_as_a_poisson_variable_of_mean_one() -> None:
    one = np.concatenate([PoissonBootstrap.of([unit], [1], [1], seed=7).num for unit in range(200)])
    seen = np.bincount(np.minimum(one, 6).astype(int), minlength=7)
    expected = one.size * np.append(poisson.pmf(np.arange(6), 1.0), poisson.sf(5, 1.0))
    assert chisquare(seen, expected).pvalue > 0.001


def test_counts_of_two_units_do_not_hang_together() -> None:
    a, b = (PoissonBootstrap.of([unit], [1], [1], seed=7, replicates=20_000).num for unit in ("ann", "bob"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(20_000)


def test_a_log_may_be_cut_anywhere_and_shuffled(rng: np.random.Generator) -> None:
    users, num, den = rng.integers(0, 60, size=500), rng.integers(0, 9, size=500), rng.integers(1, 9, size=500)
    order = rng.permutation(500)
    parts = zip(*(np.array_split(each[order], 7) for each in (users, num, den)), strict=True)
    cut = reduce(add, (PoissonBootstrap.of(*part, seed=3) for part in parts))
    whole = PoissonBootstrap.of(users, num, den, seed=3)
    assert (cut.num == whole.num).all()  # whole numbers add exactly
    assert cut.estimate() == whole.estimate()


@pytest.mark.parametrize("estimator", [ips, snips])
def test_standard_error_agrees_with_the_delta_method_by_user(estimator: object, rng: np.random.Generator) -> None:
    users = rng.integers(0, 400, size=4000)
    weights = rng.exponential(size=4000)
    rewards = rng.binomial(1, rng.beta(2, 2, size=400)[users]).astype(float)
    delta = (ips if estimator is ips else snips)(WeightedSums.of(rewards, weights, clusters=users))
    den = np.ones(4000) if estimator is ips else weights
    found = PoissonBootstrap.of(users, weights * rewards, den, seed=5, replicates=2000).estimate()
    assert found.value == pytest.approx(delta.value)
    # The error of a standard deviation over 2000 replicates is 1/sqrt(4000) = 1.6 %; 400 users add some.
    assert found.std_error == pytest.approx(delta.std_error, rel=0.1)
    assert (found.low, found.high) == pytest.approx((delta.low, delta.high), abs=0.25 * (delta.high - delta.value))


def test_another_seed_gives_other_replicates() -> None:
    one, other = (PoissonBootstrap.of(range(50), range(50), [1] * 50, seed=seed).num for seed in (1, 2))
    assert (one != other).any()


def test_parts_of_different_seeds_do_not_add() -> None:
    with pytest.raises(InputError, match="must have the same"):
        PoissonBootstrap.of([1], [1], [1], seed=1) + PoissonBootstrap.of([1], [1], [1], seed=2)


def test_a_log_without_weight_has_no_ratio() -> None:
    with pytest.raises(InputError, match="the denominator is 0"):
        PoissonBootstrap.of([1, 2], [0, 0], [0, 0], seed=1).estimate()


def test_a_single_replicate_is_refused() -> None:
    with pytest.raises(InputError, match="replicates is 1, must be >= 2"):
        PoissonBootstrap.of([1], [1], [1], seed=1, replicates=1)
