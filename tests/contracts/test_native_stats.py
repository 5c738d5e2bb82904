"""The compiled sums over a log and NumPy's agree up to the rounding of sums, and refuse the same rows."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bandstand.errors import InputError
from bandstand.native import native
from bandstand.stats import cross, doubly_robust, moments, shrinkage, weights
from bandstand.stats.cross import CrossMoments
from bandstand.stats.doubly_robust import RobustSums, direct_values, predictions
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.shrinkage import Shrinkage, clipped, optimistic, subgaussian, switched
from bandstand.stats.weights import WeightedSums, importance_weights

pytestmark = pytest.mark.skipif(native is None, reason="there was no C compiler when the package was installed")

T = TypeVar("T")
Array = NDArray[np.float64]
KINDS: list[Callable[[np.random.Generator, int], Array]] = [
    lambda chance, n: (chance.random(n) < 0.1).astype(np.float64),
    lambda chance, n: chance.pareto(1.5, n),
    lambda chance, n: chance.normal(1e6, 1, n) ** 2,  # far from zero: sums of squares would lose their digits
    lambda chance, n: np.full(n, 0.1),
    lambda chance, n: np.arange(n) ** 2.0,  # each block about another mean
]
columns = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 5000), st.lists(st.sampled_from(KINDS), min_size=4, max_size=4)
)


def drawn(of: tuple[int, int, list[Callable[[np.random.Generator, int], Array]]]) -> list[Array]:
    seed, n, kinds = of
    chance = np.random.default_rng(seed)
    return [kind(chance, n) for kind in kinds]


def without_native(module: ModuleType, what: Callable[[], T]) -> T:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "native", None)
        return what()


def crossed(pair: PairMoments) -> CrossMoments:
    products = ((pair.num.m2, pair.cross), (pair.cross, pair.den.m2))
    return CrossMoments(pair.num.n, (pair.num.mean, pair.den.mean), products)


def assert_same_moments(one: CrossMoments, other: CrossMoments) -> None:
    """Up to what rounding leaves of the squares that the products are the small rest of."""
    means, products = np.array(one.means), np.array(one.products)
    assert one.n == other.n
    spread = np.sqrt(np.diag(np.array(other.products)) + one.n * 1e-24 * means**2)
    assert (np.abs(means - other.means) <= 1e-12 * (np.abs(means) + spread)).all()
    assert (np.abs(products - other.products) <= 1e-9 * np.outer(spread, spread) + 1e-300).all()


@given(columns)
@settings(deadline=None)
def test_moments_of_columns(of: tuple[int, int, list[Callable[[np.random.Generator, int], Array]]]) -> None:
    given_columns = drawn(of)
    for some in (given_columns[:1], given_columns[:2], given_columns[:3], given_columns):
        other = without_native(cross, partial(CrossMoments.of, *some))
        assert_same_moments(CrossMoments.of(*some), other)


@given(columns)
@settings(deadline=None)
def test_moments_of_one_and_two(of: tuple[int, int, list[Callable[[np.random.Generator, int], Array]]]) -> None:
    num, den, *_ = drawn(of)
    other = without_native(moments, lambda: PairMoments.of(num, den))
    assert_same_moments(crossed(PairMoments.of(num, den)), crossed(other))
    assert Moments.of(num) == PairMoments.of(num, num).num


@given(columns)
@settings(deadline=None)
def test_weighted_sums(of: tuple[int, int, list[Callable[[np.random.Generator, int], Array]]]) -> None:
    rewards, w, *_ = drawn(of)
    one, other = WeightedSums.of(rewards, w), without_native(weights, lambda: WeightedSums.of(rewards, w))
    for name in ("n", "events", "max_w", "min_r", "max_r", "max_rows"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("w", "w2", "wr", "w2r", "w2r2", "r"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-11)
    for name in ("reward_by_row", "reward_by_weight", "weight_by_row"):
        assert_same_moments(crossed(getattr(one, name)), crossed(getattr(other, name)))


@given(columns)
@settings(deadline=None)
def test_robust_sums(of: tuple[int, int, list[Callable[[np.random.Generator, int], Array]]]) -> None:
    rewards, w, predicted, direct = drawn(of)

    def sums() -> RobustSums:
        return RobustSums.of(rewards, w, predicted=predicted, direct=direct)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross, "native", None)
        other = without_native(doubly_robust, sums)
    assert_same_moments(sums().moments, other.moments)


@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.integers(1, 12))
def test_direct_values_and_weights(seed: int, n: int, actions: int) -> None:
    chance = np.random.default_rng(seed)
    target, predicted = chance.dirichlet(np.ones(actions), n), chance.normal(size=(n, actions))
    others = without_native(doubly_robust, lambda: direct_values(target, predicted))
    np.testing.assert_allclose(direct_values(target, predicted), others, rtol=1e-12, atol=1e-12)
    logging = chance.uniform(0.01, 1, (n, actions))
    quotients = without_native(weights, lambda: importance_weights(target, logging))
    np.testing.assert_array_equal(importance_weights(target, logging), quotients)


@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.integers(1, 12))
def test_predictions_of_what_was_shown_are_the_numbers_of_the_table(seed: int, n: int, actions: int) -> None:
    chance = np.random.default_rng(seed)
    target, predicted = chance.dirichlet(np.ones(actions), n), chance.normal(size=(n, actions))
    shown = chance.integers(0, actions, n)
    found = predictions(target, predicted, shown)
    other = without_native(doubly_robust, lambda: predictions(target, predicted, shown.astype(np.uint8)))
    np.testing.assert_array_equal(found.shown, predicted[np.arange(n), shown])
    np.testing.assert_array_equal(found.direct, direct_values(target, predicted))
    np.testing.assert_array_equal(other.shown, found.shown)
    np.testing.assert_allclose(other.direct, found.direct, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", [-1, 3, 2**40])
def test_an_action_that_is_no_column_is_refused_as_numpy_refuses_it(bad: int) -> None:
    shown, table = np.array([0, 2, bad]), np.full((3, 3), 1 / 3)
    for native_too in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not native_too:
                patch.setattr(doubly_robust, "native", None)
            with pytest.raises(InputError, match=f"action of row 2 is {bad}, must be >= 0 and < 3"):
                predictions(table, table, shown)
    with pytest.raises(InputError, match="actions have shape"):
        predictions(table, table, shown[:2])


@pytest.mark.parametrize(
    ("shrink", "levels"),
    [
        (clipped, [0, 0.5, 2, 1e300, np.inf]),
        (switched, [0, 0.5, 2, 1e300, np.inf]),
        (optimistic, [0, 1e-320, 1e-200, 0.5, 2, 1e300, np.inf]),
        (subgaussian, [0, 1e-320, 0.1, 0.5, 1 - 1e-12, 1]),
    ],
)
def test_shrunk_weights_equal_numpys_to_the_last_bit(shrink: Shrinkage, levels: list[float]) -> None:
    chance = np.random.default_rng(1)
    some = np.concatenate([[0.0, 1e-320, 1.0, 2.0, 2 * (1 + 1e-10), 1e200, 1e308], chance.pareto(0.5, 998)])
    for level in levels:
        for w in (some, some[:-1], some[:0], some[:10].reshape(5, 2)):
            bent = shrink(w, level)
            np.testing.assert_array_equal(bent, without_native(shrinkage, partial(shrink, w, level)))
            assert bent.shape == w.shape
            assert np.isfinite(bent).all()


@pytest.mark.parametrize("place", [0, 1, 1023, 1024, 2999])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, 2.0, 0.0])
def test_one_bad_row_anywhere_is_refused_as_numpy_refuses_it(place: int, bad: float) -> None:
    def said(what: Callable[[], object]) -> str:
        try:
            what()
        except InputError as error:
            return str(error)
        return "taken"

    fine, wrong = np.full(3000, 0.5), np.full(3000, 0.5)
    wrong[place] = bad
    pair, table = np.stack([1 - fine, fine], axis=1), np.stack([1 - fine, wrong], axis=1)
    for module, what in (
        (weights, lambda: importance_weights(fine, wrong)),
        (weights, lambda: importance_weights(wrong, fine)),
        (shrinkage, lambda: clipped(wrong, 1.0)),
        (shrinkage, lambda: optimistic(wrong, 1.0)),
        (weights, lambda: WeightedSums.of(fine, wrong)),
        (weights, lambda: WeightedSums.of(wrong, fine)),
        (doubly_robust, lambda: direct_values(table, pair)),
        (doubly_robust, lambda: direct_values(pair, table)),
        (doubly_robust, lambda: RobustSums.of(fine, wrong, predicted=fine, direct=fine)),
        (doubly_robust, lambda: RobustSums.of(fine, fine, predicted=fine, direct=wrong)),
    ):
        assert said(what) == without_native(module, lambda what=what: said(what))  # type: ignore[misc]
