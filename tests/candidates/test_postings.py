"""Champion lists, against the table of all rows by all words."""

import numpy as np
import pytest

from bandstand.candidates import postings as module
from bandstand.candidates.postings import Postings, postings
from bandstand.chance import bits, uniform
from bandstand.packing import pack, unpack

ROWS, WORDS = 60, 30


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of 6 to 8 rows."""
    monkeypatch.setattr(module, "CHAMPIONS", 6)
    monkeypatch.setattr(module, "MOST_LISTED", 8)


def words_of(step: int) -> np.ndarray:
    return np.unique([bits("words", step, n) % (1 + bits("rare", n) % WORDS) for n in range(6)]).astype(np.int32)


def weights_of(step: int, words: np.ndarray) -> np.ndarray:
    return np.array([0.1 + uniform("weight", step, int(word)) for word in words], np.float32)


def after(steps: int) -> tuple[Postings, np.ndarray]:
    """Rows that came, went and changed; and the same as a table."""
    listed, table = Postings(), np.zeros((ROWS, WORDS), np.float32)
    for step in range(steps):
        row = bits("row", step) % ROWS
        if table[row].any():
            listed.drop(row, np.flatnonzero(table[row]).astype(np.int32))
            table[row] = 0
        if step % 5:
            words = words_of(step)
            table[row, words] = weights_of(step, words)
            listed.add(row, words, table[row, words])
    return listed, table


def lists(of: Postings) -> list[dict[int, float]]:
    return [
        dict(zip(of.rows[start : start + n].tolist(), of.weights[start : start + n].tolist(), strict=True))
        for start, n in zip(of.starts.tolist(), of.lengths.tolist(), strict=True)
    ]


@pytest.mark.parametrize("steps", [1, 2, 30, 500])
def test_each_list_holds_the_rows_that_hold_the_word(steps: int) -> None:
    listed, table = after(steps)
    for word, rows in enumerate(lists(listed)[:WORDS]):
        assert rows == {int(row): float(table[row, word]) for row in np.flatnonzero(table[:, word])}


def test_scores_are_those_of_the_table() -> None:
    listed, table = after(500)
    words, strengths = np.array([7, 0, 3]), np.array([0.5, 0.25, 1.5], np.float32)
    scores = listed.scores(words, strengths, ROWS)
    assert scores == pytest.approx(table[:, words] @ strengths, rel=1e-6)
    assert listed.scores(words[:0], strengths[:0], ROWS).tolist() == [0.0] * ROWS
    assert len(listed.scores(words, strengths, 10)) == 10


@pytest.mark.usefixtures("short")
def test_a_list_that_is_full_keeps_the_rows_that_hold_the_word_most() -> None:
    listed, word = Postings(), np.array([0], np.int32)
    for row in range(9):
        listed.add(row, word, np.array([(row * 4) % 9 + 1], np.float32))
    # The weights of rows 0 to 7 are 1 5 9 4 8 3 7 2: without the least two, there is room for row 8.
    assert set(lists(listed)[0]) == {1, 2, 3, 4, 5, 6, 8}
    assert len(listed.rows) < 100


@pytest.mark.usefixtures("short")
def test_lists_that_are_made_at_once_hold_the_champions_and_go_on_as_others_do() -> None:
    _, table = after(500)
    rows = np.flatnonzero(table.any(axis=1))
    of_row, places = np.nonzero(table[rows])
    starts = np.searchsorted(of_row, np.arange(len(rows) + 1)).astype(np.int32)
    places = places.astype(np.int32)
    made = postings(rows, WORDS, starts, places, table[rows][of_row, places])
    for word, held in enumerate(lists(made)):
        strongest = np.lexsort((np.arange(ROWS), -table[:, word]))[:6]
        assert held == {int(row): float(table[row, word]) for row in strongest if table[row, word]}
    again = unpack(pack(made), Postings)
    for one in (made, again):
        for row in range(ROWS, ROWS + 20):
            words = words_of(row)
            one.add(row, words, weights_of(row, words))
    assert pack(made) == pack(again)
    assert made.lengths.max() <= 8
