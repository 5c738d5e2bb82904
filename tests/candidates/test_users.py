"""Neighbours among people, against dense cosines."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, users
from bandstand.candidates.users import Users
from bandstand.chance import uniform

ROWS = 30
HISTORY, WEIGHTS = [3, 20, 8], [1.0, 0.5, 0.25]


def some_likes() -> np.ndarray:
    chance = [[uniform("users", person, row) for row in range(ROWS)] for person in range(200)]
    likes = (np.array(chance) < np.linspace(0.8, 0.1, ROWS)).astype(np.float32)
    likes[7] = 0
    return likes


def fitted(likes: np.ndarray) -> Users:
    made = Users.fit(Evidence(csr_array(likes), np.zeros((likes.shape[1], 64), np.float32)))
    assert made is not None
    return made


def an_ask(history: list[int], weights: list[float]) -> Ask:
    return Ask("d", 0.0, np.array(history, np.int64), np.array(weights), np.ones(ROWS, np.bool_), ROWS)


def shares(likes: np.ndarray) -> np.ndarray:
    """float64[history, rows]: what each row of the history says for each row, through the nearest people."""
    live = np.zeros(ROWS)
    live[HISTORY] = WEIGHTS
    lengths = np.linalg.norm(likes.astype(np.float64), axis=1)
    unit = likes / np.maximum(lengths, 1e-9)[:, None]
    nearest = np.argsort(-(unit @ live), kind="stable")[: users.NEIGHBOURS]
    return np.array([live[row] * unit[nearest, row] @ likes[nearest] for row in HISTORY])


def test_it_sums_what_the_nearest_people_like() -> None:
    likes = some_likes()
    made, ask = fitted(likes), an_ask(HISTORY, WEIGHTS)
    rows, scores = made.propose(ask)
    expected = shares(likes)
    assert scores == pytest.approx(expected.sum(axis=0)[rows], rel=1e-5)
    assert sorted([*rows.tolist(), *HISTORY]) == list(range(ROWS))
    told = [HISTORY.index(row) for row in made.brought(ask, rows).tolist()]
    assert expected[told, rows] == pytest.approx(expected[:, rows].max(axis=0), rel=1e-5)


def test_of_many_who_like_an_item_and_of_all_people_the_latest_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MOST_LISTED", 3)
    monkeypatch.setattr(users, "MOST_PEOPLE", 100)
    likes = some_likes()
    made = fitted(likes)
    assert len(made.people) == 100
    for row in range(ROWS):
        here = slice(made.fans.starts[row], made.fans.starts[row] + made.fans.lengths[row])
        assert made.fans.places[here].tolist() == np.flatnonzero(likes[100:, row])[-3:].tolist()
