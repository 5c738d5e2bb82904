"""Each term against its definition, computed anew for every slot from all the picks above it."""

from collections.abc import Callable

import numpy as np
import pytest

from bandstand.policy.explore import EpsilonGreedy
from bandstand.shape import Shape, Term
from bandstand.shape.calibration import MOST_TASTES, SMOOTHING, calibration, taste
from bandstand.shape.determinant import Determinant
from bandstand.shape.likeness import cosines
from bandstand.shape.redundancy import Redundancy
from bandstand.slate import draw

N, SLOTS = 40, 15
Amount = Callable[[list[int], int], float]


def some_vectors(seed: int, *, n: int = N, clusters: int = 5) -> np.ndarray:
    """Unit vectors in clusters, as items of a few kinds have them."""
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(clusters, 8))[chance.integers(0, clusters, n)] + chance.normal(0, 0.3, (n, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def best_first(term: Term, scores: np.ndarray, *, slots: int = SLOTS) -> list[int]:
    """The slate of a policy that never explores."""
    names = [str(index) for index in range(len(scores))]
    drawn = draw(EpsilonGreedy(0.0), scores, names, chances=[0.5] * slots, shape=Shape(terms=[term]))
    return [one.chosen for one in drawn]


def naively(amount: Amount, scores: np.ndarray) -> list[int]:
    """The same slate from the definition: at each slot the item left with the highest score and amount."""
    picks: list[int] = []
    for _ in range(SLOTS):
        left = [index for index in range(len(scores)) if index not in picks]
        picks.append(max(left, key=lambda index: scores[index] + amount(picks, index)))
    return picks


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_redundancy_is_maximal_marginal_relevance(seed: int, weight: float) -> None:
    vectors, scores = some_vectors(seed), np.random.default_rng(seed).random(N)
    alike = vectors.astype(np.float64) @ vectors.T.astype(np.float64)

    def amount(picks: list[int], index: int) -> float:
        return -weight * max([0.0, *(alike[index, pick] for pick in picks)])

    assert best_first(Redundancy(vectors, weight), scores) == naively(amount, scores)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("weight", [0.0, 0.05, 0.5])
def test_determinant_adds_the_logarithm_of_the_volume_that_an_item_adds(seed: int, weight: float) -> None:
    # In eight dimensions the tenth pick would add no volume, but for (1 + cos) / 2, which has one dimension more.
    vectors, scores = some_vectors(seed), np.random.default_rng(seed).random(N)
    vectors = np.hstack((vectors, 0.3 * np.eye(N, dtype=np.float32)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kernel = (1 + vectors.astype(np.float64) @ vectors.T.astype(np.float64)) / 2
    np.fill_diagonal(kernel, 1.0)

    def amount(picks: list[int], index: int) -> float:
        both = [*picks, index]
        above = np.linalg.slogdet(kernel[np.ix_(picks, picks)])[1] if picks else 0.0
        return weight * (np.linalg.slogdet(kernel[np.ix_(both, both)])[1] - above)

    assert best_first(Determinant(vectors, weight), scores) == naively(amount, scores)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("weight", [0.0, 0.05, 1.0])
def test_calibration_is_the_divergence_of_the_slate_from_the_taste(seed: int, weight: float) -> None:
    chance = np.random.default_rng(seed)
    kinds = [tuple(f"c{k}" for k in chance.permutation(6)[: chance.integers(0, 4)]) for _ in range(N)]
    scores, liked = chance.random(N), {"c0": 0.6, "c1": 0.3, "c9": 0.1}

    def amount(picks: list[int], index: int) -> float:
        counted = [kinds[pick] for pick in (*picks, index) if kinds[pick]]
        found = 0.0
        for category, p in liked.items():
            q = sum((category in has) / len(has) for has in counted) / max(len(counted), 1)
            found += p * np.log(p / ((1 - SMOOTHING) * q + SMOOTHING * p))
        return -weight * found

    assert best_first(calibration(liked, kinds, weight), scores) == naively(amount, scores)


@pytest.mark.parametrize("kind", [Redundancy, Determinant])
def test_diversity_rises_and_relevance_falls_with_its_weight(kind: Callable[[np.ndarray, float], Term]) -> None:
    # Five kinds of eight items each, the better kind first: by score alone, all are of one kind.
    vectors = np.repeat(np.eye(5, dtype=np.float32), 8, axis=0)
    scores = np.linspace(1.0, 0.0, 40)
    kinds, relevance = [], []
    for weight in (0.0, 0.02, 0.1, 2.0):
        slate = best_first(kind(vectors, weight), scores, slots=5)
        kinds.append(len({index // 8 for index in slate}))
        relevance.append(scores[slate].sum())
    assert (kinds[0], kinds[-1]) == (1, 5)
    assert sorted(kinds) == kinds
    assert sorted(relevance, reverse=True) == relevance


def test_a_calibrated_slate_has_the_shares_of_the_taste() -> None:
    # Eight of ten liked items were dramas: the best ten by score alone are all dramas (Steck 2018, section 1).
    kinds = [("drama",)] * 50 + [("comedy",)] * 50
    scores = np.r_[np.linspace(1, 0.6, 50), np.linspace(0.5, 0.1, 50)]
    liked = taste([(("drama",), 1.0)] * 8 + [(("comedy",), 1.0)] * 2)
    assert [kinds[index] for index in best_first(calibration(liked, kinds, 0.0), scores, slots=10)] == [("drama",)] * 10
    slate = [kinds[index] for index in best_first(calibration(liked, kinds, 100.0), scores, slots=10)]
    assert slate.count(("comedy",)) == 2


@pytest.mark.parametrize("kind", [Redundancy, Determinant])
def test_a_repeat_of_a_pick_comes_after_what_is_new_and_items_without_vectors_resemble_none(
    kind: Callable[[np.ndarray, float], Term],
) -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    vectors[3] = 0
    assert best_first(kind(vectors, 1.0), np.array([1.0, 0.9, 0.5, 0.4]), slots=4)[:3] == [0, 2, 3]
    everything_alike = np.ones((4, 1), np.float32)
    assert sorted(best_first(kind(everything_alike, 1.0), np.arange(4.0), slots=4)) == [0, 1, 2, 3]
    nothing_known = np.zeros((4, 1), np.float32)
    assert best_first(kind(nothing_known, 1.0), np.arange(4.0), slots=4) == [3, 2, 1, 0]


def test_a_taste_weighs_each_item_and_shares_it_among_its_categories() -> None:
    assert taste([(("a", "b"), 1.0), (("b",), 0.5), ((), 1.0)]) == pytest.approx({"a": 1 / 3, "b": 2 / 3})
    assert taste([((), 1.0)]) == {}
    many = taste([((f"c{k}",), 100.0 - k) for k in range(100)])
    assert list(many) == [f"c{k}" for k in range(MOST_TASTES)]
    assert sum(many.values()) == pytest.approx(1.0)


def test_cosines_of_sketches_are_exact_in_whatever_order_they_are_added() -> None:
    sketches = np.round(some_vectors(1) * 2048) / np.float32(2048)
    backwards = np.ascontiguousarray(sketches[:, ::-1])
    assert cosines(sketches, 3).tolist() == cosines(backwards, 3).tolist()
    assert cosines(sketches, 3).tolist() == (sketches.astype(np.float64) @ sketches[3].astype(np.float64)).tolist()


def test_volume_of_more_picks_than_dimensions_stays_finite_and_rewards_what_is_new() -> None:
    # Eight dimensions make likenesses of rank 9 at most: the tenth pick adds no volume, nor does a copy of any before.
    vectors = np.vstack((some_vectors(3, n=60), np.eye(8, dtype=np.float32)[-1:]))
    following = Determinant(vectors, 1.0).follow()
    with np.errstate(all="raise"):
        for index in range(50):
            following.picked(index)
            assert np.isfinite(following.amounts).all()
