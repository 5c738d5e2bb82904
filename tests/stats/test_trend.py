import numpy as np
import pytest
from scipy.stats import linregress

from bandstand.errors import InputError
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.trend import linearised_ratios, slopes


def test_slopes_are_those_of_each_units_own_regression(rng: np.random.Generator) -> None:
    table = rng.poisson(3.0, size=(40, 7))
    expected = Moments.of([linregress(np.arange(7), row).slope for row in table])
    found = slopes(table)
    assert (found.n, found.mean, found.m2) == pytest.approx((expected.n, expected.mean, expected.m2))


def test_each_period_of_a_ratio_is_that_of_the_delta_method(rng: np.random.Generator) -> None:
    below = rng.integers(1, 9, size=(50, 3))
    above = rng.binomial(below, 0.3)
    table = linearised_ratios(above, below)
    for period in range(3):
        expected = PairMoments.of(above[:, period], below[:, period]).ratio()
        found = Moments.of(table[:, period])
        assert (found.mean, found.std_error) == pytest.approx((expected.mean, expected.std_error))


def test_what_has_no_slope_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3, 1\), must be 2 units and 2 periods at least"):
        slopes([[1.0], [2.0], [3.0]])
    with pytest.raises(InputError, match="the denominator is 0 in period 1"):
        linearised_ratios([[1, 1], [1, 0]], [[1, 0], [1, 0]])
    with pytest.raises(InputError, match="not finite"):
        slopes([[1.0, np.nan], [1.0, 2.0]])
