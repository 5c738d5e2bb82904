"""What holds for every slate, whatever is wished of it: exact probabilities, each item once, and every wish kept."""

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import get_args

import numpy as np
import pytest

from bandstand.chance import uniforms
from bandstand.policy import Policy
from bandstand.policy.baseline import Fixed
from bandstand.policy.explore import EpsilonGreedy, Softmax
from bandstand.policy.registry import AnyPolicy
from bandstand.shape import Cap, Mixture, Shape
from bandstand.shape.calibration import calibration
from bandstand.shape.determinant import Determinant
from bandstand.shape.redundancy import Redundancy
from bandstand.slate import draw, propensities

NAMES = ["a", "b", "c", "d", "e", "f"]
SCORES = np.array([0.1, 0.4, 0.3, 0.3, -0.2, 0.25])
N = len(NAMES)
TABLE = {"a": [0.5, 0.1], "b": [0.25, 0.0], "d": [0.25, 0.9]}
POLICIES = [kind(TABLE) if kind is Fixed else kind() for kind in get_args(AnyPolicy)]

WISHES = {
    "lifts": Shape(lifts=np.array([0.3, 0.0, -0.1, 0.0, 0.5, 0.0])),
    "pins": Shape(pins={1: 4, 7: 0}),
    "caps": Shape(caps=[Cap(np.array([0, 0, 1, 1, -1, 0], np.int32), 1)]),
    "mixtures": Shape(mixtures=[Mixture(0.2, NAMED := np.isin(np.arange(N), [0, 4])), Mixture(0.1, ~NAMED)]),
}


CHANCE = np.random.default_rng(7)
VECTORS = CHANCE.normal(size=(N, 4)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
VECTORS[3] = VECTORS[1]
VECTORS[4] = 0
CATEGORIES = [("red", "shoe"), ("red",), ("blue", "shoe"), (), ("blue",), ("red", "hat")]
TERMS = {
    "redundancy": Redundancy(VECTORS, 0.5),
    "determinant": Determinant(VECTORS, 0.2),
    "calibration": calibration({"red": 0.5, "shoe": 0.3, "scarf": 0.2}, CATEGORIES, 0.4),
}


def together(*shapes: Shape) -> Shape:
    """All of these wishes at once."""
    return Shape(
        lifts=sum((shape.lifts for shape in shapes if shape.lifts is not None), np.zeros(N)),
        pins={place: index for shape in shapes for place, index in shape.pins.items()},
        caps=[cap for shape in shapes for cap in shape.caps],
        terms=[term for shape in shapes for term in shape.terms],
        mixtures=[mixture for shape in shapes for mixture in shape.mixtures],
    )


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [chosen for count in range(len(names) + 1) for chosen in combinations(names, count)]


ALL = {**WISHES, **{name: Shape(terms=[term]) for name, term in TERMS.items()}}
COMBINED = [
    *subsets(list(WISHES)),
    *((*others, *terms) for others in ((), WISHES) for terms in subsets(list(TERMS)) if terms),
]
every_shape = pytest.mark.parametrize(
    "shape", [together(*map(ALL.__getitem__, chosen)) for chosen in COMBINED], ids=[" ".join(c) for c in COMBINED]
)
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)


def drawn(policy: Policy, shape: Shape, key: object, *, first_position: int = 0, n: int = 3) -> tuple[list[int], list]:
    slate = draw(
        policy,
        SCORES,
        NAMES,
        chances=uniforms("shapes", str(key), first=0, count=n),
        first_position=first_position,
        learned=50,
        shape=shape,
    )
    return [one.chosen for one in slate], [one.propensity for one in slate]


@every_shape
@every_policy
def test_all_slates_together_have_probability_one(policy: Policy, shape: Shape) -> None:
    total = sum(
        propensities(policy, SCORES, NAMES, order, learned=50, shape=shape).prod()
        for order in permutations(range(N), 3)
    )
    assert total == pytest.approx(1.0, abs=1e-12)


@every_shape
@every_policy
@pytest.mark.parametrize("first_position", [0, 7])
def test_each_slate_is_drawn_with_the_probability_that_others_find_for_it(
    policy: Policy, shape: Shape, first_position: int
) -> None:
    for key in range(10):
        order, logged = drawn(policy, shape, key, first_position=first_position, n=N + 2)
        assert sorted(order) == list(range(N))
        found = propensities(policy, SCORES, NAMES, order, first_position=first_position, learned=50, shape=shape)
        assert found.tolist() == pytest.approx(logged, abs=1e-15)
        part = propensities(policy, SCORES, NAMES, order[:2], first_position=first_position, learned=50, shape=shape)
        assert part.tolist() == found[:2].tolist()


def test_shaped_slates_come_as_often_as_their_propensity_says() -> None:
    shape, rounds = together(*ALL.values()), 10_000
    counts = dict.fromkeys(permutations(range(N), 2), 0)
    for key in range(rounds):
        order, _ = drawn(Softmax(0.3), shape, key, n=2)
        counts[order[0], order[1]] += 1
    for order, count in counts.items():
        p = propensities(Softmax(0.3), SCORES, NAMES, order, learned=50, shape=shape).prod()
        # Thirty slates; five standard errors of a binomial share leave one false alarm in 60,000.
        assert abs(count / rounds - p) <= 5 * (p * (1 - p) / rounds) ** 0.5


