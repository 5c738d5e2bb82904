"""A log that is looked at all the time has one interval that grows with it, not a new one at each look."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from bandstand.chance import bits
from bandstand.evaluate.uncertainty import at_any_look, half_width
from bandstand.experiments.analysis import Analysis
from bandstand.stats.moments import Moments

ALPHA = 0.05


def walk(n: int, mean: float = 0.0) -> Moments:
    """Units whose spread is 1."""
    return Moments(n, mean, n - 1.0)


@pytest.mark.parametrize("n", [1250, 5000, 20_000])
def test_interval_of_a_log_and_of_four_times_as_many_units_are_of_one_sequence(n: int) -> None:
    """Waudby-Smith et al. (2024), equation 9, with ρ as of experiments for both."""
    twice = 2 * math.log(1 / ALPHA)
    rho = Analysis().units / (twice + math.log1p(twice))
    for units in (n, 4 * n):
        expected = math.sqrt((units + rho) / units * (twice + math.log((units + rho) / rho)) / units)
        assert half_width(walk(units), alpha=ALPHA, anytime=True) == pytest.approx(expected, rel=1e-12)


def test_p_value_at_a_look_is_that_of_its_interval() -> None:
    for units in (200, 5000, 80_000):
        margin = half_width(walk(units), alpha=ALPHA, anytime=True)
        for share, outside in ((1.001, True), (0.999, False)):
            found = at_any_look(walk(units, margin * share), alpha=ALPHA)
            assert (found.p_value < ALPHA) is outside
            assert (found.low > 0) is outside


@pytest.mark.calibration
def test_interval_holds_at_all_looks_together() -> None:
    """Of a walk whose steps are normal, looked at 400 times from 100 to a million; at its best at each look anew the
    bound would be passed by 8 %."""
    repeats = 20_000
    chance = np.random.default_rng(bits("all looks"))
    looks = np.unique(np.geomspace(100, 1e6, 400).astype(int))
    total, missed = np.zeros(repeats), np.zeros(repeats, bool)
    for n, steps in zip(looks.tolist(), np.diff(looks, prepend=0).tolist(), strict=True):
        total += chance.normal(scale=math.sqrt(steps), size=repeats)
        missed |= np.abs(total / n) > half_width(walk(n), alpha=ALPHA, anytime=True)
    assert missed.sum() <= binom.isf(1e-3, repeats, ALPHA)
