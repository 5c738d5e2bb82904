"""Click models: their optimum and average against every slate there is, their clicks against their probabilities."""

from itertools import permutations, product

import numpy as np
import pytest

from bandstand.chance import uniform
from bandstand.simulate.browsing import Browsing, Cascading, PositionBased, browsing
from bandstand.simulate.nature import Cascade, Nature

MODELS = {
    "position": PositionBased(np.array([1.0, 0.6, 0.5, 0.2])),
    "cascade": Cascading(after_skip=0.8, after_click=0.3),
    "first click only": Cascading(after_skip=1.0, after_click=0.0),
    "all read": Cascading(after_skip=1.0, after_click=1.0),
}
models = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def some(what: str, n: int) -> np.ndarray:
    return np.array([uniform("browsing", what, at) for at in range(n)])


def earned(model: Browsing, likings: np.ndarray, worths: np.ndarray) -> float:
    return float((model.reach(likings) * likings * worths).sum())


@models
@pytest.mark.parametrize("worths", [np.ones(6), 10 * some("worth", 6), np.array([0.0, 0, 0, 1, 1, 5])])
def test_no_order_of_any_items_earns_more_than_the_best(model: Browsing, worths: np.ndarray) -> None:
    for trial in range(20):
        likings = some(f"liking {trial}", 6)
        best = model.best(likings, worths, 3)
        assert len(set(best.tolist())) == 3
        every = [earned(model, likings[list(slate)], worths[list(slate)]) for slate in permutations(range(6), 3)]
        assert earned(model, likings[best], worths[best]) == pytest.approx(max(every), abs=1e-12)


@models
def test_by_chance_is_the_mean_over_all_slates(model: Browsing) -> None:
    likings, worths = np.stack([some("one", 6), some("other", 6)]), some("worth", 6)
    found = model.by_chance(likings, worths, 3)
    for row, value in zip(likings, found, strict=True):
        every = [earned(model, row[list(slate)], worths[list(slate)]) for slate in permutations(range(6), 3)]
        assert value == pytest.approx(np.mean(every), abs=1e-12)


@models
def test_clicks_come_with_the_probability_that_reach_and_liking_say(model: Browsing) -> None:
    """All that can be liked, each with its probability."""
    likings = np.array([0.7, 0.2, 0.5])
    found = np.zeros(3)
    for liked in product((False, True), repeat=3):
        weight = np.prod(np.where(liked, likings, 1 - likings))
        for draws in product(np.arange(0.05, 1, 0.1), repeat=3):  # thresholds are tenths, so this is exact
            found[model.clicks(liked, lambda at, draws=draws: draws[at])] += weight / 1000  # type: ignore[misc]
    assert found == pytest.approx(model.reach(likings) * likings, abs=1e-12)


def test_readers_of_a_cascade_never_come_back_up() -> None:
    model = Cascading(after_skip=0.5, after_click=0.0)
    assert model.clicks([True, True], lambda at: 0.0) == [0]
    assert model.clicks([False, True], lambda at: 0.49) == [1]
    assert model.clicks([False, True], lambda at: 0.5) == []


def test_a_nature_says_how_its_people_read() -> None:
    assert browsing(Nature(attention=1.0)).reach(np.ones(4)) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    cascade = browsing(Nature(cascade=Cascade(after_skip=0.9, after_click=0.1)))
    assert cascade.reach(np.array([1.0, 0.0, 0.5])) == pytest.approx([1, 0.1, 0.09])