@every_policy
def test_a_shape_that_wishes_nothing_changes_nothing(policy: Policy) -> None:
    nothing = Shape(caps=[Cap(np.full(N, -1, np.int32), 1)])
    for key in range(10):
        assert drawn(policy, nothing, key) == drawn(policy, Shape(), key)


def test_a_lift_counts_as_a_score_does() -> None:
    order, shares = drawn(EpsilonGreedy(0.0), WISHES["lifts"], 0, n=N)
    assert order[:2] == [0, 1] or order[:2] == [1, 0]  # 0.1 + 0.3 and 0.4 + 0 are tied for the best
    assert shares[:2] == [0.5, 1.0]
    assert order[2:] == [3, 4, 5, 2] or order[2:] == [4, 3, 5, 2]


def test_a_pinned_item_stands_at_its_place_on_every_page_and_nowhere_else() -> None:
    for key in range(50):
        order, shares = drawn(EpsilonGreedy(1.0), Shape(pins={11: 2, 13: 0}), key, first_position=10, n=5)
        assert (order[1], order[3]) == (2, 0)
        assert (shares[1], shares[3]) == (1.0, 1.0)
        assert shares[::2] == pytest.approx([1 / 4, 1 / 3, 1 / 2])


def test_where_other_items_run_out_pinned_ones_move_up() -> None:
    order, shares = drawn(EpsilonGreedy(1.0), Shape(pins={8: 1, 20: 0}), 0, n=10)
    assert order[4:] == [1, 0]
    assert shares[4:] == [1.0, 1.0]


def test_pins_for_places_above_the_page_are_placed_first() -> None:
    order, _ = drawn(EpsilonGreedy(1.0), Shape(pins={3: 1, 10: 0}), 0, first_position=10)
    assert order[:2] == [1, 0]


def test_an_item_pinned_twice_stands_at_the_first_of_its_places_alone() -> None:
    order, shares = drawn(EpsilonGreedy(1.0), Shape(pins={1: 4, 3: 4}), 0, n=N)
    assert sorted(order) == list(range(N))
    assert (order[1], shares[1], shares[3]) == (4, 1.0, pytest.approx(1 / 3))


def test_no_group_has_more_picks_than_its_cap_while_others_are_left() -> None:
    brands = np.array([0, 0, 0, 1, 1, -1], np.int32)
    for key in range(50):
        order, _ = drawn(EpsilonGreedy(1.0), Shape(caps=[Cap(brands, 1)]), key)
        assert sorted(brands[order].tolist()) == [-1, 0, 1]


def test_caps_yield_where_nothing_else_is_left_and_a_cap_of_none_bars_a_group_until_then() -> None:
    barred = Cap(np.where(np.arange(N) < 2, 0, -1).astype(np.int32), 0)
    for key in range(20):
        order, shares = drawn(EpsilonGreedy(1.0), Shape(caps=[barred]), key, n=N)
        assert sorted(order[4:]) == [0, 1]
        assert shares == pytest.approx([1 / 4, 1 / 3, 1 / 2, 1, 1 / 2, 1])


def test_pins_count_against_a_cap_from_the_start_and_stand_in_spite_of_it() -> None:
    brand = Cap(np.array([0, 0, 0, 0, -1, -1], np.int32), 1)
    for key in range(20):
        order, _ = drawn(EpsilonGreedy(1.0), Shape(pins={2: 0, 3: 1}, caps=[brand]), key, n=4)
        assert (sorted(order[:2]), order[2:]) == ([4, 5], [0, 1])


def test_a_mixture_gives_its_share_to_its_members_left_and_none_where_none_are() -> None:
    shape = Shape(mixtures=[Mixture(0.2, np.isin(np.arange(N), [0, 4]))])
    policy = EpsilonGreedy(0.0)
    assert propensities(policy, SCORES, NAMES, [0, 4, 1], shape=shape) == pytest.approx([0.1, 0.2, 1.0])
    assert propensities(policy, SCORES, NAMES, [1, 0, 2], shape=shape) == pytest.approx([0.8, 0.1, 0.4])


def test_a_slate_of_another_shape_has_no_probability_from_there_on() -> None:
    shape = Shape(pins={1: 4}, caps=[Cap(np.array([0, 0, 1, 1, -1, 0], np.int32), 1)])
    policy = EpsilonGreedy(1.0)
    assert propensities(policy, SCORES, NAMES, [0, 3, 2], shape=shape) == pytest.approx([1 / 5, 0, 0])
    assert propensities(policy, SCORES, NAMES, [0, 4, 1], shape=shape) == pytest.approx([1 / 5, 1, 0])
    assert propensities(policy, SCORES, NAMES, [4, 0, 2], shape=shape).tolist() == [0, 0, 0]
