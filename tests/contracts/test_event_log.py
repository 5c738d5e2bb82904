"""What `EventLog` promises, held against every log there is."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandstand import events
from bandstand.errors import InputError
from bandstand.events import (
    AnyFact,
    Assignment,
    Decided,
    Draft,
    Inline,
    Interacted,
    ItemPut,
    ItemRemoved,
    Pick,
    Request,
    Rewarded,
    Source,
    SurfacePut,
    UserPut,
)
from bandstand.store import EventLog
from bandstand.store.line import KEY_BYTES
from bandstand.store.sql import open_log

ODD_IDS = [
    "a/b/../c",
    "🦄" * 256,
    "x" * 256,
    " ",
    "'; DROP TABLE entry; --",
    "%s ? :key",
    "\n\t\x01",
    "\u00e9",
    "e\u0301",
]


def seen(item: str, *, user: str | None = None, key: str | None = None) -> Draft:
    return Draft(Interacted(item=item, name="view", user=user, key=key), at=1.5)


def items(log: EventLog) -> list[str]:
    return [entry.fact.item for entry in log.read() if isinstance(entry.fact, Interacted)]


def test_a_new_log_is_empty(log: EventLog) -> None:
    assert (log.head(), log.read(), log.find("interacted/k"), log.about("u")) == (0, [], None, [])


def test_entries_are_numbered_from_one_in_the_order_they_were_given(log: EventLog) -> None:
    first = log.append([seen("a"), seen("b")])
    second = log.append([seen("c")])
    assert [appended.entry.seq for appended in first + second] == [1, 2, 3]
    assert not any(appended.duplicate for appended in first + second)
    assert log.read() == [appended.entry for appended in first + second]
    assert (items(log), log.head()) == (["a", "b", "c"], 3)


def test_a_scan_gives_entries_of_some_kinds_as_they_are_written(log: EventLog) -> None:
    log.append([seen("a"), Draft(ItemPut("i"), at=2.5), seen("b", user="%s ? :key"), seen("c")])
    wanted = [
        (each.seq, each.at, "interacted", events.encode(each.fact).decode()) for each in log.read() if each.seq != 2
    ]
    assert list(map(tuple, log.scan(["interacted"]))) == wanted
    assert list(map(tuple, log.scan(["interacted", "itemput"], after=1, limit=2)))[1:] == wanted[1:2]
    assert log.scan(["decided"]) == log.scan(["interacted"], after=4) == []


def test_appending_nothing_changes_nothing(log: EventLog) -> None:
    assert log.append([]) == []
    assert log.head() == 0


def test_a_taken_key_answers_with_what_is_stored_under_it(log: EventLog) -> None:
    (first,) = log.append([seen("a", key="k")])
    (again,) = log.append([seen("another", key="k")])
    assert again == (first.entry, True)
    assert items(log) == ["a"]


def test_a_key_taken_earlier_in_the_same_call_is_a_duplicate(log: EventLog) -> None:
    log.append([seen("old", key="j")])
    answers = log.append([seen("a", key="k"), seen("b"), seen("c", key="k"), seen("d", key="j"), seen("e")])
    assert [(answer.entry.seq, answer.duplicate) for answer in answers] == [
        (2, False),
        (3, False),
        (2, True),
        (1, True),
        (4, False),
    ]
    assert items(log) == ["old", "a", "b", "e"]


def test_facts_without_a_key_each_count(log: EventLog) -> None:
    log.append([seen("a"), seen("a")])
    log.append([seen("a")])
    assert items(log) == ["a", "a", "a"]


def test_large_appends_keep_keys_and_order(log: EventLog) -> None:
    # Larger than any one statement may be: 2,500 rows of six parameters are 15,000, and keys repeat across statements.
    drafts = [seen(f"i{n}", key=f"k{n % 2400}") for n in range(2500)]
    assert [answer.duplicate for answer in log.append(drafts)] == [False] * 2400 + [True] * 100
    assert [answer.duplicate for answer in log.append(drafts)] == [True] * 2500
    assert [entry.seq for entry in log.read(limit=5000)] == list(range(1, 2401))


def test_find_gives_the_entry_under_a_key(log: EventLog) -> None:
    (appended, _) = log.append([seen("a", key="k"), seen("b", key="l")])
    assert log.find("interacted/k") == appended.entry
    assert log.find("interacted/K") is None
    assert log.find("interacted/") is None


def test_many_entries_are_looked_up_at_once_by_their_keys(log: EventLog) -> None:
    log.append([seen(f"{n}", key=f"k{n}") for n in range(1500)])
    wanted = [f"interacted/k{n}" for n in (3, 1499, 0, 3)] + ["interacted/none", "a\0b", "\ud800"]
    found = log.under(wanted + [f"interacted/absent {n}" for n in range(2000)])
    entries = [log.read(after=seq - 1, limit=1)[0] for seq in (1, 4, 1500)]
    assert list(map(tuple, found)) == [
        (each.seq, each.at, "interacted", events.encode(each.fact).decode()) for each in entries
    ]
    assert log.under([]) == []


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * (KEY_BYTES + 1)])
def test_what_no_log_can_hold_is_not_found(log: EventLog, text: str) -> None:
    log.append([seen("a", user="u", key="k")])
    assert (log.find(text), log.about(text)) == (None, [])


def test_pages_join_up_to_the_whole_log(log: EventLog) -> None:
    log.append([seen(f"i{n}") for n in range(10)])
    pages, after = [], 0
    while page := log.read(after=after, limit=3):
        pages.append([entry.seq for entry in page])
        after = page[-1].seq
    assert pages == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10]]
    assert log.read(after=10) == log.read(after=99) == []


def test_about_pages_through_one_user_only(log: EventLog) -> None:
    log.append([seen(f"i{n}", user=("u", "v", None)[n % 3]) for n in range(9)])
    assert [entry.seq for entry in log.about("u")] == [1, 4, 7]
    assert [entry.seq for entry in log.about("u", after=1, limit=1)] == [4]
    assert log.about("u", after=7) == []
    assert log.about("U") == []


@pytest.mark.parametrize("name", ODD_IDS)
def test_ids_come_back_as_they_went_in(log: EventLog, name: str) -> None:
    draft = Draft(Rewarded(decision=name, name=name, value=1.0, surface=name, user=name, key=name), at=0.1)
    (appended,) = log.append([draft])
    assert (appended.entry.fact, appended.entry.at) == draft
    assert log.read() == log.about(name) == [appended.entry]
    assert log.find(str(events.key(appended.entry.fact))) == appended.entry
    assert log.append([draft]) == [(appended.entry, True)]


def test_texts_that_only_look_alike_are_different_keys(log: EventLog) -> None:
    # é as one character and as e with an accent; case; trailing blanks: databases' collations may take them for equal.
    names = ["\u00e9", "e\u0301", "E", "e", "e ", "e\t"]
    answers = log.append([seen("a", user=name, key=name) for name in names])
    assert not any(answer.duplicate for answer in answers)
    assert [len(log.about(name)) for name in names] == [1] * len(names)


BAD = {
    "a value that is not a number": Draft(Rewarded(decision="d", name="n", value=math.nan, surface="s"), 1.0),
    "an infinite value": Draft(Interacted(item="a", name="n", value=-math.inf), 1.0),
    "a time that is not finite": Draft(ItemRemoved("a"), math.inf),
    "half a character": Draft(ItemRemoved("\ud83e"), 1.0),
    "a user with NUL": seen("a", user="a\0b"),
    "a key with NUL": seen("a", key="a\0b"),
    "a key too long for an index": seen("a", key="k" * KEY_BYTES),
    "a value of a foreign type": Draft(Interacted(item="a", name="n", value=object()), 1.0),  # type: ignore[arg-type]
    "a field of the wrong type": Draft(ItemRemoved(3), 1.0),  # type: ignore[arg-type]
    "a definition that is no JSON": Draft(SurfacePut("s", msgspec.Raw(b"{")), 1.0),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_read_back_is_refused_with_all_that_came_with_it(log: EventLog, bad: Draft) -> None:
    log.append([seen("a", key="a")])
    with pytest.raises(InputError):
        log.append([seen("b", key="b"), bad, seen("c")])
    assert (log.head(), log.find("interacted/b")) == (1, None)
    (after,) = log.append([seen("b", key="b")])
    assert (after.entry.seq, after.duplicate) == (2, False)


def test_a_fact_is_answered_as_it_will_be_read(log: EventLog) -> None:
    given_loosely = Interacted(item="a", name="view", value=2)  # an int where a float belongs
    (appended,) = log.append([Draft(given_loosely, 1.0)])
    (stored,) = log.read()
    assert isinstance(appended.entry.fact, Interacted)
    assert isinstance(stored.fact, Interacted)
    assert (type(appended.entry.fact.value), type(stored.fact.value)) == (float, float)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(names, st.booleans(), st.integers(-(2**53), 2**53), numbers)
features = st.dictionaries(
    names, st.one_of(scalars, st.lists(numbers, max_size=4), st.lists(names, max_size=4)), max_size=4
)
sources = st.builds(Source, name=names, score=numbers, rank=st.integers(0, 99), because=st.none() | names)
picks = st.builds(
    Pick,
    item=names,
    position=st.integers(0, 99),
    propensity=numbers,
    score=numbers,
    sources=st.lists(sources, max_size=2).map(tuple),
    features=st.none() | features,
)
requests = st.builds(
    Request,
    surface=names,
    time=numbers,
    user=st.none() | names,
    context=st.dictionaries(names, scalars, max_size=3),
    candidates=st.none() | st.lists(names | st.builds(Inline, item=names, features=features), max_size=3).map(tuple),
)
facts = st.one_of(
    st.builds(
        Decided,
        decision=names,
        request=requests,
        strategy=names,
        picks=st.lists(picks, max_size=2).map(tuple),
        as_of=st.integers(0, 2**53),
        assignments=st.lists(st.builds(Assignment, names, names, names), max_size=2).map(tuple),
        rankings=st.dictionaries(names, st.lists(names, max_size=2).map(tuple), max_size=2),
    ),
    st.builds(ItemPut, item=names, features=features, tags=st.lists(names, max_size=2).map(tuple)),
    st.builds(UserPut, user=names, features=features),
    st.builds(
        Rewarded,
        decision=names,
        name=names,
        value=numbers,
        surface=names,
        user=st.none() | names,
        key=st.none() | names,
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None, derandomize=True)
@given(fact=facts, at=numbers)
def test_any_fact_comes_back_equal(log: EventLog, fact: AnyFact, at: float) -> None:
    # One log takes all examples: it must hold for whatever is in it already.
    (appended,) = log.append([Draft(fact, at)])
    (stored,) = log.read(after=appended.entry.seq - 1, limit=1)
    assert stored == appended.entry
    if not appended.duplicate:
        assert (stored.at, stored.fact) == (at, fact)
    if (key := events.key(fact)) is not None:
        assert log.find(key) == stored


@pytest.mark.parametrize(
    "decided",
    [
        Decided("d", Request("home", math.nan), "default", (), 0),
        Decided("d", Request("home", 0.0, context={"x": math.inf}), "default", (), 0),
        Decided("d", Request("home", 0.0), "default", (Pick("null", 0, 1.0, -math.inf),), 0),
        Decided("d", Request("home", 0.0), "default", (Pick("a", 0, 1.0, 0.0, (Source("s", math.nan, 0, "b"),)),), 0),
        Decided("d", Request("home", 0.0), "default", (), 0, user={"likes null": math.nan}),
    ],
)
def test_a_decision_with_a_number_that_is_not_finite_is_refused(log: EventLog, decided: Decided) -> None:
    with pytest.raises(InputError, match="numbers must be finite"):
        log.append([Draft(decided, 1.0)])
    assert log.head() == 0


def anonymous(fact: AnyFact) -> AnyFact:
    assert isinstance(fact, Interacted)
    return msgspec.structs.replace(fact, user="someone")


def test_rewriting_moves_a_users_entries_and_leaves_places_times_and_keys(log: EventLog) -> None:
    before = log.append(
        [seen("a", user="u", key="k"), seen("b", user="someone"), seen("c", user="v"), seen("d", user="u"), seen("e")]
    )
    assert log.rewrite("u", anonymous) == 2
    assert log.about("u") == []
    assert [(entry.seq, entry.at) for entry in log.about("someone")] == [(1, 1.5), (2, 1.5), (4, 1.5)]
    assert [entry.seq for entry in log.read()] == [1, 2, 3, 4, 5]
    assert [entry.fact for entry in log.about("v")] == [before[2].entry.fact]
    assert log.append([seen("z", user="w", key="k")]) == [(log.read()[0], True)]
    assert log.rewrite("u", anonymous) == 0


def test_a_rewrite_that_fails_changes_nothing(log: EventLog) -> None:
    log.append([seen("a", user="u"), seen("b", user="u")])
    calls = count()

    def failing(fact: AnyFact) -> AnyFact:
        if next(calls) == 1:
            raise ZeroDivisionError
        return anonymous(fact)

    with pytest.raises(ZeroDivisionError):
        log.rewrite("u", failing)
    with pytest.raises(InputError, match="NUL"):
        log.rewrite("u", lambda fact: Interacted(item="a", name="n", user="\0"))
    assert [entry.seq for entry in log.about("u")] == [1, 2]
    assert log.append([seen("c")])[0].entry.seq == 3


def several(url: str, log: EventLog, stack: ExitStack) -> list[EventLog]:
    """What four appenders write with: a log each where several may write, else the one log there can be."""
    if not url.startswith("postgresql"):
        return [log] * 4
    opened = [open_log(url) for _ in range(4)]
    for each in opened:
        stack.callback(each.close)
    return opened


def reader(url: str, log: EventLog, stack: ExitStack) -> EventLog:
    if url.startswith("memory"):
        return log
    tail = open_log(url, readonly=True)
    stack.callback(tail.close)
    return tail


def test_a_reader_beside_concurrent_appenders_sees_every_entry_in_order_without_a_gap(url: str, log: EventLog) -> None:
    batches, size = 25, 5

    def write(log: EventLog, who: int) -> None:
        for batch in range(batches):
            answers = log.append([seen(f"{who}/{batch}/{n}") for n in range(size)])
            seqs = [answer.entry.seq for answer in answers]
            assert seqs == list(range(seqs[0], seqs[0] + size))

    with ExitStack() as stack:
        writers = several(url, log, stack)
        tail = reader(url, log, stack)
        pool = stack.enter_context(ThreadPoolExecutor(len(writers)))
        writing = [pool.submit(write, each, who) for who, each in enumerate(writers)]
        found: list[int] = []
        everything = len(writers) * batches * size
        give_up = time.monotonic() + 30
        while len(found) < everything and time.monotonic() < give_up:
            page = tail.read(after=found[-1] if found else 0, limit=7)
            found += [entry.seq for entry in page]
            assert found == list(range(1, len(found) + 1))
            time.sleep(0.001)  # a reader that never rests keeps the writers' threads from running
        for each in writing:
            each.result()
        assert len(found) == log.head() == everything


def test_of_concurrent_appends_under_one_key_one_is_stored(url: str, log: EventLog) -> None:
    with ExitStack() as stack:
        writers = several(url, log, stack)
        pool = stack.enter_context(ThreadPoolExecutor(len(writers)))
        for round_ in range(20):
            drafts = [seen(f"{who}", key=f"k{round_}") for who in range(len(writers))]
            answers = list(pool.map(lambda pair: pair[0].append([pair[1]])[0], zip(writers, drafts, strict=True)))
            assert sorted(answer.duplicate for answer in answers) == [False] + [True] * (len(writers) - 1)
            assert [answer.entry.seq for answer in answers] == [round_ + 1] * len(writers)
    assert log.head() == 20


def test_ids_with_slashes_do_not_share_a_key(log: EventLog) -> None:
    one = Rewarded(decision="a/b", name="click", value=1.0, surface="home", key="c")
    other = Rewarded(decision="a", name="click", value=1.0, surface="home", key="b/c")
    assert [appended.duplicate for appended in log.append([Draft(one, 0.0), Draft(other, 0.0)])] == [False, False]
