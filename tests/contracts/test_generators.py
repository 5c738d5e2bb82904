"""What every registered generator promises."""

from collections.abc import Iterator

import numpy as np
import pytest

from bandstand.candidates import NOBODY, Ask, Generator, Proposals, Touch
from bandstand.candidates.registry import GENERATORS
from bandstand.chance import bits, uniform
from bandstand.events import Feature, ItemPut
from bandstand.packing import pack, unpack

ITEMS = 60
START = 1_760_000_000.0
WORDS = ("red", "blue", "leather", "canvas", "backpack", "shoe", "lamp", "desk", "guitar", "rose", "winter")

Call = tuple[str, int, ItemPut | Touch | None]


@pytest.fixture(params=GENERATORS, ids=[kind.name for kind in GENERATORS])
def generator(request: pytest.FixtureRequest) -> Generator:
    kind: type[Generator] = request.param
    return kind()


def a_story(name: str, *, length: int = 400) -> Iterator[Call]:
    """Puts, changes, removals and touches in a mixed order; some rows are touched and never put."""
    histories: dict[int, list[int]] = {}
    for step in range(length):
        row = bits(name, "row", step) % ITEMS
        chance = uniform(name, "call", step)
        if chance < 0.3:
            title = " ".join(WORDS[bits(name, step, n) % len(WORDS)] for n in range(6))
            features = {"title": title, "category": f"c{row % 4}"} | a_vector(name, step)
            yield "put", row, ItemPut(f"i{row}", features, tags=("all",))
        elif chance < 0.35:
            yield "removed", row, None
        else:
            before = histories.setdefault(bits(name, "user", step) % 12, [])
            row = row % 20 if uniform(name, "hot", step) < 0.7 else row
            among = tuple(f"{name}={bits(name, name, step) % 3}" for name in ("country", "device"))
            worth = 1.0 + bits(name, "worth", step) % 3
            yield "touched", row, Touch(row, START + 30 * step, tuple(before[:50]), worth, among)
            before[:] = [row, *(other for other in before if other != row)]


def a_vector(*key: str | int) -> dict[str, Feature]:
    """Of mixed lengths, and for every fourth item none."""
    length = (0, 3, 3, 100)[bits(*key, "length") % 4]
    return {"vector": [uniform(*key, at) - 0.3 for at in range(length)]} if length else {}


def tell(generator: Generator, story: Iterator[Call] | list[Call]) -> None:
    for at, (call, row, what) in enumerate(story):
        match call, what:
            case "put", ItemPut():
                generator.put(row, what, START + 30 * at)
            case "removed", _:
                generator.removed(row)
            case "touched", Touch():
                generator.touched(what)


def an_ask(history: list[int], *, allowed: np.ndarray | None = None, limit: int = 20, rows: int = ITEMS) -> Ask:
    return Ask(
        decision="d1",
        now=START + 12_000,
        history=np.array(history, np.int64),
        weights=0.5 ** (np.arange(len(history)) / 5),
        allowed=np.ones(rows, np.bool_) if allowed is None else allowed,
        limit=limit,
        recent=np.array(history[:5], np.int64),
        ages_s=60.0 * np.arange(len(history[:5])) ** 2,
        segments=("country=1", "device=2", "season=winter"),
    )


def assert_well_formed(proposals: Proposals, ask: Ask) -> None:
    rows, scores = proposals
    assert (rows.dtype, scores.dtype) == (np.int64, np.float64)
    assert len(rows) == len(scores) <= ask.limit
    assert len(set(rows.tolist())) == len(rows)
    assert ask.allowed[rows].all()
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (np.diff(scores) <= 0).all()


def equal(a: Proposals, b: Proposals) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


def test_names_are_unique() -> None:
    assert len({kind.name for kind in GENERATORS}) == len(GENERATORS)


