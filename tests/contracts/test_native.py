"""The compiled loops and NumPy agree to the last bit, so a decision can be made again where there is no compiler."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand import ask, candidates, features, slate
from bandstand import chance as chance_
from bandstand.candidates import Ask, Proposals, Touch, best, blend, collaborative, content, postings
from bandstand.candidates.collaborative import Collaborative
from bandstand.candidates.content import Content
from bandstand.chance import uniform, uniforms
from bandstand.events import Inline, ItemPut
from bandstand.features import NAMESPACES, hashed
from bandstand.native import native
from bandstand.policy import linear
from bandstand.policy.explore import EpsilonGreedy
from bandstand.policy.linear import Offered, Shared, Weights
from bandstand.shape import Cap, Mixture, Shape
from bandstand.slate import Drawn, draw

pytestmark = pytest.mark.skipif(native is None, reason="there was no C compiler when the package was installed")

seeds = st.integers(0, 2**32 - 1)
T = TypeVar("T")


def without_native(module: ModuleType, what: Callable[[], T]) -> T:
    """`what()` while this module has no compiled loops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "native", None)
        return what()


@given(seeds, st.integers(1, 300), st.integers(0, 12), st.integers(1, 30))
@settings(deadline=None)
def test_scores(seed: int, n: int, sources: int, width: int) -> None:
    chance = np.random.default_rng(seed)
    weights = Weights(10, 7, chance.normal(0, chance.choice((1e-3, 1, 1e6)), 1 << 10).astype(np.float32))
    rows = int(chance.integers(1, 2 * n + 1))
    values = chance.normal(0, 3, (rows, width)).astype(np.float32)
    values[chance.random(values.shape) < 0.3] = 0
    offered = Offered(
        chance.integers(0, rows, n),
        chance.integers(0, 50, (rows, width), np.int32),
        values,
        chance.integers(0, 2**32, 50, np.uint32),
        chance.integers(0, 2**32, sources, np.uint32),
        chance.random((n, sources), np.float32),
    )
    features = [
        (chance.integers(0, 2**32, k, np.uint32), chance.normal(0, 3, k).astype(np.float32))
        for k in chance.integers(0, 20, 2)
    ]
    shared = Shared(*features)
    with_numpy = without_native(linear, lambda: weights.scores(shared, offered))
    np.testing.assert_array_equal(weights.scores(shared, offered), with_numpy)


def a_shape(seed: int, n: int) -> Shape:
    """Wishes of every kind but terms, which NumPy alone knows."""
    chance = np.random.default_rng(seed)
    few = [int(chance.integers(3)) for _ in range(3)]
    return Shape(
        lifts=chance.choice((0.0, 0.5), n),
        pins={int(place): int(chance.integers(n)) for place in chance.integers(0, 15, few[0])},
        caps=[Cap(chance.integers(-1, 4, n).astype(np.int32), int(chance.integers(3))) for _ in range(few[1])],
        mixtures=[Mixture(chance.choice((0.1, 1 / 3)), chance.random(n) < 0.3) for _ in range(few[2])],
    )


@given(
    seeds,
    st.lists(st.sampled_from((0.0, -0.0, 0.5, 0.25, 1 / 3, -7.0, 1e9)) | st.floats(-1, 1), min_size=1, max_size=60),
    st.integers(0, 20),
    st.sampled_from((0.0, 1e-9, 0.05, 1 / 3, 1.0)),
)
@settings(deadline=None)
def test_greedy_slates(seed: int, values: list[float], n: int, epsilon: float) -> None:
    chances = [*np.random.default_rng(seed).random(n).tolist(), 0.0, 1 - 2**-53]
    scores, names, policy = np.array(values), [str(k) for k in range(len(values))], EpsilonGreedy(epsilon)

    for shape in (Shape(), a_shape(seed, len(values))):

        def drawn(shape: Shape = shape) -> list[Drawn]:
            return draw(policy, scores, names, chances=chances, first_position=3, shape=shape)

        assert drawn() == without_native(slate, drawn)


