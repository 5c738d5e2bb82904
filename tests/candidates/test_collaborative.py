"""Item to item, on histories small enough to count by hand, and against a plain co-occurrence matrix."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Touch
from bandstand.candidates.collaborative import MOST_NEIGHBOURS, PAIRED, SHRINK, Collaborative
from bandstand.chance import bits

A, B, C, D = range(4)


def told(*histories: Sequence[int]) -> Collaborative:
    """A generator that saw these people, each of whom touched these rows in this order."""
    generator = Collaborative()
    for rows in histories:
        for at, row in enumerate(rows):
            generator.touched(Touch(row, float(at), tuple(reversed(rows[:at]))))
    return generator


def an_ask(history: list[int], *, weights: list[float] | None = None, rows: int = 10, limit: int = 10) -> Ask:
    heard = np.ones(len(history)) if weights is None else np.array(weights)
    return Ask("d", 0.0, np.array(history, np.int64), heard, np.ones(rows, np.bool_), limit)


def test_what_more_people_touched_together_comes_first() -> None:
    # A stands in 3 histories, B in 2 and C in 1; A met B twice and C once.
    proposals = told([A, B], [B, A], [A, C]).propose(an_ask([A]))
    assert proposals.rows.tolist() == [B, C]
    expected = [2 / (math.sqrt(3 * 2) + SHRINK), 1 / (math.sqrt(3 * 1) + SHRINK)]
    assert proposals.scores.tolist() == pytest.approx(expected, rel=1e-12)


def test_similarity_goes_both_ways() -> None:
    generator = told([A, B], [A, B], [C, D])
    ahead, back = generator.propose(an_ask([A])), generator.propose(an_ask([B]))
    assert (ahead.rows.tolist(), back.rows.tolist()) == ([B], [A])
    assert ahead.scores.tolist() == back.scores.tolist()


def test_an_item_everybody_touches_is_worth_less_than_a_close_companion() -> None:
    # B met A 60 times of its 60, C met A 60 times of its 500: the cosine prefers B.
    others = [[C, 9] for _ in range(440)]
    proposals = told(*[[A, B, C] for _ in range(60)], *others).propose(an_ask([A]))
    assert proposals.rows.tolist()[:2] == [B, C]


def test_the_history_is_not_proposed_and_the_strongest_part_of_it_is_the_reason() -> None:
    generator = told([A, C], [A, C], [B, C], [A, B], [B, D])
    ask = an_ask([A, B])
    rows = generator.propose(ask).rows
    assert rows.tolist() == [C, D]
    assert generator.brought(ask, rows).tolist() == [A, B]


def test_older_history_counts_less() -> None:
    generator = told([A, C], [B, D])
    assert generator.propose(an_ask([A, B], weights=[1.0, 0.5])).rows.tolist() == [C, D]
    assert generator.propose(an_ask([A, B], weights=[0.5, 1.0])).rows.tolist() == [D, C]


def test_nobody_makes_items_similar_alone() -> None:
    once, often = told([A, B]), told([A, B] * 1)
    for _ in range(100):
        often.touched(Touch(A, 0.0, (B, A)))
        often.touched(Touch(B, 0.0, (A, B)))
    assert often.propose(an_ask([A])).scores.tolist() == once.propose(an_ask([A])).scores.tolist()


def test_it_equals_the_shrunk_cosine_of_the_matrix_of_people_by_items() -> None:
    items, people = 40, 80
    histories = []
    for person in range(people):
        rows = [bits("collaborative oracle", person, n) % items for n in range(PAIRED)]
        histories.append(list(dict.fromkeys(rows)))
    matrix = np.zeros((people, items))
    for person, rows in enumerate(histories):
        matrix[person, rows] = 1
    together = (csr_array(matrix).T @ csr_array(matrix)).toarray()
    number = np.diag(together)
    similarity = together / (np.sqrt(np.outer(number, number)) + SHRINK)
    history, weights = [3, 17, 29], [1.0, 0.7, 0.4]
    expected = np.array(weights) @ similarity[history]
    expected[history] = 0

    generator, ask = told(*histories), an_ask(history, weights=weights, rows=items, limit=items)
    proposals = generator.propose(ask)
    assert sorted(proposals.rows.tolist()) == np.flatnonzero(expected).tolist()
    assert proposals.scores == pytest.approx(expected[proposals.rows], rel=1e-12)
    strongest = (np.array(weights)[:, None] * similarity[history])[:, proposals.rows].max(axis=0)
    because = generator.brought(ask, proposals.rows)
    by = [history.index(row) for row in because.tolist()]
    said = np.array(weights)[by] * similarity[because, proposals.rows]
    assert said == pytest.approx(strongest, rel=1e-12)


def test_only_so_many_touches_back_are_paired() -> None:
    rows = list(range(PAIRED + 5))
    proposals = told(rows).propose(an_ask([rows[-1]], rows=PAIRED + 5, limit=100))
    assert sorted(proposals.rows.tolist()) == rows[4:-1]


def test_a_list_of_neighbours_is_bounded_and_keeps_the_strong_ones() -> None:
    strong = [[A, B]] * 30
    passing = [[A, row] for row in range(10, 1010)]
    generator = told(*strong, *passing)
    assert generator.neighbours.shape[1] == MOST_NEIGHBOURS
    assert generator.lengths.max() <= MOST_NEIGHBOURS
    proposals = generator.propose(an_ask([A], rows=1010, limit=1000))
    assert len(proposals.rows) <= MOST_NEIGHBOURS
    assert proposals.rows[0] == B
    assert 1009 in proposals.rows  # the newest are kept: they have had no time yet


def test_a_newcomer_rises_in_a_full_list() -> None:
    passing = [[A, row] for row in range(10, 1010)]
    generator = told(*passing, *[[A, B]] * 5)
    assert generator.propose(an_ask([A], rows=1010)).rows[0] == B
