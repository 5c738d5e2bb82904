"""What somebody looks at just now decides what comes next, from the first click on."""

import numpy as np
import pytest

from bandstand.candidates import Ask, nearest, session
from bandstand.candidates.session import HALF_LIFE_S, Session
from bandstand.candidates.sketches import sketch
from bandstand.events import ItemPut

TITLES = ("red leather backpack", "leather backpack", "desk lamp", "reading lamp for a desk", "canvas backpack", "!?")


def a_shop() -> Session:
    generator = Session()
    for row, title in enumerate(TITLES):
        generator.put(row, ItemPut(f"i{row}", {"title": title}), 0.0)
    return generator


def an_ask(recent: list[int], ages_s: list[float], *, rows: int = len(TITLES), limit: int = 10) -> Ask:
    nobody = np.zeros(0, np.int64)
    everything = np.ones(rows, np.bool_)
    return Ask("d", 0.0, nobody, np.zeros(0), everything, limit, np.array(recent, np.int64), np.array(ages_s))


def test_the_first_click_of_somebody_never_seen_brings_what_is_like_it() -> None:
    assert a_shop().propose(an_ask([0], [0.0])).rows[0] == 1
    assert a_shop().propose(an_ask([2], [0.0])).rows[0] == 3


def test_without_a_click_there_is_nothing_to_say() -> None:
    assert a_shop().propose(an_ask([], [])).rows.tolist() == []


def test_scores_are_cosines_with_the_clicks_halved_every_half_life() -> None:
    ask = an_ask([2, 0], [30.0, 30.0 + HALF_LIFE_S])
    proposals = a_shop().propose(ask)
    vectors = np.array([sketch(ItemPut("i", {"title": title})) for title in TITLES], np.float64)
    profile = vectors[2] + 0.5 * vectors[0]
    cosines = vectors @ profile / np.linalg.norm(profile)
    assert proposals.scores == pytest.approx(cosines[proposals.rows], abs=1e-3)
    assert set(proposals.rows.tolist()) == {row for row in (1, 3, 4) if cosines[row] > 0}


def test_the_latest_click_counts_most() -> None:
    # Both are asked just after the second click, so whoever came back a day later is met as they were.
    for age_s in (0.0, 86400.0):
        assert a_shop().propose(an_ask([2, 0], [age_s, age_s + 3600.0])).rows[0] == 3
        assert a_shop().propose(an_ask([0, 2], [age_s, age_s + 3600.0])).rows[0] == 1


def test_each_item_is_brought_by_the_click_most_like_it() -> None:
    ask = an_ask([2, 0], [0.0, 60.0])
    assert a_shop().brought(ask, np.array([3, 1])).tolist() == [2, 0]


def test_an_item_counts_from_when_it_is_put_until_it_is_removed() -> None:
    generator = a_shop()
    generator.put(6, ItemPut("i6", {"title": "red leather backpack"}), 0.0)
    ask = an_ask([0], [0.0], rows=7)
    assert generator.propose(ask).rows[0] == 6
    generator.removed(6)
    assert generator.propose(ask).rows[0] == 1


def test_among_many_items_nearly_all_of_the_nearest_are_found_also_after_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items, few, many = 3000, Session(), Session()
    chance = np.random.default_rng(1)
    centres = chance.normal(size=(60, 32))
    vectors = centres[chance.integers(0, 60, items)] + 0.7 * chance.normal(size=(items, 32))
    monkeypatch.setattr(nearest, "COMPARED", 600)
    monkeypatch.setattr(session, "EXACT", 100)
    many.propose(an_ask([0], [0.0], rows=items))
    for row, given in enumerate(vectors.tolist()):
        for generator in (few, many):
            generator.put(row, ItemPut("i", {"vector": given}), 0.0)
        if row == 500:
            many.propose(an_ask([0], [0.0], rows=items))  # from here on it is told of each that changes
    found = []
    for row in range(0, items, 100):
        ask = an_ask([row, (row + 1) % items], [0.0, 60.0], rows=items)
        likely = many.propose(ask).rows
        monkeypatch.setattr(session, "EXACT", items)
        found.append(len(set(likely.tolist()) & set(few.propose(ask).rows.tolist())) / 10)
        monkeypatch.setattr(session, "EXACT", 100)
    assert np.mean(found) > 0.95
    again = Session(many.sketches)
    assert again.propose(ask).rows.tolist() == many.propose(ask).rows.tolist()


def test_of_more_equal_items_than_are_compared_some_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "COMPARED", 50)
    monkeypatch.setattr(session, "EXACT", 100)
    generator = Session()
    for row in range(300):
        generator.put(row, ItemPut("i", {"vector": [1.0, 2.0]}), 0.0)
    assert generator.propose(an_ask([0], [0.0], rows=300)).rows.tolist() == list(range(1, 11))
