"""Sums that fade, against their definition, and a bound on them against the Gamma distribution and by simulation."""

import numpy as np
import pytest
from scipy.stats import gamma

from bandstand.candidates.pulse import HOUR_S, PRIOR, Pulse, lower
from bandstand.chance import bits, uniform

START = 1_760_000_000.0


def test_the_bound_is_the_quantile_of_a_gamma_distribution() -> None:
    shapes = np.array([1.0, 2.0, 3.0, 4.0, 10.0, 100.0, 1000.0])
    # Equal weights of 1: S = V = n.
    assert lower(shapes, shapes) == pytest.approx(gamma.ppf(0.05, shapes), abs=0.02)
    # Weights of 5 scale it: S = 5 n, V = 25 n.
    assert lower(5 * shapes, 25 * shapes) == pytest.approx(5 * gamma.ppf(0.05, shapes), abs=0.1)


@pytest.mark.parametrize("per_hour", [2.0, 10.0, 50.0])
def test_the_bound_is_below_what_is_expected_nineteen_times_in_twenty(per_hour: float) -> None:
    chance = np.random.default_rng(int(per_hour))
    runs = 4000
    counts = chance.poisson(per_hour / 60, size=(runs, 60 * 12))  # by the minute, over twelve half-lives
    ages_h = np.arange(60 * 12) / 60
    sums, squares = counts @ 0.5**ages_h, counts @ 0.25**ages_h
    some = sums > 0
    expected = per_hour / 60 * (0.5**ages_h).sum()
    above = np.count_nonzero(lower(sums[some], squares[some]) > expected)
    assert above < 0.05 * runs + 4 * np.sqrt(0.05 * 0.95 * runs)


def test_velocities_are_those_of_the_definition() -> None:
    touches = [(bits("row", n) % 5, START + 100 * n, 1.0 + bits("worth", n) % 3) for n in range(400)]
    pulse = Pulse(100)
    for row, at, worth in touches:
        pulse.add(row, at, worth)
    now = touches[-1][1] + 10.0
    expected = {}
    for row in range(5):
        ages_h = np.array([(now - at) / HOUR_S for r, at, _ in touches if r == row])
        worths = np.array([worth for r, _, worth in touches if r == row])
        fast, squares = (worths * 0.5**ages_h).sum(), (worths**2 * 0.25**ages_h).sum()
        base = (worths * 0.5 ** (ages_h / 24)).sum()
        velocity = lower(np.array([fast]), np.array([squares]))[0] / (base / 24 + PRIOR)
        if velocity > 1:
            expected[row] = velocity
    rows, velocities = pulse.trends(now)
    assert dict(zip(rows.tolist(), velocities.tolist(), strict=True)) == pytest.approx(expected, rel=1e-9)
    assert expected


def test_velocities_stay_right_over_many_days_and_whatever_came_late() -> None:
    pulse = Pulse(100)
    for day in range(0, 400, 3):
        pulse.add(1, START + day * 24 * HOUR_S, 1.0)
    end = START + 400 * 24 * HOUR_S
    for n in range(10):
        pulse.add(2, end + n, 1.0)
    pulse.add(3, START, 1.0)
    fresh = Pulse(100)
    for n in range(10):
        fresh.add(2, end + n, 1.0)
    assert pulse.trends(end + 10)[0].tolist() == [2]
    assert pulse.trends(end + 10)[1] == pytest.approx(fresh.trends(end + 10)[1], rel=1e-9)
    assert np.isfinite(pulse.sums).all()


def test_only_so_many_rows_are_kept_and_the_most_touched_stay() -> None:
    pulse = Pulse(16)
    for n in range(2000):
        row = 7 if uniform("hot", n) < 0.2 else 100 + bits("cold", n) % 500
        pulse.add(row, START + n, 1.0)
    assert pulse.used <= 16
    assert 7 in pulse.trends(START + 2000)[0]
