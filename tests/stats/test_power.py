import math

import pytest
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower, TTestIndPower, TTestPower
from statsmodels.stats.proportion import power_proportions_2indep

from bandstand.errors import InputError
from bandstand.stats.group_sequential import group_bounds
from bandstand.stats.moments import Moments
from bandstand.stats.power import (
    always_valid_critical,
    critical,
    detectable_effect,
    paired_units,
    power_of,
    proportions_per_arm,
    split_units,
    units_per_arm,
)
from bandstand.stats.sequences import always_valid

PAST = Moments(1001, 5.0, 4000.0)  # standard deviation 2


def test_units_are_those_of_statsmodels() -> None:
    expected = NormalIndPower().solve_power(effect_size=0.05, alpha=0.05, power=0.9)
    assert units_per_arm(PAST, effect=0.1, power=0.9) == math.ceil(expected)
    assert units_per_arm(PAST, effect=0.1, power=0.9) == pytest.approx(
        TTestIndPower().solve_power(effect_size=0.05, alpha=0.05, power=0.9), rel=1e-3
    )
    one = TTestPower().solve_power(effect_size=0.05, alpha=0.05, power=0.8)
    assert paired_units(PAST, effect=0.1) == pytest.approx(one, rel=2e-3)


def test_power_is_that_of_statsmodels() -> None:
    for n in (50, 500, 5000):
        expected = NormalIndPower().power(0.05, n, 0.05)
        assert power_of(PAST, n, effect=0.1) == pytest.approx(expected, rel=1e-9)


def test_noninferiority_is_the_one_sided_test_of_statsmodels() -> None:
    expected = NormalIndPower().solve_power(effect_size=0.05, alpha=0.05, power=0.8, alternative="larger")
    assert units_per_arm(PAST, effect=0.1, z=critical(one_sided=True)) == math.ceil(expected)


def test_a_lift_is_found_at_growthbooks_condition() -> None:
    # (μ_B - μ_A)² = k² (σ²/N) (1 + μ_B²/μ_A²)
    n, k = units_per_arm(PAST, effect=0.02, relative=True), norm.isf(0.025) + norm.ppf(0.8)
    assert n == math.ceil(k**2 * 4.0 * (1 + 1.02**2) / 0.1**2)


def test_the_effect_that_can_be_found_and_the_units_that_it_needs_agree() -> None:
    for z in (None, always_valid_critical(), group_bounds([0.5, 1.0])[-1]):
        effect = detectable_effect(PAST, 3000, z=z)
        assert units_per_arm(PAST, effect=effect * (1 + 1e-12), z=z) == 3000
        assert power_of(PAST, 3000, effect=effect, z=z) == pytest.approx(0.8, abs=1e-6)


def test_a_sequences_critical_value_is_its_margin_at_the_horizon() -> None:
    found = always_valid(0.0, 1.0, 5000, horizon=5000)
    assert found.high == pytest.approx(always_valid_critical(), rel=1e-9)


def test_units_for_proportions_have_the_power_that_statsmodels_computes() -> None:
    n = proportions_per_arm(0.1, effect=0.02)
    assert power_proportions_2indep(0.02, 0.1, n).power == pytest.approx(0.8, abs=2e-4)


def test_units_for_the_sample_ratio_are_those_of_two_normal_quantiles() -> None:
    # one degree of freedom: n = (z_{α/2} + z_β)² / w² with w² = Σ (p - p0)²/p0 = 1e-4
    expected = (norm.isf(0.0005) + norm.ppf(0.8)) ** 2 / 1e-4
    assert split_units([0.5, 0.5], [0.505, 0.495]) == pytest.approx(expected, rel=1e-4)


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(InputError, match="past data of 10 units do not vary"):
        units_per_arm(Moments(10, 1.0, 0.0), effect=0.1)
    with pytest.raises(InputError, match="effect is 0, must not be 0"):
        units_per_arm(PAST, effect=0)
    with pytest.raises(InputError, match="power is 1, must lie between 0 and 1"):
        units_per_arm(PAST, effect=0.1, power=1)
    with pytest.raises(InputError, match="mean of past data is 0"):
        units_per_arm(Moments(10, 0.0, 9.0), effect=0.1, relative=True)
    with pytest.raises(InputError, match="n is 1 units an arm"):
        power_of(PAST, 1, effect=0.1)
    with pytest.raises(InputError, match="both shares must lie between 0 and 1"):
        proportions_per_arm(0.99, effect=0.02)
    with pytest.raises(InputError, match="nothing to find"):
        split_units([0.5, 0.5], [0.5, 0.5])
