"""A report from a digest is the report from the log, to the last bit, whatever happened before and since."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bandstand.erasure import erase
from bandstand.events import Decided, Draft, ExperimentMoved, Exposed, Interacted
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment
from bandstand.experiments.metrics import Metric
from bandstand.report import digest, report
from bandstand.report.asked import windows
from bandstand.report.exposure import units
from bandstand.report.gather import gather
from bandstand.report.keeping import Keeping
from bandstand.report.marks import marked
from bandstand.report.measure import measured
from bandstand.report.recorded import recorded
from bandstand.store import EventLog, Snapshot, Snapshots, Written
from bandstand.store.memory import MemoryLog, MemorySnapshots

from .histories import METRICS, defined, doings, experiments, happen
from .logs import START, earned, experiment, log_of, saw, users


def told(log: EventLog, snapshots: Snapshots | None = None, *, history: bool = False) -> bytes:
    return msgspec.json.encode(report(log, "x", snapshots=snapshots, history=history))


def facts(log: EventLog, snapshots: Snapshots | None = None) -> str:
    """All that a report is computed from, to the last bit, with an event for each unit and for each slate."""
    gathered = gather(log, "x", snapshots)
    found = [units(gathered, slates=each) for each in (False, True)]
    with np.printoptions(threshold=100_000, floatmode="unique"):
        return f"{gathered.life} {gathered.ledger.shared} {found}"


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    experiments,
    doings,
    st.lists(st.sampled_from([None, None, "sequel", "sequel", "digest", "report", "restart", "redefine"]), max_size=40),
)
def test_a_report_from_a_digest_equals_the_one_from_the_whole_log(
    first: Experiment, history: list[tuple[dict[str, object], float]], between: list[str | None]
) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    keeping, now, at, decided = Keeping(log, snapshots, least=5, sequel=1), first, START, list[Decided]()
    log.append([Draft(Interacted("i", "view", "ann"), at - 1)])
    defined(log, now, at)
    log.append([Draft(ExperimentMoved("x", "running"), at)])
    for number, (doing, later) in enumerate(history):
        at += later
        happen(log, doing, at, decided=decided)
        match between[number] if number < len(between) else None:
            case "sequel":
                keeping.turn([now])
            case "digest":
                Keeping(log, snapshots, least=1).turn([now])
                keeping = Keeping(log, snapshots, least=5, sequel=1)
            case "restart":
                keeping = Keeping(log, snapshots, least=3, sequel=2)
                keeping.turn([now])
            case "redefine":
                now = replace(now, metrics=(METRICS[number % len(METRICS)],))
                defined(log, now, at)
            case "report":
                assert facts(log, snapshots) == facts(log)
            case _:
                pass
    assert facts(log, snapshots) == facts(log)
    Keeping(log, snapshots, least=1).turn([now])
    assert facts(log, snapshots) == facts(log)


def kept(metric: Metric = METRICS[0]) -> tuple[MemoryLog, MemorySnapshots]:
    """A log with a digest, and with more since: late rewards and exposures, and somebody new."""
    facts = users("control", [1, 0, 2.5, 0.1]) + users("treatment", [0, 3, 0.7])
    facts += [saw("late", "control", "zoe", shown=False)]
    log = log_of(experiment(metric), facts, end=START + 10)
    snapshots = MemorySnapshots()
    Keeping(log, snapshots, least=1).turn([experiment(metric)])
    since = [
        earned("control-1", "control-user-1", value=0.3),
        saw("new", "treatment", "yan"),
        (START, Exposed("late", (0, 1))),
        earned("late", "zoe"),
    ]
    log.append([Draft(fact, at + 20) for at, fact in since])
    return log, snapshots


def parts(snapshots: MemorySnapshots) -> list[str]:
    return [kind for kind in snapshots._kinds if kind.startswith("report")]


class _Watched(MemoryLog):
    """A log that remembers from where on it was read, and what was looked up in it."""

    least = 10**9
    looked_up: tuple[str, ...] = ()

    def under(self, keys: Sequence[str]) -> list[Written]:
        self.looked_up += tuple(keys)
        return super().under(keys)

    def scan(self, kinds: Sequence[str], *, after: int = 0, limit: int = 300) -> list[Written]:
        self.least = min(self.least, after)
        return super().scan(kinds, after=after, limit=limit)


def test_the_whole_report_is_the_same_and_only_the_end_of_the_log_is_read() -> None:
    log, snapshots = kept()
    watched = _Watched()
    watched.append([Draft(entry.fact, entry.at) for entry in log.read()])
    for history in (False, True):
        assert told(watched, snapshots, history=history) == told(log, history=history)
    assert watched.least == log.head() - 4
    assert set(watched.looked_up) == {"decided/control-1", "decided/late"}  # and not the one that came since


def test_of_what_a_sequel_says_nothing_is_read_again() -> None:
    log, snapshots = kept()
    assert Keeping(log, snapshots, sequel=4).turn([experiment(METRICS[0])]) == []
    watched = _Watched()
    watched.append([Draft(entry.fact, entry.at) for entry in log.read()])
    watched.append([Draft(earned("new", "yan")[1], START + 50)])
    log.append([Draft(earned("new", "yan")[1], START + 50)])
    assert told(watched, snapshots) == told(log)
    assert watched.least == log.head() - 1
    assert watched.looked_up == ("decided/new",)


@pytest.mark.parametrize("part", ["report : x", *(f"report 0.{page}: x" for page in range(5)), "report sequel: x"])
@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", None])
def test_a_damaged_or_missing_part_costs_time_and_nothing_else(part: str, body: bytes | None) -> None:
    log, snapshots = kept()
    Keeping(log, snapshots, sequel=3).turn([experiment(METRICS[0])])
    assert part in parts(snapshots)
    found = snapshots.newest(part)
    assert found is not None
    snapshots.put(part, Snapshot(found.seq, found.body[:-9] if body is None else body), alone=True)
    assert told(log, snapshots, history=True) == told(log, history=True)


class _Overtaken(MemorySnapshots):
    """In which a digest is written anew, more than once, before a page of the old one is read."""

    writers: list[Keeping]

    def newest(self, kind: str, *, after: int = -1) -> Snapshot | None:
        if "." in kind and self.writers:
            assert self.writers.pop().turn([experiment(METRICS[0])]) == ["x"]
        return super().newest(kind, after=after)


def test_a_digest_that_was_replaced_while_it_was_read_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    log, old = kept()
    snapshots, waited = _Overtaken(), list[float]()
    snapshots._kinds = old._kinds
    monkeypatch.setattr("time.sleep", waited.append)
    for history in (False, True):
        log.append([Draft(earned("control-2", "control-user-2")[1], START + 30)])
        snapshots.writers = [Keeping(log, old, least=1)]
        assert told(log, snapshots, history=history) == told(log, history=history)
    assert len(waited) == 2


def test_a_digest_of_another_format_or_another_log_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    log, snapshots = kept()
    other = log_of(experiment(METRICS[0]), [(at - 2, fact) for at, fact in users("control", [5, 6])])
    other.append([Draft(Interacted("i", "view"), START + k) for k in range(30)])
    assert told(other, snapshots) == told(other)
    monkeypatch.setattr(digest, "FORMAT", digest.FORMAT + 1)
    assert digest.newest(snapshots, log, "x") is None
    assert told(log, snapshots) == told(log)


def test_what_is_asked_otherwise_is_read_and_kept_anew() -> None:
    log, snapshots = kept()
    keeping, changed = Keeping(log, snapshots), experiment(METRICS[7])
    assert keeping.turn([experiment(METRICS[0])]) == []
    defined(log, replace(experiment(METRICS[0]), outcome="nothing that is measured"), START + 30)
    assert facts(log, snapshots) == facts(log)
    defined(log, changed, START + 30)
    assert facts(log, snapshots) == facts(log)
    assert keeping.turn([changed]) == ["x"]
    assert digest.newest(snapshots, log, "x") is not None


def test_who_is_erased_is_gone_from_the_digest_and_the_figures_stay() -> None:
    log, snapshots = kept()
    keeping, now = Keeping(log, snapshots), experiment(METRICS[0])
    assert keeping.turn([now]) == []
    mark = marked("control-user-2").to_bytes(8, "little", signed=True)
    assert any(mark in one.body for kind in parts(snapshots) for one in snapshots._kinds[kind])
    before = report(log, "x").comparisons
    log.append([Draft(erase(log, "control-user-2", pseudonym="erased-1"), START + 40)])
    assert facts(log, snapshots) == facts(log)
    assert report(log, "x", snapshots=snapshots).comparisons == before
    assert keeping.turn([], ended=[now]) == ["x"]
    assert keeping.turn([now], ended=[]) == []
    assert not any(mark in one.body for kind in parts(snapshots) for one in snapshots._kinds[kind])
    assert facts(log, snapshots) == facts(log)


def test_a_segment_that_only_the_erased_user_had_is_gone_too() -> None:
    definition = experiment(METRICS[0], analysis=Analysis("fixed", units=2, segments=("tab",)))
    log = log_of(definition, [*users("control", [1, 2]), saw("d", "control", "ann", context={"tab": "ann's own"})])
    snapshots = MemorySnapshots()
    keeping = Keeping(log, snapshots, least=1)
    keeping.turn([definition])
    log.append([Draft(erase(log, "ann", pseudonym="erased-1"), START + 40)])
    assert facts(log, snapshots) == facts(log)
    keeping.turn([definition])
    assert b"ann's" not in b"".join(one.body for kind in parts(snapshots) for one in snapshots._kinds[kind])
    assert facts(log, snapshots) == facts(log)


def test_a_digest_is_written_again_when_the_log_has_grown() -> None:
    log, snapshots = kept()
    keeping = Keeping(log, snapshots, least=6)
    assert keeping.turn([experiment(METRICS[0])]) == []
    log.append([Draft(Interacted("i", "view"), START + 50)] * 2)
    assert keeping.turn([experiment(METRICS[0])]) == ["x"]
    found = digest.newest(snapshots, log, "x")
    assert found is not None
    assert found.life.as_of == log.head()


def test_a_large_digest_is_kept_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "PAGE", 3)
    log, snapshots = kept()
    assert len(parts(snapshots)) > 10
    assert facts(log, snapshots) == facts(log)
    many = set(parts(snapshots))
    monkeypatch.setattr(digest, "PAGE", 100)
    Keeping(log, snapshots, least=1).turn([experiment(METRICS[0])])
    Keeping(log, snapshots, least=1).turn([experiment(METRICS[0])])
    assert {kind for kind in many if any(one.body for one in snapshots._kinds[kind])} < many  # the rest is emptied
    assert facts(log, snapshots) == facts(log)


def test_sums_of_slates_say_what_each_slate_says() -> None:
    log, _ = kept(METRICS[8])
    gathered = gather(log, "x")
    summed, single = (units(gathered, slates=each) for each in (False, True))
    for metric in (METRICS[2], METRICS[8]):
        assert not windows(metric)
        one, other = (measured(metric, each, at=START + 100) for each in (summed, single))
        np.testing.assert_array_equal(one.above, other.above)
        np.testing.assert_array_equal(one.below, other.below)
    assert windows(METRICS[4])
    assert windows(METRICS[6])


def test_what_is_recorded_of_experiments_is_not_looked_for_twice() -> None:
    log, snapshots = kept()
    Keeping(log, snapshots, sequel=1).turn([experiment(METRICS[0])])
    log.append([Draft(ExperimentMoved("x", "stopped"), START + 60)])
    watched = _Watched()
    watched.append([Draft(entry.fact, entry.at) for entry in log.read()])
    assert recorded(watched, snapshots) == recorded(log)
    assert watched.least == log.head() - 1
    other = MemoryLog()
    other.append([Draft(entry.fact, entry.at - 1) for entry in log.read()])
    assert recorded(other, snapshots) == recorded(other)
    snapshots.put("report experiments", Snapshot(log.head(), b"\xc1"), alone=True)
    assert recorded(log, snapshots) == recorded(log)
