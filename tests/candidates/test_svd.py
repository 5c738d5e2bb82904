"""PureSVD against the dense decomposition."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, svd
from bandstand.candidates.svd import Svd
from bandstand.chance import uniform

ROWS = 30
HISTORY, WEIGHTS = [3, 20, 8], [1.0, 0.5, 0.25]


def some_likes() -> np.ndarray:
    chance = [[uniform("svd", person, row) for row in range(ROWS)] for person in range(80)]
    return (np.array(chance) < np.linspace(0.8, 0.1, ROWS)).astype(np.float32)


def fitted(likes: np.ndarray) -> Svd:
    made = Svd.fit(Evidence(csr_array(likes), np.zeros((likes.shape[1], 64), np.float32)))
    assert made is not None
    return made


def an_ask(history: list[int], weights: list[float]) -> Ask:
    return Ask("d", 0.0, np.array(history, np.int64), np.array(weights), np.ones(ROWS, np.bool_), ROWS)


@pytest.mark.parametrize("factors", [1, 4, 20])
def test_it_projects_the_live_history_onto_the_strongest_patterns(
    factors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svd, "FACTORS", factors)
    likes = some_likes()
    patterns = np.linalg.svd(likes.astype(np.float64))[2][:factors]
    shares = np.array(WEIGHTS)[:, None] * (patterns.T @ patterns)[HISTORY]
    expected = shares.sum(axis=0)
    expected[HISTORY] = 0
    made, ask = fitted(likes), an_ask(HISTORY, WEIGHTS)
    rows, scores = made.propose(ask)
    assert scores == pytest.approx(expected[rows], abs=1e-4)
    assert set(np.flatnonzero(expected > 1e-4)) <= set(rows.tolist())
    told = [HISTORY.index(row) for row in made.brought(ask, rows).tolist()]
    assert shares[told, rows] == pytest.approx(shares[:, rows].max(axis=0), abs=1e-4)


def test_there_are_never_more_patterns_than_people_or_rows_allow() -> None:
    likes = some_likes()[:6]
    assert fitted(likes).factors.table.shape == (5, ROWS)