@pytest.mark.parametrize("limit", [0, 1, 5, 20, 1000])
@pytest.mark.parametrize("history", [[], [3], [7, 1, 0, 19, 42, 59]], ids=["empty", "one", "six"])
def test_it_proposes_only_allowed_rows_once_each_best_first_and_at_most_the_limit(
    generator: Generator, history: list[int], limit: int
) -> None:
    tell(generator, a_story("well formed"))
    for nth in (1, 2, 3, 60):
        allowed = np.arange(ITEMS) % nth == 0
        ask = an_ask(history, allowed=allowed, limit=limit)
        assert_well_formed(generator.propose(ask), ask)


def test_what_brought_an_item_is_in_the_history_and_the_same_whatever_else_is_shown(generator: Generator) -> None:
    tell(generator, a_story("brought"))
    before = pack(generator)
    for history in ([], [3], [7, 1, 0, 19, 42, 59]):
        ask = an_ask(history)
        rows = generator.propose(ask).rows
        brought = generator.brought(ask, rows)
        assert brought.dtype == np.int64
        assert set(brought.tolist()) <= {NOBODY, *history}
        assert [generator.brought(ask, rows[[at]])[0] for at in range(len(rows))] == brought.tolist()
        assert generator.brought(ask, rows[:0]).tolist() == []
    assert pack(generator) == before


def test_it_answers_the_same_whether_it_was_asked_before_or_not(generator: Generator) -> None:
    story = list(a_story("asked"))
    unasked = type(generator)()
    for at in range(0, len(story), 10):
        tell(generator, story[at : at + 10])
        tell(unasked, story[at : at + 10])
        generator.propose(an_ask([3], limit=5))
    assert pack(generator) == pack(unasked)
    assert equal(generator.propose(an_ask([3, 5])), unasked.propose(an_ask([3, 5])))


def test_it_proposes_something_once_much_has_happened(generator: Generator) -> None:
    tell(generator, a_story("much"))
    assert len(generator.propose(an_ask([3, 5, 8])).rows) > 0


def test_it_proposes_nothing_where_nothing_is_allowed(generator: Generator) -> None:
    tell(generator, a_story("nothing allowed"))
    assert len(generator.propose(an_ask([3, 5], allowed=np.zeros(ITEMS, np.bool_))).rows) == 0


def test_proposing_changes_nothing_and_can_be_repeated(generator: Generator) -> None:
    tell(generator, a_story("repeat"))
    before = pack(generator)
    first = generator.propose(an_ask([3, 5, 8]))
    generator.propose(an_ask([1], limit=3))
    assert equal(generator.propose(an_ask([3, 5, 8])), first)
    assert pack(generator) == before


def test_it_proposes_the_same_after_it_was_written_down_and_read_back(generator: Generator) -> None:
    tell(generator, a_story("round trip"))
    again = unpack(pack(generator), type(generator))
    assert pack(again) == pack(generator)
    for history in ([], [3], [7, 1, 0, 19]):
        assert equal(again.propose(an_ask(history)), generator.propose(an_ask(history)))


@pytest.mark.parametrize("cut", [0, 1, 57, 200, 399])
def test_it_goes_on_from_a_snapshot_as_if_there_had_been_none(generator: Generator, cut: int) -> None:
    story = list(a_story("snapshot"))
    tell(generator, story[:cut])
    restored = unpack(pack(generator), type(generator))
    tell(generator, story[cut:])
    tell(restored, story[cut:])
    assert pack(restored) == pack(generator)


def test_an_empty_catalogue_gets_no_proposals(generator: Generator) -> None:
    assert len(generator.propose(an_ask([], rows=0)).rows) == 0


def test_rows_of_which_it_was_never_told_do_no_harm(generator: Generator) -> None:
    ask = an_ask([59, 2, 30])
    assert_well_formed(generator.propose(ask), ask)
    generator.removed(40)
    assert_well_formed(generator.propose(ask), ask)


def test_items_may_be_touched_before_they_are_put(generator: Generator) -> None:
    for at in range(5):
        generator.touched(Touch(50, START + at, (30 + at,)))
    ask = an_ask([30])
    assert_well_formed(generator.propose(ask), ask)
    generator.put(50, ItemPut("i50", {"title": "leather backpack"}), START)
    assert_well_formed(generator.propose(ask), ask)


