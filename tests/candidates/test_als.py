"""ALS against the library's own answers, and what to do where there is no such library."""

import importlib.util
from functools import cache

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix

from bandstand.candidates import Ask, Evidence, als
from bandstand.candidates.als import FACTORS, REGULARIZATION, Als
from bandstand.candidates.factors import GRAIN
from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.packing import pack

ROWS = 50
HISTORY, WEIGHTS = [3, 20, 8, 41], [1.0, 0.8, 0.6, 0.4]


def evidence(*, people: int = 200) -> Evidence:
    """Every fifth person likes most of every fifth row, and little else."""
    chance = np.array([[uniform("als", person, row) for row in range(ROWS)] for person in range(people)])
    alike = (np.arange(people)[:, None] - np.arange(ROWS)) % 5 == 0
    likes = (chance < np.where(alike, 0.6, 0.1)).astype(np.float32)
    return Evidence(csr_array(likes), np.zeros((ROWS, 64), np.float32))


@cache
def fitted() -> Als:
    made = Als.fit(evidence())
    assert made is not None
    return made


def regularization() -> float:
    likes = evidence().likes.toarray()
    return REGULARIZATION * likes.sum() / np.sqrt(np.prod(likes.shape))


def an_ask(history: list[int], weights: list[float]) -> Ask:
    return Ask("d", 0.0, np.array(history, np.int64), np.array(weights), np.ones(ROWS, np.bool_), ROWS)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the library's, about threads
def test_the_live_history_is_folded_in_as_the_library_does() -> None:
    made = fitted()
    library = AlternatingLeastSquares(factors=FACTORS, regularization=regularization(), dtype=np.float64)
    library.item_factors = made.factors.of(np.arange(ROWS))
    library.user_factors = np.zeros((1, FACTORS))
    heard = csr_matrix((np.array(WEIGHTS, np.float32), ([0] * 4, HISTORY)), shape=(1, ROWS))
    expected, scores = library.recommend(0, heard, N=ROWS, recalculate_user=True, filter_already_liked_items=True)
    told = scores > 1e-9
    found = made.propose(an_ask(HISTORY, WEIGHTS))
    assert found.rows.tolist() == expected[told].tolist()
    assert found.scores == pytest.approx(scores[told], rel=1e-4, abs=1e-6)


def test_a_history_of_one_kind_brings_the_rest_of_that_kind() -> None:
    found = fitted().propose(an_ask([3, 8, 13], [1.0, 1.0, 1.0])).rows
    assert (found[:7] % 5 == 3).sum() >= 6  # of 47 rows 7 are of that kind: by chance it would be one


@pytest.mark.parametrize("people", [2, 5, 20])
def test_few_likes_are_not_drowned_by_the_regularization(people: int) -> None:
    few = evidence(people=people)
    made = Als.fit(few)
    assert made is not None
    most_liked = int(few.likes.sum(axis=0).argmax())
    assert len(made.propose(an_ask([most_liked], [1.0])).rows) > 0


def test_what_brought_an_item_has_the_largest_part_of_its_score() -> None:
    made = fitted()
    vectors, weights = made.factors.of(np.arange(ROWS)), np.array(WEIGHTS)
    own = vectors[HISTORY]
    told = np.linalg.inv(made.gram + own.T @ np.diag(weights - 1) @ own)
    shares = weights[:, None] * (own @ told @ vectors.T)  # Hu, Koren and Volinsky 2008, equation 7
    ask = an_ask(HISTORY, WEIGHTS)
    rows, scores = made.propose(ask)
    assert scores == pytest.approx(shares.sum(axis=0)[rows], abs=1e-5)
    assert made.brought(ask, rows).tolist() == np.array(HISTORY)[shares[:, rows].argmax(axis=0)].tolist()


def test_the_table_is_rounded_to_a_grain() -> None:
    table = fitted().factors.table
    assert (np.round(table / GRAIN) * GRAIN == table).all()
    assert np.abs(table).max() > 1000 * GRAIN


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(als, "_ONE_THREAD_BELOW", 0)
    assert pack(Als.fit(evidence())) == pack(fitted())


def test_it_says_what_to_install_where_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"'als'.*implicit is not installed; install bandstand\[als\]"):
        Als.fit(evidence())
