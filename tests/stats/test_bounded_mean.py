import json
from pathlib import Path

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.bounded_mean import (
    bounded_sequence,
    gamma_exponential_bound,
    log_gamma_exponential,
    stitched_bound,
)
from bandstand.stats.mixture import best_rho, one_sided_bound

CONFSEQ = json.loads((Path(__file__).parents[1] / "reference/stats/sequential_constants.json").read_text())[
    "confseq_unit_tests"
]
RHO = best_rho(100, one_sided=True)


def test_the_gamma_exponential_mixture_equals_that_of_confseq_to_the_printed_digits() -> None:
    mixture = CONFSEQ["gamma_exponential_log_mixture(10,100,100,c=2)"]
    assert log_gamma_exponential(10, 100, rho=RHO, scale=2) == pytest.approx(mixture, abs=5e-8)
    bound = CONFSEQ["gamma_exponential_mixture_bound(100,c=2)"]
    assert gamma_exponential_bound(100, alpha=0.05, rho=RHO, scale=2) == pytest.approx(bound, abs=5e-6)


def test_the_stitched_bound_equals_that_of_confseq_to_the_printed_digits() -> None:
    expected = CONFSEQ["poly_stitching_bound(100,.05,10,3)"]
    assert stitched_bound(100, alpha=0.05, least=10, scale=3) == pytest.approx(expected, abs=5e-6)


def test_steps_of_no_scale_leave_the_normal_mixture() -> None:
    found = gamma_exponential_bound(100, alpha=0.05, rho=RHO, scale=0.1)
    assert found == pytest.approx(one_sided_bound(100, alpha=0.05, rho=RHO), rel=0.01)
    assert found > one_sided_bound(100, alpha=0.05, rho=RHO)


def test_values_and_their_mirror_image_have_mirrored_intervals(rng: np.random.Generator) -> None:
    values = rng.beta(1, 6, size=300)
    one, other = bounded_sequence(values, horizon=300), bounded_sequence(1 - values, horizon=300)
    assert (other.low, other.high) == pytest.approx((1 - one.high, 1 - one.low))
    assert 0 <= one.low < one.value < one.high <= 1


def test_a_shifted_and_stretched_range_gives_the_same_interval(rng: np.random.Generator) -> None:
    values = rng.random(200)
    one, other = (
        bounded_sequence(values, horizon=200),
        bounded_sequence(values * 20 - 5, least=-5, most=15, horizon=200),
    )
    assert (other.low, other.high) == pytest.approx((one.low * 20 - 5, one.high * 20 - 5))


def test_the_p_value_is_alpha_where_the_interval_touches_zero() -> None:
    values = np.tile([0.3, -0.2], 200)
    reach = bounded_sequence(values, least=-1, horizon=400).high - values.mean()
    touching = values - values.mean() + reach  # its guesses move alike, but for the first
    found = bounded_sequence(touching, least=-1 - values.mean() + reach, most=1 - values.mean() + reach, horizon=400)
    assert found.low == pytest.approx(0.0, abs=1e-9)
    assert found.p_value == pytest.approx(0.05, rel=1e-6)


def test_values_outside_their_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"values go from 0.5 to 3, must lie in \[0, 1\]; give the true range"):
        bounded_sequence([0.5, 3.0], horizon=100)
    with pytest.raises(InputError, match="0 values have no mean; wait for the first"):
        bounded_sequence([], horizon=100)
    with pytest.raises(InputError, match="least must lie below most"):
        bounded_sequence([1.0], least=1.0, most=1.0, horizon=100)
