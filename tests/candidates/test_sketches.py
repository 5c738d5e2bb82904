"""Sketches keep cosines: of the vectors that callers give, and of words on the real catalogue."""

import gzip
import json
import math

import numpy as np
import pytest

from bandstand import data
from bandstand.candidates.content import terms
from bandstand.candidates.sketches import LONGEST_VECTOR, PLACES, STEPS, Sketches, sketch, unit, vector
from bandstand.events import ItemPut
from bandstand.packing import pack, unpack


def with_vector(numbers: list[float]) -> ItemPut:
    return ItemPut("i", {"title": "reading lamp", "vector": list(numbers)})


def sketched(vectors: np.ndarray) -> np.ndarray:
    return np.array([sketch(with_vector(one.tolist())) for one in vectors])


def cosines(vectors: np.ndarray) -> np.ndarray:
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return directions @ directions.T


def test_a_sketch_has_length_one() -> None:
    for item in (ItemPut("i", {"title": "reading lamp"}), with_vector([3.0, 4.0]), with_vector([1.0] * 1000)):
        # Each of 64 numbers is off by at most half a step.
        assert np.linalg.norm(sketch(item).astype(np.float64)) == pytest.approx(1.0, abs=8 * 0.5 / STEPS)


def test_a_vector_goes_before_words() -> None:
    assert np.array_equal(sketch(with_vector([1.0, 2.0])), sketch(ItemPut("j", {"vector": [2.0, 4.0]})))
    assert not np.array_equal(sketch(with_vector([1.0, 2.0])), sketch(ItemPut("i", {"title": "reading lamp"})))


@pytest.mark.parametrize("length", [1, 2, 16, 63, PLACES])
def test_a_vector_that_fits_keeps_its_cosines(length: int) -> None:
    vectors = np.random.default_rng(length).normal(size=(40, length))
    found = sketched(vectors).astype(np.float64)
    # Rounding moves a cosine by at most the sum of both roundings: 2 · √PLACES · half a step.
    assert found @ found.T == pytest.approx(cosines(vectors), abs=2 * 8 * 0.5 / STEPS)


@pytest.mark.parametrize("length", [65, 384, 1536, LONGEST_VECTOR])
def test_a_longer_vector_keeps_its_cosines_about(length: int) -> None:
    vectors = np.random.default_rng(length).normal(size=(40, length))
    vectors[20:] = vectors[:20] + 0.5 * vectors[20:]  # pairs with a cosine of about 0.9
    found = sketched(vectors).astype(np.float64)
    off = (found @ found.T - cosines(vectors))[np.triu_indices(40, 1)]
    # The standard deviation of a cosine c is about (1 - c²) / √PLACES, at most 1/8; six of them for the largest of 780.
    assert np.std(off) < 1.2 / math.sqrt(PLACES)
    assert np.abs(off).max() < 6 / math.sqrt(PLACES)


def test_vectors_of_different_lengths_are_unrelated() -> None:
    directions = np.array([sketch(with_vector([1.0] * length)) for length in range(1, 200)], np.float64)
    products = (directions @ directions.T)[np.triu_indices(len(directions), 1)]
    assert abs(products.mean()) < 0.02
    assert np.std(products) < 1.2 / math.sqrt(PLACES)


def test_products_of_unit_vectors_are_exact_in_any_order() -> None:
    vectors = np.array([unit(one) for one in np.random.default_rng(1).normal(size=(50, 1536))])
    exact = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    assert np.array_equal(vectors @ vectors.T, exact)
    assert np.array_equal(vectors[:, ::-1] @ vectors[:, ::-1].T, exact)
    assert [float(vectors[at] @ vectors[0]) for at in range(50)] == exact[:, 0].tolist()


@pytest.mark.parametrize(
    "given",
    [
        [],
        [0.0, 0.0],
        [1.0, math.nan],
        [math.inf, 1.0],
        ["a", "b"],
        [1.0, "b"],
        "1, 2",
        3.5,
        [10**400, 1],
        [1.0] * (LONGEST_VECTOR + 1),
    ],
    ids=["empty", "zeros", "nan", "inf", "words", "mixed", "text", "number", "huge", "too long"],
)
def test_what_is_no_vector_is_passed_over_for_the_words(given: object) -> None:
    assert vector({"vector": given}) is None
    item = ItemPut("i", {"title": "reading lamp", "vector": given})
    assert np.array_equal(sketch(item), sketch(ItemPut("i", {"title": "reading lamp"})))


@pytest.mark.parametrize("size", [1e-300, 5e-324, 1e300, 1])
def test_the_length_of_a_vector_does_not_matter(size: float) -> None:
    found = vector({"vector": [size, 0, size]})
    assert found is not None
    assert found == pytest.approx([math.sqrt(0.5), 0, math.sqrt(0.5)], abs=1 / STEPS)


def test_an_item_without_words_numbers_or_vector_has_no_sketch() -> None:
    assert not sketch(ItemPut("i", {"new": [3.5], "title": "!?"})).any()


def test_a_row_has_the_sketch_of_what_was_put_last_and_none_once_removed() -> None:
    sketches = Sketches()
    sketches.put(3, ItemPut("i", {"title": "reading lamp"}))
    sketches.put(3, ItemPut("i", {"title": "leather backpack"}))
    assert np.array_equal(sketches.of(np.array([3]))[0], sketch(ItemPut("i", {"title": "leather backpack"})))
    sketches.removed(3)
    sketches.removed(500)
    assert not sketches.of(np.array([3, 0, 500])).any()
    assert sketches.of(np.zeros(0, np.int64)).shape == (0, PLACES)


def test_sketches_can_be_written_down_and_read_back() -> None:
    sketches = Sketches()
    sketches.put(3, ItemPut("i", {"title": "reading lamp"}))
    again = unpack(pack(sketches), Sketches)
    assert np.array_equal(again.of(np.arange(5)), sketches.of(np.arange(5)))


def test_most_of_the_nearest_by_words_are_among_the_nearest_by_sketches_on_the_real_catalogue() -> None:
    items = _catalogue()[::3]
    found, words = np.array([sketch(item) for item in items]), _tf_idf(items)
    near = np.argsort(-(found @ found.T), axis=1, kind="stable")[:, :200]
    nearest = np.argsort(-(words @ words.T), axis=1, kind="stable")[:, 1:11]
    shares = [len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(near, nearest, strict=True)]
    assert np.mean(shares) > 0.95  # measured on all 2,465 items: 0.98, and by chance 200 of 822 hold 0.24


def _catalogue() -> list[ItemPut]:
    with gzip.open(data.path("catalog/products.jsonl.gz"), "rt", encoding="utf-8") as lines:
        products = [json.loads(line) for line in lines]
    return [
        ItemPut(
            each["id"], {"title": each["name"]} | {name: each[name] for name in ("description", "category", "style")}
        )
        for each in products
    ]


def _tf_idf(items: list[ItemPut]) -> np.ndarray:
    """float32[items, words]: unit vectors as in `Content`."""
    found = [terms(item) for item in items]
    place: dict[str, int] = {}
    for one in found:
        for word in one:
            place.setdefault(word, len(place))
    counts = np.zeros((len(items), len(place)))
    for at, one in enumerate(found):
        counts[at, [place[word] for word in one]] = list(one.values())
    weights = counts * (np.log((1 + len(items)) / (1 + (counts > 0).sum(axis=0))) + 1)
    return (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)
