"""Nearest by the vectors that callers give, against dense cosines; exactly, by signs, and by an index."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from bandstand.candidates import NOBODY, Ask, Evidence, nearest, vector_index, vectors
from bandstand.candidates.vector_index import VectorIndex
from bandstand.candidates.vectors import Vectors
from bandstand.events import ItemPut
from bandstand.packing import pack, unpack

ITEMS = 2000


def clustered(length: int = 32) -> np.ndarray:
    chance = np.random.default_rng(length)
    centres = chance.normal(size=(40, length))
    return centres[chance.integers(0, 40, ITEMS)] + 0.7 * chance.normal(size=(ITEMS, length))


def of(*given: list[float] | np.ndarray) -> Vectors:
    generator = Vectors()
    for row, numbers in enumerate(given):
        generator.put(row, ItemPut(f"i{row}", {"vector": list(map(float, numbers))}), 0.0)
    return generator


def an_ask(history: list[int], weights: list[float], *, rows: int = ITEMS, limit: int = 10, nth: int = 1) -> Ask:
    return Ask("d", 0.0, np.array(history, np.int64), np.array(weights), np.arange(rows) % nth == 0, limit)


def dense(given: np.ndarray, ask: Ask) -> tuple[list[int], np.ndarray]:
    """The nearest rows, and all cosines, in double precision."""
    directions = given / np.linalg.norm(given, axis=1, keepdims=True)
    profile = ask.weights @ directions[ask.history]
    cosines = directions @ profile / np.linalg.norm(profile)
    cosines[ask.history], cosines[~ask.allowed] = -1, -1
    return np.argsort(-cosines, kind="stable")[: ask.limit].tolist(), cosines


def agreement(generator: Vectors | VectorIndex, given: np.ndarray, *, nth: int = 1) -> float:
    shares = []
    for row in range(0, ITEMS, 50):
        ask = an_ask([row, (row + 7) % ITEMS], [1.0, 0.5], nth=nth)
        shares.append(len(set(generator.propose(ask).rows.tolist()) & set(dense(given, ask)[0])) / ask.limit)
    return float(np.mean(shares))


def fitted(generator: Vectors) -> VectorIndex | None:
    none = np.zeros((0, 64), np.float32)
    return VectorIndex.fit(Evidence(csr_array((0, 0), dtype=np.float32), none, generator.copies()))


def test_the_nearest_are_those_of_dense_cosines() -> None:
    given = clustered()
    generator = of(*given)
    assert agreement(generator, given) > 0.99  # numbers are rounded, so nearly equal ones may change places
    ask = an_ask([3, 5], [1.0, 0.5])
    proposals = generator.propose(ask)
    assert proposals.scores == pytest.approx(dense(given, ask)[1][proposals.rows], abs=1e-3)


def test_only_vectors_of_equal_length_are_compared() -> None:
    generator = of([1.0, 0.0], [1.0, 0.1], [1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [1.0])
    assert generator.propose(an_ask([0], [1.0], rows=5)).rows.tolist() == [1]
    assert generator.propose(an_ask([2], [1.0], rows=5)).rows.tolist() == [3]
    assert generator.propose(an_ask([4], [1.0], rows=5)).rows.tolist() == []
    # Three quarters of the weights are of length 3.
    mixed = generator.propose(an_ask([2, 0], [0.75, 0.25], rows=5))
    assert mixed.rows.tolist() == [3, 1]
    assert mixed.scores[0] == pytest.approx(3 * mixed.scores[1], rel=1e-3)
    assert generator.brought(an_ask([2, 0], [0.75, 0.25], rows=5), np.array([1, 3, 4])).tolist() == [0, 2, NOBODY]


def test_an_item_moves_with_the_length_of_its_vector() -> None:
    generator = of([1.0, 0.0], [1.0, 0.1], [1.0, 0.0, 0.0])
    generator.put(1, ItemPut("i1", {"vector": [1.0, 0.1, 0.0]}), 0.0)
    assert generator.propose(an_ask([0], [1.0], rows=3)).rows.tolist() == []
    assert generator.propose(an_ask([2], [1.0], rows=3)).rows.tolist() == [1]
    generator.put(1, ItemPut("i1", {"title": "no vector any more"}), 0.0)
    assert generator.propose(an_ask([2], [1.0], rows=3)).rows.tolist() == []


def test_a_removed_item_leaves_the_others_where_they_are_and_a_table_that_is_empty_goes() -> None:
    given = clustered()
    generator = of(*given)
    gone = [row for row in range(ITEMS) if row % 3 == 1]
    for row in gone:
        generator.removed(row)
        generator.removed(row)
    ask = an_ask([3, 6], [1.0, 0.5])
    ask.allowed[gone] = False
    assert set(generator.propose(ask).rows.tolist()) == set(dense(given, ask)[0])
    for row in range(ITEMS):
        generator.removed(row)
    assert generator.tables == {}


def test_the_item_most_like_a_proposal_brought_it() -> None:
    generator = of([1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.1, 0.9])
    ask = an_ask([0, 1], [1.0, 0.9], rows=4)
    assert generator.brought(ask, np.array([2, 3])).tolist() == [0, 1]


def test_what_is_opposite_is_not_proposed() -> None:
    generator = of([1.0, 0.0], [-1.0, 0.0], [0.0, 1.0])
    assert generator.propose(an_ask([0], [1.0], rows=3)).rows.tolist() == []
    assert generator.propose(an_ask([0, 1], [1.0, 1.0], rows=3)).rows.tolist() == []


def test_among_many_nearly_all_of_the_nearest_are_found_by_their_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    given = clustered()
    monkeypatch.setattr(vectors, "EXACT", 100)
    monkeypatch.setattr(nearest, "COMPARED", 400)
    generator = of(*given)
    assert agreement(generator, given) > 0.95
    assert agreement(generator, given, nth=20) > 0.99  # of the 100 that are allowed, all are compared
    for row in range(0, ITEMS, 2):
        generator.put(row, ItemPut("i", {"vector": given[ITEMS - 1 - row].tolist()}), 0.0)
    moved = given.copy()
    moved[::2] = given[::-1][::2]
    assert agreement(generator, moved) > 0.95
    again = unpack(pack(generator), Vectors)
    ask = an_ask([3, 6], [1.0, 0.5])
    assert again.propose(ask).rows.tolist() == generator.propose(ask).rows.tolist()


def test_an_index_is_made_of_many_long_vectors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = of(*clustered())
    assert generator.copies() == {}
    assert fitted(generator) is None
    monkeypatch.setattr(vectors, "EXACT", 100)
    monkeypatch.setattr(vector_index, "EXACT", 100)
    assert fitted(generator) is None
    monkeypatch.setattr(vector_index, "LONG", 32)
    assert fitted(generator) is not None


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Vectors:
    monkeypatch.setattr(vectors, "EXACT", 100)
    monkeypatch.setattr(vector_index, "EXACT", 100)
    monkeypatch.setattr(vector_index, "LONG", 1)
    return of(*clustered())


def test_an_index_finds_nearly_all_of_the_nearest_that_are_allowed(many: Vectors) -> None:
    index = fitted(many)
    assert index is not None
    assert agreement(index, clustered()) > 0.98
    assert agreement(index, clustered(), nth=5) > 0.98
    ask = an_ask([3, 6], [1.0, 0.5], nth=200)
    assert len(index.propose(ask).rows) == np.count_nonzero(dense(clustered(), ask)[1] > 0)


def test_an_index_made_twice_is_the_same_and_can_be_written_down(many: Vectors) -> None:
    one, other = fitted(many), fitted(unpack(pack(many), Vectors))
    assert one is not None
    assert other is not None
    assert pack(one) == pack(other)
    again = unpack(pack(one), VectorIndex)
    for row in range(0, ITEMS, 100):
        ask = an_ask([row], [1.0])
        assert again.propose(ask).rows.tolist() == one.propose(ask).rows.tolist()
        assert again.propose(ask).scores.tolist() == one.propose(ask).scores.tolist()


def test_an_index_says_the_same_of_what_brought_an_item(many: Vectors) -> None:
    index = fitted(many)
    assert index is not None
    ask = an_ask([3, 6], [1.0, 0.5])
    rows = index.propose(ask).rows
    assert index.brought(ask, rows).tolist() == many.brought(ask, rows).tolist()


def test_an_index_does_no_harm_where_it_knows_nothing(many: Vectors) -> None:
    many.put(0, ItemPut("i0", {"vector": [1.0, 2.0]}), 0.0)
    many.put(1, ItemPut("i1", {}), 0.0)
    index = fitted(many)
    assert index is not None
    assert index.propose(an_ask([], [])).rows.tolist() == []
    assert index.propose(an_ask([1, ITEMS + 5], [1.0, 1.0], rows=ITEMS + 10)).rows.tolist() == []
    assert index.propose(an_ask([0], [1.0])).rows.tolist() == []
    assert len(index.propose(an_ask([0, 5], [1.0, 1.0], rows=50)).rows) <= 10
    assert index.propose(an_ask([5], [1.0], limit=0)).rows.tolist() == []
    later = an_ask([5], [1.0], rows=ITEMS + 10)
    assert index.brought(later, np.array([ITEMS + 5, 0, 1])).tolist() == [NOBODY] * 3
