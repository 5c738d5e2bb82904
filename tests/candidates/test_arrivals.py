"""What came last comes first, and is new but once."""

import numpy as np
import pytest

from bandstand.candidates import Ask
from bandstand.candidates.arrivals import DAY_S, HALF_LIFE_S, NEW_FOR_S, Arrivals
from bandstand.events import ItemPut

START = 1_760_000_000.0


def arrived(*days: float) -> Arrivals:
    """Row n came on the nth of these days."""
    generator = Arrivals()
    for row, day in enumerate(days):
        generator.put(row, ItemPut(f"i{row}"), START + day * DAY_S)
    return generator


def an_ask(day: float, *, rows: int = 10, limit: int = 10, history: tuple[int, ...] = ()) -> Ask:
    seen = np.array(history, np.int64)
    return Ask("d", START + day * DAY_S, seen, np.ones(len(seen)), np.ones(rows, np.bool_), limit)


def test_the_newest_come_first_and_count_half_after_three_days() -> None:
    proposals = arrived(0, 1, 3).propose(an_ask(3))
    assert proposals.rows.tolist() == [2, 1, 0]
    assert proposals.scores.tolist() == pytest.approx([1.0, 2 ** (-2 * DAY_S / HALF_LIFE_S), 0.5])


def test_an_item_is_new_for_two_weeks() -> None:
    generator = arrived(0, 1)
    last = NEW_FOR_S / DAY_S
    assert generator.propose(an_ask(last)).rows.tolist() == [1, 0]
    assert generator.propose(an_ask(last + 0.5)).rows.tolist() == [1]
    assert generator.propose(an_ask(last + 2)).rows.tolist() == []


def test_an_item_that_changes_or_comes_back_is_not_new_again() -> None:
    generator = arrived(0, 1)
    generator.put(0, ItemPut("i0", {"title": "other"}), START + 5 * DAY_S)
    generator.removed(0)
    generator.put(0, ItemPut("i0"), START + 6 * DAY_S)
    assert generator.propose(an_ask(6)).rows.tolist() == [1, 0]


def test_what_the_user_has_seen_is_no_news() -> None:
    assert arrived(0, 1, 2).propose(an_ask(3, history=(2,), limit=2)).rows.tolist() == [1, 0]


def test_a_clock_that_was_set_back_puts_nothing_out_of_order() -> None:
    generator = arrived(5, 3, 6)
    proposals = generator.propose(an_ask(6))
    assert proposals.rows.tolist() == [2, 1, 0]
    assert (np.diff(proposals.scores) <= 0).all()
