"""Scores of arms whose probabilities followed what came before: exact by enumeration, then by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, norm

from bandstand.errors import InputError
from bandstand.stats.adaptive import adaptive_difference, arm_scores, contrast, ratio_scores
from bandstand.stats.lyapunov import average_sequence
from bandstand.stats.means import difference
from bandstand.stats.mixture import best_rho
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import always_above, always_valid

CHANCE = 1e-6


def chasing(values: np.ndarray, arms: np.ndarray) -> float:
    """The next unit's probability of arm 1, by which arm is ahead so far."""
    of = [float(values[arms == arm].sum()) for arm in (0, 1)]
    return 0.5 if of[0] == of[1] else 0.8 if of[1] > of[0] else 0.2


def test_over_all_ways_that_chance_can_go_scores_average_the_truth_though_probabilities_chase_what_came() -> None:
    would_have = np.array([[1.0, 2.0], [0.0, 4.0], [3.0, 1.0], [5.0, 0.0], [2.0, 2.0], [1.0, 7.0]])
    chance, by_scores, by_means = 0.0, np.zeros(2), np.zeros(2)
    for path in product((0, 1), repeat=len(would_have)):
        arms = np.array(path)
        values = would_have[np.arange(len(arms)), arms]
        second = np.array([chasing(values[:k], arms[:k]) for k in range(len(arms))])
        p = np.column_stack([1 - second, second])
        likely = float(p[np.arange(len(arms)), arms].prod())
        chance += likely
        by_scores += likely * arm_scores(values, arms, p).mean(axis=0)
        by_means += likely * np.array([values[arms == arm].mean() if (arms == arm).any() else 0.0 for arm in (0, 1)])
    assert chance == pytest.approx(1.0)
    assert by_scores == pytest.approx(would_have.mean(axis=0), abs=1e-12)
    assert np.abs(by_means - would_have.mean(axis=0)).max() > 0.05  # the arms' own means are not


def test_with_constant_probabilities_and_nothing_to_learn_it_is_inverse_probability_weighting() -> None:
    # The first score has nothing before it: 1{A = a} y / p.
    assert arm_scores([2.0], [1], [[0.75, 0.25]]).tolist() == [[0.0, 8.0]]


def test_a_lift_is_the_difference_over_the_control_and_has_the_spread_of_the_delta_method(
    rng: np.random.Generator,
) -> None:
    arms = rng.integers(0, 2, 5000)
    scores = arm_scores(rng.normal(2.0 + 0.2 * arms), arms, np.full((5000, 2), 0.5))
    found = contrast(scores, treatment=1)
    assert found.lift is not None
    control, treatment = scores[:, 0].mean(), scores[:, 1].mean()
    assert found.lift.mean() == pytest.approx(treatment / control - 1, rel=1e-12)
    ratio = treatment / control
    linear = (scores[:, 1] - ratio * scores[:, 0]) / control
    assert found.lift.std() == pytest.approx(linear.std(), rel=1e-12)
    below_zero = contrast(-scores, treatment=1)  # the sign of a difference survives a control below zero
    assert below_zero.lift is not None
    assert below_zero.lift.mean() == pytest.approx(-found.lift.mean(), rel=1e-12)
    assert contrast(scores - control, treatment=1).lift is None


def test_a_ratio_is_that_of_the_arms_totals_over_all_units(rng: np.random.Generator) -> None:
    arms, shown = rng.integers(0, 2, 4000), 1.0 + rng.poisson(3.0, 4000)
    clicks = rng.binomial(shown.astype(int), 0.1 + 0.1 * arms).astype(float)
    p = np.full((4000, 2), 0.5)
    scores = ratio_scores(clicks, shown, arms, p)
    above, below = arm_scores(clicks, arms, p).mean(axis=0), arm_scores(shown, arms, p).mean(axis=0)
    assert scores.mean(axis=0) == pytest.approx(above / below, rel=1e-12)
    assert scores.mean(axis=0) == pytest.approx([0.1, 0.2], abs=0.01)


def test_what_cannot_be_weighted_is_refused() -> None:
    with pytest.raises(InputError, match="probability of an arm of row 1 position 1 is 0, must be > 0"):
        arm_scores([1.0, 2.0], [0, 0], [[0.5, 0.5], [1.0, 0.0]])
    with pytest.raises(InputError, match=r"sum of probabilities of row 0 is 0\.9"):
        arm_scores([1.0], [0], [[0.5, 0.4]])
    with pytest.raises(InputError, match="arms must be indices from 0 to 1"):
        arm_scores([1.0], [2], [[0.5, 0.5]])
    with pytest.raises(InputError, match=r"probabilities have shape \(1,\)"):
        arm_scores([1.0], [0], [1.0])
    with pytest.raises(InputError, match="denominator of an arm is 0"):
        ratio_scores([1.0, 1.0], [0.0, 0.0], [0, 1], [[0.5, 0.5]] * 2)
    with pytest.raises(InputError, match="do not vary"):
        adaptive_difference(contrast(np.ones((9, 2)), treatment=1))
    with pytest.raises(InputError, match="do not vary"):
        average_sequence(Moments(9, 1.0, 0.0), typical_variance=1.0, horizon=100)
    with pytest.raises(InputError, match="typical_variance is 0"):
        average_sequence(Moments(9, 1.0, 4.0), typical_variance=0.0, horizon=100)


