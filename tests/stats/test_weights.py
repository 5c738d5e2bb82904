import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import InputError
from bandstand.stats.weights import WeightedSums, importance_weights, inverse_propensities

rows = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 8)), max_size=20)  # halves and quarters add exactly


@given(rows, rows)
def test_sums_of_parts_add_up_to_those_of_the_whole(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    def of(part: list[tuple[int, int]]) -> WeightedSums:
        return WeightedSums.of([r / 2 for r, _ in part], [w / 4 for _, w in part])

    merged, whole = of(left) + of(right), of(left + right)
    for name in ("n", "w", "w2", "wr", "w2r", "w2r2", "r", "events", "max_w", "min_r", "max_r", "units"):
        assert getattr(merged, name) == getattr(whole, name)
    for name in ("reward_by_row", "reward_by_weight", "weight_by_row"):
        one, other = getattr(merged, name), getattr(whole, name)
        assert (one.num.m2, one.den.m2, one.cross) == pytest.approx((other.num.m2, other.den.m2, other.cross))


def test_chunks_that_keep_users_whole_give_the_clustered_sums_of_the_log() -> None:
    rewards, weights, users = [1.0, 0.0, 1.0, 0.0, 1.0], [0.5, 1.5, 2.0, 0.5, 0.5], ["a", "b", "a", "c", "c"]
    whole = WeightedSums.of(rewards, weights, clusters=users)
    first = WeightedSums.of([1.0, 0.0, 1.0], [0.5, 1.5, 2.0], clusters=["a", "b", "a"])
    merged = first + WeightedSums.of([0.0, 1.0], [0.5, 0.5], clusters=["c", "c"])
    assert whole.units == merged.units == 3
    assert merged.reward_by_weight.cross == pytest.approx(whole.reward_by_weight.cross)


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.5, float("nan"), float("inf")])
def test_an_impossible_logging_propensity_is_refused_by_row(bad: float) -> None:
    with pytest.raises(InputError, match=r"logging propensity of row 1 is .*, must be > 0 and <= 1"):
        importance_weights([0.5, 0.5], [0.5, bad])


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_an_impossible_target_propensity_is_refused_by_row(bad: float) -> None:
    with pytest.raises(InputError, match=r"target propensity of row 0 is .*, must be >= 0 and <= 1"):
        importance_weights([bad, 0.5], [0.5, 0.5])


def test_a_bad_propensity_of_a_slate_is_refused_by_row_and_position() -> None:
    with pytest.raises(InputError, match="logging propensity of row 1 position 2 is 0"):
        importance_weights(np.full((2, 3), 0.5), [[0.5, 0.5, 0.5], [0.5, 0.5, 0.0]])


def test_a_propensity_so_small_that_its_weight_overflows_is_refused() -> None:
    with pytest.raises(InputError, match="weight of row 0 is inf"):
        importance_weights([1.0], [5e-324])


def test_propensities_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"shapes differ: target \(1,\), logging \(2,\)"):
        importance_weights([0.5], [0.5, 0.5])


def test_a_missing_reward_is_refused_by_row() -> None:
    with pytest.raises(InputError, match="reward of row 1 is nan, must be finite"):
        WeightedSums.of([1.0, float("nan")], [1.0, 1.0])


def test_a_negative_weight_is_refused_by_row() -> None:
    with pytest.raises(InputError, match="weight of row 0 is -1, must be >= 0"):
        WeightedSums.of([1.0, 0.0], [-1.0, 1.0])


def test_a_log_without_a_cluster_for_each_row_is_refused() -> None:
    with pytest.raises(InputError, match=r"shapes differ: clusters \(1,\), weights \(2,\)"):
        WeightedSums.of([1.0, 0.0], [1.0, 1.0], clusters=["u1"])


def test_inverse_propensities_average_one_where_they_are_those_of_the_draw(rng: np.random.Generator) -> None:
    pmf = np.array([0.6, 0.3, 0.1])
    drawn = rng.choice(3, p=pmf, size=20_000)
    right = inverse_propensities(pmf[drawn], 3)
    assert abs(right.mean - 1) < 4 * right.std_error
    # Scores logged in place of the probabilities they led to.
    wrong = inverse_propensities(np.sqrt(pmf)[drawn], np.full(drawn.size, 3))
    assert abs(wrong.mean - 1) > 20 * wrong.std_error


def test_a_row_without_candidates_is_refused() -> None:
    with pytest.raises(InputError, match="number of candidates of row 1 is 0, must be >= 1"):
        inverse_propensities([0.5, 0.5], [2, 0])
