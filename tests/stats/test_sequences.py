import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import lambertw

from bandstand.errors import InputError
from bandstand.stats.means import difference
from bandstand.stats.mixture import best_rho, log_mixture, mixture_bound, one_sided_bound
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import (
    always_above,
    always_valid,
    difference_sequence,
    inflation,
    lift_sequence,
    mean_sequence,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "experiments.json").read_text())["cases"]
CONFSEQ = json.loads((REFERENCE / "sequential_constants.json").read_text())["confseq_unit_tests"]


def of_sums(sums: dict[str, float]) -> Moments:
    mean = sums["sum"] / sums["n"]
    return Moments(int(sums["n"]), mean, sums["sum_squares"] - sums["sum"] * mean)


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"].startswith("asympcs")], ids=lambda case: case["kind"])
def test_sequences_equal_those_of_growthbook(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    control, treatment = of_sums(given["a"]), of_sums(given["b"])
    options = {"alpha": given["alpha"], "horizon": given["tuning"]}
    if case["kind"].endswith("relative"):
        found = lift_sequence(difference(treatment, control).relative, treatment.n + control.n, **options)
    else:
        found = difference_sequence(treatment, control, **options)
    assert found.value == pytest.approx(expected["expected"], rel=1e-9)
    assert found.std_error == pytest.approx(expected["se"], rel=1e-9)
    assert (found.low, found.high) == pytest.approx(expected["ci"], rel=1e-9)
    assert found.p_value == pytest.approx(expected["pValue"], rel=1e-9)


def test_the_mixture_equals_that_of_confseq_to_the_printed_digits() -> None:
    rho, one = best_rho(100), best_rho(100, one_sided=True)
    assert rho == pytest.approx(CONFSEQ["two_sided_normal_best_rho"], abs=5e-6)
    assert log_mixture(10, 100, rho=rho) == pytest.approx(CONFSEQ["normal_log_mixture(s=10,v=100,two_sided)"], abs=5e-8)
    assert mixture_bound(100, alpha=0.05, rho=rho) == pytest.approx(
        CONFSEQ["normal_mixture_bound(v=100,two_sided)"], abs=5e-6
    )
    assert log_mixture(10, 100, rho=one, one_sided=True) == pytest.approx(
        CONFSEQ["normal_log_mixture(10,100,one_sided)"], abs=5e-9
    )
    assert one_sided_bound(100, alpha=0.05, rho=one) == pytest.approx(
        CONFSEQ["normal_mixture_bound(100,one_sided)"], abs=5e-6
    )


def test_the_bound_is_nearly_tightest_at_its_horizon() -> None:
    # The exact optimum is horizon / (-W₋₁(-α²/e) - 1), Waudby-Smith et al. equation 155.
    exact = 5000 / (-lambertw(-(0.05**2) / np.e, k=-1).real - 1)
    near = float(mixture_bound(5000, alpha=0.05, rho=best_rho(5000)))
    assert 1 <= near / float(mixture_bound(5000, alpha=0.05, rho=exact)) < 1.001


@pytest.mark.parametrize("sequence", [always_valid, always_above])
def test_the_p_value_is_alpha_where_the_interval_touches_zero(sequence: Any) -> None:
    for alpha in (0.05, 0.01):
        margin = -sequence(0.0, 0.3, 700, horizon=1000, alpha=alpha).low
        assert sequence(margin, 0.3, 700, horizon=1000, alpha=alpha).p_value == pytest.approx(alpha, rel=1e-9)


def test_the_sequence_of_one_mean_is_that_of_its_standard_error(rng: np.random.Generator) -> None:
    values = Moments.of(rng.normal(0.2, 1.0, 300))
    expected = always_valid(values.mean, values.std_error, 300, horizon=500)
    assert mean_sequence(values, horizon=500) == expected
    assert expected.high - expected.value == pytest.approx(inflation(300, horizon=500) * values.std_error)


def test_an_enormous_effect_has_a_p_value_of_zero_and_not_an_overflow() -> None:
    assert always_valid(1e6, 1e-3, 10_000, horizon=5000).p_value == 0.0
    assert always_above(-1e6, 1e-3, 10_000, horizon=5000).p_value == 1.0


def test_arms_that_do_not_vary_are_refused_instead_of_given_p_one() -> None:
    with pytest.raises(InputError, match="do not vary cannot be compared; wait for data that vary"):
        difference_sequence(Moments.of([1.0, 1.0]), Moments.of([1.0, 1.0]), horizon=100)
    with pytest.raises(InputError, match=r"std_error of 10 unit\(s\) is 0.0, must be finite and > 0"):
        mean_sequence(Moments(10, 1.0, 0.0), horizon=100)


def test_an_empty_arm_is_refused_with_what_to_look_at() -> None:
    with pytest.raises(InputError, match=r"treatment has 0 unit\(s\).*whether exposures are recorded"):
        difference_sequence(Moments(), Moments.of([1.0, 2.0]), horizon=100)


def test_a_lift_over_a_baseline_that_may_be_zero_is_refused() -> None:
    lift = difference(Moments.of([2.0, 3.0]), Moments.of([0.0, 0.0])).relative
    with pytest.raises(InputError, match="look at the absolute difference") as refusal:
        lift_sequence(lift, 4, horizon=100)
    assert refusal.value.code == "zero_baseline"


@pytest.mark.parametrize("horizon", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_horizon_is_refused(horizon: float) -> None:
    with pytest.raises(InputError, match="give the number of units at which you expect to decide"):
        always_valid(0.1, 0.1, 10, horizon=horizon)


def test_bounds_are_finite_however_small_alpha_is() -> None:
    two, one = float(mixture_bound(100, alpha=1e-300, rho=1.0)), one_sided_bound(100, alpha=1e-300, rho=1.0)
    assert 300 < one <= two < 400