def test_the_sequence_is_the_papers_formula() -> None:
    n, mean, variance, typical, horizon, alpha = 700, 0.3, 2.5, 1.5, 2000, 0.05
    found = average_sequence(Moments(n, mean, variance * (n - 1)), typical_variance=typical, horizon=horizon)
    rho2, total = 1 / best_rho(horizon * typical, alpha=alpha), n * variance
    inside = np.sqrt(total * rho2 + 1) / alpha
    margin = np.sqrt(2 * (total * rho2 + 1) / (n**2 * rho2) * np.log(inside))
    assert (found.low, found.high) == (pytest.approx(mean - margin, rel=1e-12), pytest.approx(mean + margin, rel=1e-12))


def test_of_scores_alike_it_is_the_sequence_for_independent_ones() -> None:
    alike = Moments(900, 0.2, 1.7 * 899)
    for one_sided, theirs in ((False, always_valid), (True, always_above)):
        found = average_sequence(alike, typical_variance=1.7, horizon=3000, one_sided=one_sided)
        assert found == pytest.approx(theirs(alike.mean, alike.std_error, 900, horizon=3000), rel=1e-9)


def thompson(rng: np.random.Generator, *, effect: float, drift: float, waves: int = 20, wave: int = 100) -> tuple:
    """Units in waves, each divided by the chance that either arm is better (Gaussian, of all waves before, floor 0.05);
    what units do rises by `drift` from the first wave to the last."""
    arms, chances, values = np.empty(0, int), np.empty((0, 2)), np.empty(0)
    for number in range(waves):
        p = 0.5
        if number:
            of = [values[arms == arm] for arm in (0, 1)]
            gap = of[1].mean() - of[0].mean()
            p = float(np.clip(norm.cdf(gap / np.sqrt(1 / len(of[0]) + 1 / len(of[1]))), 0.05, 0.95))
        new = (rng.random(wave) < p).astype(int)
        arms, chances = np.r_[arms, new], np.r_[chances, np.tile([1 - p, p], (wave, 1))]
        values = np.r_[values, rng.normal(effect * new + drift * number / waves)]
    return values, arms, chances


def typical(differences: np.ndarray) -> float:
    return float(np.var(differences[:200], ddof=1))


@pytest.mark.calibration
@pytest.mark.parametrize(("effect", "drift"), [(0.0, 0.0), (0.1, 0.0), (0.0, 3.0)])
def test_under_thompson_sampling_the_sequence_covers_the_truth_at_all_looks(
    effect: float, drift: float, rng: np.random.Generator
) -> None:
    runs, wave, missed, once, naive = 1000, 100, 0, 0, 0
    for _ in range(runs):
        values, arms, chances = thompson(rng, effect=effect, drift=drift, wave=wave)
        found = contrast(arm_scores(values, arms, chances), treatment=1)
        scale = typical(found.difference)
        looks = (Moments.of(found.difference[:upto]) for upto in range(2 * wave, len(values) + 1, wave))
        intervals = [average_sequence(one, typical_variance=scale, horizon=2000) for one in looks]
        missed += any(not one.low <= effect <= one.high for one in intervals)
        fixed = adaptive_difference(found)
        once += not fixed.low <= effect <= fixed.high
        welch = difference(Moments.of(values[arms == 1]), Moments.of(values[arms == 0]))
        naive += not welch.low <= effect <= welch.high
    assert missed <= binom.isf(CHANCE, runs, 0.05), missed / runs
    assert once <= binom.isf(CHANCE, runs, 0.06), once / runs  # coverage of at least 94 %
    if drift:
        assert naive > runs / 2, naive / runs  # an arm's own units came when what all units do was another


@pytest.mark.calibration
def test_the_running_average_is_covered_where_the_effect_itself_moves(rng: np.random.Generator) -> None:
    runs, n, missed = 1000, 2000, 0
    effects = np.linspace(1.0, -1.0, n)
    for _ in range(runs):
        second = np.repeat(rng.uniform(0.1, 0.9, n // 100), 100)
        arms = (rng.random(n) < second).astype(int)
        values = rng.standard_exponential(n) + effects * arms
        found = contrast(arm_scores(values, arms, np.column_stack([1 - second, second])), treatment=1)
        scale = typical(found.difference)
        for upto in range(200, n + 1, 100):
            one = average_sequence(Moments.of(found.difference[:upto]), typical_variance=scale, horizon=n)
            if not one.low <= effects[:upto].mean() <= one.high:
                missed += 1
                break
    assert missed <= binom.isf(CHANCE, runs, 0.05), missed / runs
