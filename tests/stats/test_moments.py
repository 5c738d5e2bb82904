import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import InputError
from bandstand.stats.moments import Moments, PairMoments

numbers = st.lists(st.floats(-1e6, 1e6, allow_nan=False), max_size=30)
pairs = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), max_size=30)


@given(numbers, numbers)
def test_moments_of_parts_add_up_to_those_of_the_whole(left: list[float], right: list[float]) -> None:
    merged, whole = Moments.of(left) + Moments.of(right), Moments.of(left + right)
    assert merged.n == whole.n
    assert merged.mean == pytest.approx(whole.mean, abs=1e-6)
    assert merged.m2 == pytest.approx(whole.m2, rel=1e-9, abs=1e-3)


@given(pairs, pairs)
def test_pair_moments_of_parts_add_up_to_those_of_the_whole(
    left: list[tuple[float, float]], right: list[tuple[float, float]]
) -> None:
    def moments(rows: list[tuple[float, float]]) -> PairMoments:
        return PairMoments.of([num for num, _ in rows], [den for _, den in rows])

    merged, whole = moments(left) + moments(right), moments(left + right)
    assert merged.num.n == whole.num.n
    assert merged.cross == pytest.approx(whole.cross, rel=1e-9, abs=1e-4)


def test_moments_agree_with_numpy(rng: np.random.Generator) -> None:
    values = rng.gamma(2.0, size=1000)
    found = Moments.of(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.variance == pytest.approx(np.var(values, ddof=1))
    assert found.std_error == pytest.approx(np.std(values, ddof=1) / np.sqrt(1000))


def test_spread_survives_a_huge_mean() -> None:
    # Half an apart on both sides of 1e9: the variance is n/(n-1)/4. Σy² - (Σy)²/n has no digit of it left.
    parts = [Moments.of(1e9 + np.tile([-0.5, 0.5], 500)) for _ in range(4)]
    assert sum(parts, Moments()).variance == pytest.approx(0.25 * 4000 / 3999, rel=1e-12)


def test_equal_values_have_a_spread_of_exactly_zero() -> None:
    merged = Moments.of([0.1] * 7) + Moments.of([0.1] * 3)
    assert (merged.mean, merged.m2) == (0.1, 0.0)


def test_a_ratio_that_is_the_same_for_all_has_a_spread_of_exactly_zero(rng: np.random.Generator) -> None:
    impressions = rng.integers(1, 50, size=200)
    assert PairMoments.of(0.3 * impressions, impressions).ratio().variance == 0.0


def test_ratio_has_the_variance_of_its_linearised_values(rng: np.random.Generator) -> None:
    # Deng, Knoblich, Lu (2018): the delta method is the plain variance of (m - R d) / mean(d).
    d = rng.integers(1, 20, size=500)
    m = rng.binomial(d, 0.2)
    ratio = m.sum() / d.sum()
    found = PairMoments.of(m, d).ratio()
    assert found.mean == pytest.approx(ratio)
    assert found.variance == pytest.approx(np.var((m - ratio * d) / d.mean(), ddof=1))


def test_variance_of_one_value_is_refused() -> None:
    with pytest.raises(InputError, match=r"variance of 1 unit\(s\) is not defined, needs at least 2"):
        _ = Moments.of([3.0]).variance


def test_ratio_over_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="denominator of 2 unit"):
        PairMoments.of([1, 2], [0, 0]).ratio()
    with pytest.raises(InputError, match="denominator of 0 unit"):
        PairMoments().ratio()


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_poison_is_refused_by_row(poison: float) -> None:
    with pytest.raises(InputError, match=r"value of row 2 is -?(nan|inf), must be finite"):
        Moments.of([1.0, 2.0, poison])


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"shapes differ: num \(2,\), den \(3,\)"):
        PairMoments.of([1, 2], [1, 2, 3])


def test_a_table_in_place_of_a_column_is_refused() -> None:
    with pytest.raises(InputError, match=r"value has shape \(2, 1\)"):
        Moments.of([[1], [2]])
