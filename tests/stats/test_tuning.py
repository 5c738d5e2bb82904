"""The choices themselves are held to obp's in test_offpolicy_reference_obd.py."""

import math

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.estimates import Estimate, ips
from bandstand.stats.shrinkage import Sensitivity, clipped, sensitivity
from bandstand.stats.tuning import by_error, by_slope
from bandstand.stats.weights import WeightedSums


def table(*rows: tuple[float, float]) -> list[Sensitivity]:
    """Of values and standard errors."""
    return [Sensitivity(at, 1.0, Estimate(v, v, v, se, 1000, "clipped_ips")) for at, (v, se) in enumerate(rows)]


def test_estimates_that_agree_leave_the_steadiest() -> None:
    assert by_slope(table((0.30, 0.01), (0.31, 0.02), (0.33, 0.1))).level == 0


def test_a_steady_estimate_that_disagrees_ends_the_search() -> None:
    # The width at 10 % is 1.28 SE, so 0.05 and 0.30 are ten widths apart.
    assert by_slope(table((0.05, 0.005), (0.30, 0.01), (0.33, 0.1))).level == 1


def test_the_least_bound_on_the_error_is_that_of_its_formula(rng: np.random.Generator) -> None:
    weights = np.where(rng.uniform(size=200_000) < 0.0001, 500.0, 1.0)
    rewards = rng.binomial(1, 0.5, size=weights.size).astype(float)
    sums = WeightedSums.of(rewards, weights)
    levels = sensitivity(
        lambda w: ips(WeightedSums.of(rewards, w)), weights, shrink=clipped, levels=[1.0, 100.0, 400.0, math.inf]
    )
    slack = math.sqrt(2 * np.square(weights).mean() * math.log(20) / weights.size)
    slack += 2 * weights.max() * math.log(20) / (3 * weights.size)
    bias = [abs(row.estimate.value - np.mean(weights * rewards)) for row in levels]
    errors = [(row.estimate.std_error or 0) ** 2 + (b + slack) ** 2 for row, b in zip(levels, bias, strict=True)]
    assert min(bias[:3]) > 0
    assert by_error(levels, unshrunk=ips(sums), sums=sums) is levels[int(np.argmin(errors))]


def test_a_choice_needs_levels_with_standard_errors() -> None:
    with pytest.raises(InputError, match="the table has no levels"):
        by_slope([])
    bare = Sensitivity(1.0, 1.0, Estimate(0.1, 0.0, 0.2, None, 10, "rare_events"))
    with pytest.raises(InputError, match="rare_events has no standard error"):
        by_slope([bare])
