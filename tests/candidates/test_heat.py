"""The hottest and the coldest rows, without a look at all of them, are those of a sort of all of them."""

import numpy as np
import pytest

from bandstand.candidates import Rows, leaders
from bandstand.candidates.heat import Heat
from bandstand.chance import bits, uniform
from bandstand.packing import pack, unpack

ROWS = 300
START = 1_760_000_000.0
HOUR = 3600.0


@pytest.fixture(params=[8, 64, leaders.MOST])
def heat(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Heat:
    """Of which few or all rows are kept in order."""
    monkeypatch.setattr(leaders, "MOST", request.param)
    return Heat(HOUR)


def sorted_by_weight(heat: Heat, allowed: np.ndarray) -> Rows:
    weights = np.zeros(ROWS)
    weights[: len(heat.weights)] = heat.weights[:ROWS]
    order = np.lexsort((np.arange(ROWS), -weights))
    return order[allowed[order] & (weights[order] > 0)]


def some(nth: int) -> np.ndarray:
    return np.arange(ROWS) % nth == 0


def test_the_order_is_that_of_a_sort_after_each_touch(heat: Heat) -> None:
    for step in range(600):
        row = bits("heat", step) % (20 if step % 3 else ROWS)
        # Every fourth at one moment, for ties; some very late; after 300 steps the landmark moves.
        ago = 50 * HOUR * uniform("late", step) if step % 7 == 0 else 0.0
        heat.add(row, START + HOUR * (step // 4) + (500 * HOUR if step > 300 else 0) - ago)
        for nth in (1, 7, 100):
            expected = sorted_by_weight(heat, some(nth))
            for limit in (1, 5, ROWS):
                assert heat.hottest(some(nth), limit).tolist() == expected[:limit].tolist()


def test_equally_hot_rows_come_in_their_order(heat: Heat) -> None:
    for row in (5, 3, 9, 3, 5, 9, 1):
        heat.hottest(some(1), 3)
        heat.add(row, START)
    assert heat.hottest(some(1), 4).tolist() == [3, 5, 9, 1]


def test_what_is_kept_in_order_is_not_written_down(heat: Heat) -> None:
    for step in range(100):
        heat.add(bits("packed", step) % 50, START + step)
    before = pack(heat)
    found = heat.hottest(some(1), 20)
    assert pack(heat) == before
    assert unpack(before, Heat).hottest(some(1), 20).tolist() == found.tolist()


@pytest.mark.parametrize("limit", [0, 1, 10, ROWS])
def test_the_coldest_are_the_first_that_nobody_touched(heat: Heat, limit: int) -> None:
    for row in (0, 1, 2, 7, 150):
        heat.add(row, START)
    for nth in (1, 7, 100):
        untouched = [row for row in range(0, ROWS, nth) if row not in (0, 1, 2, 7, 150)]
        assert heat.coldest(some(nth), limit).tolist() == untouched[:limit]