@given(seeds, st.integers(0, 400), st.integers(0, 50), st.floats(0, 1))
@settings(deadline=None)
def test_best_rows(seed: int, n: int, limit: int, share: float) -> None:
    chance = np.random.default_rng(seed)
    scores = chance.choice((0.0, -1.0, 0.5, 2.0, 3.0, 1e-300), n) if seed % 2 else chance.normal(0, 1, n)
    allowed = chance.random(n) < share
    with_numpy = without_native(candidates, lambda: best(scores, allowed, limit))
    np.testing.assert_array_equal(best(scores, allowed, limit), with_numpy)


@given(seeds, st.integers(4_096, 9_000), st.integers(1, 600), st.floats(0, 1), st.booleans())
@settings(deadline=None, max_examples=50)
def test_best_of_many_rows(seed: int, n: int, limit: int, share: float, misled: bool) -> None:
    """Where a sample says from which score on; `misled`, it meets only high ones, of which there are too few."""
    chance = np.random.default_rng(seed)
    scores = chance.choice((0.0, -1.0, 0.5, 2.0, 3.0), n) if seed % 2 else chance.normal(0, 1, n)
    if misled:
        scores[:: n // 512] += 10.0
    allowed = chance.random(n) < share
    with_numpy = without_native(candidates, lambda: best(scores, allowed, limit))
    np.testing.assert_array_equal(best(scores, allowed, limit), with_numpy)


@given(st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(0, 40), max_size=30)), max_size=60), seeds)
@settings(deadline=None)
def test_item_to_item_tables_and_what_they_say(touches: list[tuple[int, list[int]]], seed: int) -> None:
    chance = np.random.default_rng(seed)
    history = chance.permutation(45)[: chance.integers(0, 20)]
    ask = Ask("d", 0.0, history, chance.random(len(history)), chance.random(50) < 0.8, 10)

    def proposed() -> tuple[list[object], Proposals, list[int]]:
        generator = Collaborative()
        for row, before in touches:
            generator.touched(Touch(row, 0.0, before))
        length = generator.lengths.max(initial=0)
        tables = (generator.people, generator.lengths, generator.neighbours[:, :length], generator.together[:, :length])
        said = generator.propose(ask)
        return [table.tolist() for table in tables], said, generator.brought(ask, said.rows).tolist()

    (tables, said, by), (plain_tables, plainly_said, plainly_by) = proposed(), without_native(collaborative, proposed)
    assert (tables, by) == (plain_tables, plainly_by)
    np.testing.assert_array_equal(said.rows, plainly_said.rows)
    np.testing.assert_array_equal(said.scores, plainly_said.scores)


@given(seeds, st.integers(1, 40))
@settings(deadline=None, max_examples=50)
def test_likeness_of_words(seed: int, items: int) -> None:
    chance = np.random.default_rng(seed)
    generator = Content()
    for row in range(items):
        words = chance.choice(["red", "blue", "shoe", "hat", "warm", "thin", "old", "new"], chance.integers(0, 6))
        generator.put(row, ItemPut(f"i{row}", {"text": " ".join(words), "category": f"c{chance.integers(3)}"}), 0.0)
    history = chance.permutation(items + 3)[: chance.integers(0, 8)]
    ask = Ask("d", 0.0, history, chance.random(len(history)), chance.random(items + 3) < 0.9, 10)

    def proposed() -> list[list[float]]:
        said = generator.propose(ask)
        return [said.rows.tolist(), said.scores.tolist(), generator.brought(ask, said.rows).tolist()]

    with_native = proposed()
    with pytest.MonkeyPatch.context() as patch:
        for module in (postings, content, candidates):
            patch.setattr(module, "native", None)
        assert proposed() == with_native


