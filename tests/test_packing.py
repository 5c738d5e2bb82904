"""What a snapshot holds of an array, and what it leaves out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.packing import pack, unpack

shapes = st.one_of(st.tuples(st.integers(0, 5_000)), st.tuples(st.integers(0, 300), st.integers(0, 30)))


@given(shapes, st.sampled_from(["<f4", "<f8", "<i4", "|b1", "<u4"]), st.floats(0, 0.01), st.integers(0, 2**32 - 1))
def test_array_comes_back_as_it_was(shape: tuple[int, ...], dtype: str, filled: float, seed: int) -> None:
    chance = np.random.default_rng(seed)
    array = np.where(chance.random(shape) < filled, chance.integers(0, 100, shape), 0).astype(dtype)
    back = unpack(pack(array), np.ndarray)
    assert back.dtype == array.dtype
    assert back.shape == shape
    np.testing.assert_array_equal(back, array)


def test_room_that_was_never_written_to_takes_no_room_in_a_snapshot() -> None:
    array = np.zeros((1_000_000, 8))
    array[[0, 500_000, 999_999]] = 1.0
    assert len(pack(array)) < 20_000


def test_minus_zero_and_parts_of_an_array_stay() -> None:
    array = np.zeros((4_096, 4), np.float32)
    array[:, 1] = -0.0
    back = unpack(pack(array[::2, 1]), np.ndarray)
    assert np.signbit(back).all()


def test_what_is_no_plain_data_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot be written"):
        pack(object())
