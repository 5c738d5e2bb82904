"""EASE against its formula in dense matrices."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, ease
from bandstand.candidates.ease import GRAIN, REGULARIZATION, Ease
from bandstand.chance import uniform

ROWS = 30


def some_likes(*, people: int = 400) -> np.ndarray:
    chance = [[uniform("ease", person, row) for row in range(ROWS)] for person in range(people)]
    return (np.array(chance) < np.linspace(0.9, 0.1, ROWS)).astype(np.float32)


def fitted(likes: np.ndarray) -> Ease:
    made = Ease.fit(Evidence(csr_array(likes), np.zeros((likes.shape[1], 64), np.float32)))
    assert made is not None
    return made


def an_ask(history: list[int], weights: list[float]) -> Ask:
    return Ask("d", 0.0, np.array(history, np.int64), np.array(weights), np.ones(ROWS, np.bool_), ROWS)


def weights(likes: np.ndarray) -> np.ndarray:
    """Steck 2019, equation 8, as it stands there."""
    inverse = np.linalg.inv(likes.T.astype(np.float64) @ likes + REGULARIZATION * np.eye(likes.shape[1]))
    return np.eye(len(inverse)) - inverse / np.diag(inverse)


@pytest.mark.parametrize("block", [7, 8, 30, 512])
def test_it_is_the_closed_form(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "_BLOCK", block)
    likes = some_likes()
    expected = weights(likes)
    assert expected.max() > 100 * GRAIN
    found = fitted(likes).table.between(np.arange(ROWS), np.arange(ROWS))
    assert found == pytest.approx(expected, abs=GRAIN / 2 + 1e-9)
    assert np.diag(found).tolist() == [0.0] * ROWS


def test_it_sums_the_weights_of_the_live_history() -> None:
    likes = some_likes()
    expected = np.array([1.0, 0.5, 0.25]) @ weights(likes)[[3, 20, 8]]
    expected[[3, 20, 8]] = 0
    made, ask = fitted(likes), an_ask([3, 20, 8], [1.0, 0.5, 0.25])
    rows, scores = made.propose(ask)
    assert sorted(rows.tolist()) == np.flatnonzero(expected > 2 * GRAIN).tolist()
    assert scores == pytest.approx(expected[rows], abs=2 * GRAIN)
    shares = np.array([1.0, 0.5, 0.25])[:, None] * weights(likes)[[3, 20, 8]]
    told = [[3, 20, 8].index(row) for row in made.brought(ask, rows).tolist()]
    assert shares[told, rows] == pytest.approx(shares[:, rows].max(axis=0), abs=GRAIN)


def test_what_is_liked_a_hundred_times_counts_as_damped() -> None:
    often = some_likes()
    often[:50] *= 99
    found = fitted(often).table.between(np.arange(ROWS), np.arange(ROWS))
    assert found == pytest.approx(weights(np.log2(1 + often)), abs=GRAIN)


def test_only_the_strongest_weights_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "MOST_WEIGHTS", 5)
    likes = some_likes()
    table = fitted(likes).table
    assert table.lengths.tolist() == [5] * ROWS
    strongest = np.sort(np.argsort(-np.abs(weights(likes)), axis=1)[:, :5], axis=1)
    assert table.places.reshape(ROWS, 5).tolist() == strongest.tolist()


def test_only_what_most_people_like_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "MOST_ITEMS", 12)
    likes = some_likes()
    chosen = np.sort(np.argsort(-likes.sum(axis=0), kind="stable")[:12])
    table = fitted(likes).table
    assert np.flatnonzero(table.lengths).tolist() == chosen.tolist()
    found = table.between(chosen, chosen)
    assert found == pytest.approx(weights(likes[:, chosen]), abs=GRAIN)
