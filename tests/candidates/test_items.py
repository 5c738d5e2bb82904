"""Neighbours among items, against dense cosines."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, items
from bandstand.candidates.items import SHRINK, Items
from bandstand.chance import uniform

ROWS = 30
HISTORY, WEIGHTS = [3, 20, 8], [1.0, 0.5, 0.25]


def some_likes() -> np.ndarray:
    chance = [[uniform("items", person, row) for row in range(ROWS)] for person in range(200)]
    return (np.array(chance) < np.linspace(0.8, 0.1, ROWS)).astype(np.float32)


def fitted(likes: np.ndarray) -> Items:
    made = Items.fit(Evidence(csr_array(likes), np.zeros((likes.shape[1], 64), np.float32)))
    assert made is not None
    return made


def an_ask(history: list[int], weights: list[float]) -> Ask:
    return Ask("d", 0.0, np.array(history, np.int64), np.array(weights), np.ones(ROWS, np.bool_), ROWS)


def similarities(likes: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(likes.astype(np.float64), axis=0)
    similar = likes.T.astype(np.float64) @ likes / (np.outer(lengths, lengths) + SHRINK)
    np.fill_diagonal(similar, 0)
    return similar


@pytest.mark.parametrize("block", [7, 512])
def test_it_sums_the_shrunk_cosines_of_the_live_history(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "_BLOCK", block)
    likes = some_likes()
    shares = np.array(WEIGHTS)[:, None] * similarities(likes)[HISTORY]
    made, ask = fitted(likes), an_ask(HISTORY, WEIGHTS)
    rows, scores = made.propose(ask)
    assert scores == pytest.approx(shares.sum(axis=0)[rows], rel=1e-5)
    assert sorted([*rows.tolist(), *HISTORY]) == list(range(ROWS))
    told = [HISTORY.index(row) for row in made.brought(ask, rows).tolist()]
    assert shares[told, rows] == pytest.approx(shares[:, rows].max(axis=0), rel=1e-5)


def test_an_item_hears_only_its_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MOST_NEIGHBOURS", 4)
    similar = similarities(some_likes())
    table = fitted(some_likes()).table.between(np.arange(ROWS), np.arange(ROWS))
    nearest = np.argsort(-similar, axis=0, kind="stable")[:4]
    expected = np.zeros_like(similar)
    np.put_along_axis(expected, nearest, np.take_along_axis(similar, nearest, 0), 0)
    assert table == pytest.approx(expected, rel=1e-6)