@given(seeds, st.integers(1, 6), st.integers(1, 250), st.sampled_from((0.0, 1.0, 60.0)))
@settings(deadline=None)
def test_fusion(seed: int, generators: int, limit: int, k: float) -> None:
    chance = np.random.default_rng(seed)
    rows = int(chance.integers(1, 400))
    said = []
    for number in range(generators):
        n = int(chance.integers(0, min(rows, 200) + 1))
        scores = np.sort(chance.choice((0.0, 0.5, 1.0, 2.5), n))[::-1].copy()
        said.append((f"g{number}", Proposals(chance.choice(rows, n, replace=False), scores)))
    weights = chance.choice((0.0, 0.5, 1.0), generators).tolist()
    fused = [
        one()
        for one in (
            lambda: blend.blend(said, limit=limit, weights=weights, how=blend.Fusion(k)),
            lambda: without_native(blend, lambda: blend.blend(said, limit=limit, weights=weights, how=blend.Fusion(k))),
        )
    ]
    for ours, numpys in zip(fused[0][:3], fused[1][:3], strict=True):
        assert ours.dtype == numpys.dtype
        np.testing.assert_array_equal(ours, numpys)
    assert fused[0].names == fused[1].names


names = st.text(max_size=4)
tables = st.dictionaries(names, st.integers() | names | st.floats(allow_nan=False, allow_infinity=False), max_size=4)
documents = st.recursive(tables, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))


@given(documents, st.booleans())
def test_doubts_are_raised_where_a_name_comes_twice(document: object, ascii_only: bool) -> None:
    assert native is not None
    body = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert native.doubtful(b'{"x": %b, "x": 1}' % body)
    assert native.doubtful(b'[1, {"y": [%b, {"a": {}, "b": "}", "a": []}]}]' % body)
    if "\\" not in body.decode("utf-8", "surrogatepass"):  # names with escapes may be the same in other letters
        assert not native.doubtful(body)
        assert not native.doubtful(b'{"x": %b, "y": [{"x": 1}, {"x": 1, "": {"x": 2}}], "X": %b}' % (body, body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a\\u0062": 1}',
        b'["\x01"]',
        b"[" * 40 + b"]" * 40,
        b"[" + b"1" * 5000 + b"]",
        b"{" + b",".join(b'"%d":1' % number for number in range(300)) + b"}",
        b"]",
        b'"',
    ],
)
def test_what_is_strange_deep_or_long_raises_a_doubt(body: bytes) -> None:
    assert native is not None
    assert native.doubtful(body)


@given(st.lists(st.sampled_from("abcdefgh") | st.builds(Inline, st.sampled_from("abx")), max_size=30))
def test_names_are_looked_up(candidates: list[str | Inline]) -> None:
    known = {name: row for row, name in enumerate("hgfedc")}
    found = ask._found(known, tuple(candidates))
    expected = without_native(ask, lambda: ask._found(known, tuple(candidates)))
    assert (found[0], found[1].tolist(), found[2]) == (expected[0], expected[1].tolist(), expected[2])


@given(st.dictionaries(st.text(max_size=5), st.floats(width=32), max_size=30), st.sampled_from(sorted(NAMESPACES)))
def test_hashed_features(named: dict[str, float], namespace: str) -> None:
    for ours, numpys in zip(
        hashed(namespace, named), without_native(features, lambda: hashed(namespace, named)), strict=True
    ):
        assert ours.dtype == numpys.dtype
        np.testing.assert_array_equal(ours, numpys)


@given(st.lists(st.text(max_size=40) | st.integers(), max_size=3), st.integers(0, 10**10), st.integers(0, 12))
def test_keyed_chances(parts: list[str | int], first: int, count: int) -> None:
    found = uniforms(*parts, first=first, count=count)
    assert found == without_native(chance_, lambda: uniforms(*parts, first=first, count=count))
    assert found == [uniform(*parts, position) for position in range(first, first + count)]


@given(seeds, st.integers(150, 200))
@settings(deadline=None)
def test_strongest_neighbours(seed: int, length: int) -> None:
    chance = np.random.default_rng(seed)
    neighbours = np.zeros((3, 200), np.int32)
    neighbours[1, :length] = chance.permutation(400)[:length]
    together = np.zeros_like(neighbours)
    together[1, :length] = chance.integers(1, 4, length)  # many are as strong as others
    people = chance.integers(1, 5, 400, np.int32)

    def kept() -> list[list[int]]:
        tables = [table.copy() for table in (people, np.array([0, length, 0], np.int32), neighbours, together)]
        generator = Collaborative(*tables)
        generator._drop_weakest(1)
        return [table.tolist() for table in tables]

    assert kept() == without_native(collaborative, kept)