@pytest.mark.parametrize(
    "features",
    [
        {},
        {"title": ""},
        {"title": "!?… – ☃ 🎸"},
        {"price": 3.5, "sale": True, "vector": [0.1, 0.2]},
        {"vector": [0.0, 0.0, 0.0]},
        {"vector": [float("nan"), 1.0]},
        {"vector": ["a", 1.0]},
        {"vector": "0.1, 0.2"},
        {"vector": [1.0] * 100_000},
        {"text": ["not", "prose"], "title": 7},
        {"text": "word " * 200_000},
        {"text": "x" * 1_000_000},
        {"text": " ".join(f"w{n}" for n in range(150_000))},
        {f"name{n}": f"value{n}" for n in range(500)},
    ],
    ids=[
        "none",
        "empty",
        "symbols",
        "numbers",
        "zeros",
        "nan",
        "words",
        "text",
        "long vector",
        "odd",
        "long",
        "one word",
        "many words",
        "many categories",
    ],
)
def test_any_features_are_taken(generator: Generator, features: dict[str, object]) -> None:
    tell(generator, a_story("features"))
    for row in (3, 4):
        generator.put(row, ItemPut(f"i{row}", features), START)
        generator.touched(Touch(row, START, (1, 2)))
    ask = an_ask([3, 1])
    assert_well_formed(generator.propose(ask), ask)
    assert len(pack(generator)) < 1_000_000


def test_a_candidate_that_is_removed_and_comes_back_does_no_harm(generator: Generator) -> None:
    tell(generator, a_story("removed"))
    row = 5
    allowed = np.ones(ITEMS, np.bool_)
    allowed[row] = False
    generator.removed(row)
    generator.removed(row)
    ask = an_ask([3, row, 8], allowed=allowed)
    assert_well_formed(generator.propose(ask), ask)
    generator.put(row, ItemPut("i5", {"title": "red leather backpack"}), START)
    ask = an_ask([3, row, 8])
    assert_well_formed(generator.propose(ask), ask)


@pytest.mark.parametrize("now", [0.0, START - 1e9, START + 1e9, 4e11], ids=["epoch", "past", "future", "far"])
def test_a_question_from_any_time_gets_finite_scores(generator: Generator, now: float) -> None:
    tell(generator, a_story("times"))
    ask = an_ask([3, 5, 8])._replace(now=now)
    assert_well_formed(generator.propose(ask), ask)


@pytest.mark.parametrize("lengths", [(3, 100, 3), (1, 0, 3), (100, 3, 0), (3, 3, 1)], ids=str)
def test_an_item_may_change_the_length_of_its_vector(generator: Generator, lengths: tuple[int, ...]) -> None:
    tell(generator, a_story("lengths"))
    for length in lengths:
        for row in (3, 5):
            given: list[str | float] = [1.0] * length
            generator.put(row, ItemPut(f"i{row}", {"vector": given}), START)
        ask = an_ask([3, 5, 8])
        assert_well_formed(generator.propose(ask), ask)
        assert set(generator.brought(ask, generator.propose(ask).rows).tolist()) <= {NOBODY, 3, 5, 8}


def test_an_item_may_be_deleted_while_it_is_a_candidate(generator: Generator) -> None:
    tell(generator, a_story("deleted"))
    ask = an_ask([3, 5, 8])
    rows = generator.propose(ask).rows
    for row in rows[:3].tolist():
        generator.removed(row)
    assert generator.brought(ask, rows).dtype == np.int64
    allowed = ask.allowed.copy()
    allowed[rows[:3]] = False
    assert not set(generator.propose(ask._replace(allowed=allowed)).rows.tolist()) & set(rows[:3].tolist())


def test_items_without_any_text_do_no_harm(generator: Generator) -> None:
    for row in range(10):
        generator.put(row, ItemPut(f"i{row}"), START)
    generator.touched(Touch(1, START, ()))
    ask = an_ask([1], rows=10)
    assert_well_formed(generator.propose(ask), ask)
