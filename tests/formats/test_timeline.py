from pathlib import Path

import pytest

from bandstand.events import Draft, Interacted, ItemPut, ItemRemoved, UserPut
from bandstand.formats import Target
from bandstand.formats.timeline import Described, Happened, key, timeline
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0


def did(line: int, time: float | None, item: str = "a") -> Happened:
    fact = Interacted(item, "view", user="u", time=time)
    return Happened(line, Interacted(item, "view", user="u", time=time, key=key(fact, line=line)))


def told(log: MemoryLog, happened: list[Happened], described: list[Described] | None = None, run: int = 100) -> list:
    reads = list(timeline(Target(log, NOON), described or [], happened, run=run))
    return [(read.line, read.what.fact, read.what.at) for read in reads]


@pytest.mark.parametrize("run", [1, 2, 3, 7, 100])
def test_behaviour_comes_in_the_order_of_its_time_however_much_is_held(run: int) -> None:
    times = [5.0, 1.0, 3.0, 1.0, 4.0, 2.0, 1.0]
    found = told(MemoryLog(), [did(line, time) for line, time in enumerate(times)], run=run)
    assert [line for line, fact, _ in found if isinstance(fact, Interacted)] == [1, 3, 6, 5, 2, 4, 0]
    assert [at for _, _, at in found] == sorted(at for _, _, at in found)


def test_item_that_nobody_described_is_put_before_what_happens_to_it() -> None:
    found = told(MemoryLog(), [did(1, 7.0, "a"), did(2, 8.0, "b"), did(3, 9.0, "a")], [Described(1, ItemPut("b"))])
    assert [type(fact).__name__ for _, fact, _ in found] == [
        *("ItemPut", "ItemPut", "Interacted", "Interacted", "Interacted")
    ]
    assert [(fact.item, at) for _, fact, at in found] == [("b", 7.0), ("a", 7.0), ("a", 7.0), ("b", 8.0), ("a", 9.0)]


def test_descriptions_that_the_log_holds_are_not_told_again_and_changed_ones_are() -> None:
    log = MemoryLog()
    log.append([Draft(fact, 1.0) for fact in (ItemPut("a", {"x": 1}), ItemPut("b"), UserPut("u"), ItemRemoved("b"))])
    described = [Described(at, fact) for at, fact in enumerate((ItemPut("a", {"x": 1}), ItemPut("b"), UserPut("u")))]
    assert [fact for _, fact, _ in told(log, [], described)] == [ItemPut("b")]
    changed = Described(1, ItemPut("a", {"x": 2}))
    assert [fact for _, fact, _ in told(log, [], [changed])] == [changed.fact]


def test_item_that_was_removed_is_not_put_again_for_what_was_done_with_it_before() -> None:
    log = MemoryLog()
    log.append([Draft(ItemPut("a"), 1.0), Draft(ItemRemoved("a"), 2.0)])
    assert [type(fact) for _, fact, _ in told(log, [did(1, 0.5)])] == [Interacted]


def test_what_happened_before_the_newest_behaviour_of_the_log_stands_at_its_time() -> None:
    log = MemoryLog()
    log.append([Draft(ItemPut("a"), NOON), Draft(Interacted("a", "view", user="x"), 100.0)])
    assert [at for _, _, at in told(log, [did(1, 99.0), did(2, 101.0)])] == [100.0, 101.0]


def test_items_put_today_do_not_hide_the_times_of_what_happened_long_ago() -> None:
    log = MemoryLog()
    log.append([Draft(ItemPut("a"), NOON)])
    assert [at for _, _, at in told(log, [did(1, 99.0)])] == [99.0]


def test_what_has_no_time_happens_now_in_the_order_of_the_file() -> None:
    found = told(MemoryLog(), [did(4, None), did(2, None)], run=1)
    assert [(line, at) for line, fact, at in found if isinstance(fact, Interacted)] == [(4, NOON), (2, NOON)]


def test_same_thing_has_the_same_key_and_without_a_time_each_line_its_own() -> None:
    fact = Interacted("a", "view", user="u", time=3.0)
    assert key(fact, line=1) == key(fact, line=2)
    assert key(fact, line=1) != key(Interacted("a", "view", user="u", time=4.0), line=1)
    timeless = Interacted("a", "view", user="u")
    assert key(timeless, line=1) != key(timeless, line=2)
    assert key(Interacted("ab", "c", user="u", time=1.0), line=1) != key(
        Interacted("a", "bc", user="u", time=1.0), line=1
    )


def test_no_file_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reads = timeline(Target(MemoryLog(), NOON), [], [did(line, 9.0 - line) for line in range(9)], run=2)
    next(reads)
    reads.close()
    assert list(tmp_path.iterdir()) == []
