"""What experiments promise of their errors, held against simulated experiments whose truth is known."""

import numpy as np
import pytest
from scipy.stats import binom

from bandstand.stats.adjust import adjusted_difference
from bandstand.stats.cross import CrossMoments
from bandstand.stats.group_sequential import group_bounds
from bandstand.stats.means import difference, ratio_difference
from bandstand.stats.mixture import best_rho, log_mixture, mixture_bound
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.noninferiority import non_inferior
from bandstand.stats.propensities import propensity_fit
from bandstand.stats.quantiles import quantile_moments
from bandstand.stats.sequential_ratio import sequential_sample_ratio

pytestmark = pytest.mark.calibration

CHANCE = 1e-6  # a sound test fails one of these runs once in a million times; the runs are seeded besides
LOOKS, PER_LOOK = 100, 100  # units of each arm between two looks


def assert_rate(hits: int, runs: int, low: float, high: float) -> None:
    """The observed rate is possible under some true rate between low and high."""
    assert binom.ppf(CHANCE, runs, low) <= hits <= binom.isf(CHANCE, runs, high), f"{hits / runs:.4f}"


def z_at_looks(rng: np.random.Generator, runs: int) -> np.ndarray:
    """z of A/A experiments on a skewed metric (exponential), at each of the looks; shape (runs, looks)."""
    n = PER_LOOK * np.arange(1, LOOKS + 1)
    arms = rng.standard_exponential(size=(2, runs, LOOKS, PER_LOOK))
    mean = arms.sum(axis=-1).cumsum(axis=-1) / n
    variance = (np.square(arms).sum(axis=-1).cumsum(axis=-1) / n - mean**2) * n / (n - 1)
    return (mean[0] - mean[1]) / np.sqrt(variance.sum(axis=0) / n)


@pytest.mark.parametrize("horizon", [2_000, 20_000])
def test_sequences_err_in_at_most_five_percent_under_a_hundred_looks(horizon: int, rng: np.random.Generator) -> None:
    n = 2 * PER_LOOK * np.arange(1, LOOKS + 1)
    z = np.concatenate([z_at_looks(rng, 250) for _ in range(8)])
    rho, one = best_rho(horizon), best_rho(horizon, one_sided=True)
    outside = np.abs(z) * np.sqrt(n) > mixture_bound(n, alpha=0.05, rho=rho)
    above = log_mixture(z * np.sqrt(n), n, rho=one, one_sided=True) > np.log(20)
    assert outside.any(axis=1).mean() <= 0.05
    assert above.any(axis=1).mean() <= 0.05
    assert_rate(int((np.abs(z[:, -1]) > 1.959964).sum()), 2000, 0.04, 0.06)  # the fixed test, read once
    assert (np.abs(z) > 1.959964).any(axis=1).mean() > 0.3  # and read at every look


def test_planned_looks_err_in_five_percent_together(rng: np.random.Generator) -> None:
    looks = np.array([20, 40, 60, 80, 100])
    bounds = np.array(group_bounds((looks / 100).tolist(), spending="pocock"))
    z = np.concatenate([z_at_looks(rng, 250)[:, looks - 1] for _ in range(8)])
    assert_rate(int((np.abs(z) > bounds).any(axis=1).sum()), 2000, 0.04, 0.06)


def test_ratio_intervals_cover_the_true_difference(rng: np.random.Generator) -> None:
    def arm() -> PairMoments:
        views = 1 + rng.poisson(rng.lognormal(1.0, 0.8, size=400))
        return PairMoments.of(rng.binomial(views, rng.beta(1, 6, size=400)), views)

    found = [ratio_difference(arm(), arm()) for _ in range(3000)]
    covered = sum(e.low <= 0 <= e.high for e in found)
    assert covered / 3000 >= 0.94
    assert_rate(covered, 3000, 0.94, 0.96)


def test_adjusted_intervals_cover_the_true_difference_and_lift(rng: np.random.Generator) -> None:
    def arm(n: int, mean: float) -> CrossMoments:
        before = rng.gamma(2.0, size=n)
        return CrossMoments.of(mean + before + rng.gamma(1.0, size=n) + 0.3 * before**2, before, before > 2)

    # E before = 2, E gamma = 1, E before² = 6: the control's mean is 5 + 3 · 0.6
    found = [adjusted_difference(arm(400, 0.5), arm(300, 0.0)) for _ in range(3000)]
    covered = sum(e.low <= 0.5 <= e.high for e in found)
    lifts = [e.relative for e in found if e.relative is not None]
    assert covered / 3000 >= 0.94
    assert_rate(covered, 3000, 0.94, 0.96)
    assert_rate(sum(lift.low <= 0.5 / 4.8 <= lift.high for lift in lifts), 3000, 0.94, 0.96)


def test_a_guardrail_lets_through_a_loss_of_the_margin_in_five_percent(rng: np.random.Generator) -> None:
    arms = rng.gamma(2.0, size=(3000, 2, 300)) * np.array([[0.95], [1.0]])
    passed = sum(non_inferior(Moments.of(t), Moments.of(c), margin=0.05, share=True).ok for t, c in arms)
    assert_rate(passed, 3000, 0.04, 0.06)


@pytest.mark.parametrize("clustered", [False, True])
def test_aa_tests_of_quantiles_reject_about_five_percent(clustered: bool, rng: np.random.Generator) -> None:
    units = np.repeat(np.arange(200), 5) if clustered else None

    def arm() -> Moments:
        speed = np.repeat(rng.normal(size=200), 5) if clustered else 0.0
        return quantile_moments(np.exp(speed + rng.normal(size=1000)), 0.75, units=units)

    rejected = sum(difference(arm(), arm()).p_value < 0.05 for _ in range(800))
    assert_rate(rejected, 800, 0.035, 0.065)


@pytest.mark.parametrize("concentration", [100.0, 10_000.0])
def test_a_fair_split_looked_at_forty_times_alarms_within_alpha(concentration: float, rng: np.random.Generator) -> None:
    def alarms() -> bool:
        treated = rng.binomial(250, 0.5, size=40).cumsum()
        looks = zip(treated.tolist(), range(250, 10_001, 250), strict=True)
        weights = {"a": 1.0, "b": 1.0}
        options = {"alpha": 0.05, "concentration": concentration}
        return not all(sequential_sample_ratio({"a": a, "b": n - a}, weights, **options).ok for a, n in looks)

    assert_rate(sum(alarms() for _ in range(100)), 100, 0.0, 0.05)


def adaptive(rng: np.random.Generator, leak: float) -> float:
    """p of 1,000 decisions whose propensities follow the arms' past; a leak sends a share to the first arm."""
    counts, p, chosen = np.ones(3), np.empty((1000, 3)), np.empty(1000, dtype=int)
    draws, leaks = rng.random(1000), rng.random(1000) < leak
    for t in range(1000):
        p[t] = 0.1 + 0.7 * counts / counts.sum()
        chosen[t] = 0 if leaks[t] else int((p[t].cumsum() < draws[t]).sum())
        counts[chosen[t]] += 1
    return propensity_fit(p / p.sum(axis=1, keepdims=True), np.minimum(chosen, 2)).p_value


@pytest.mark.parametrize(("leak", "low", "high"), [(0.0, 0.03, 0.07), (0.3, 0.9, 1.0)])
def test_propensities_that_adapt_are_checked_at_their_level(
    leak: float, low: float, high: float, rng: np.random.Generator
) -> None:
    assert_rate(sum(adaptive(rng, leak) < 0.05 for _ in range(100)), 100, low, high)
