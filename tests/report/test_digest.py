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
from bandstand.report.measure import measured
from bandstand.report.stretch import marked
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
    st.lists(st.sampled_from([None, None, None, None, "digest", "report", "restart", "redefine"]), max_size=40),
)
def test_a_report_from_a_digest_equals_the_one_from_the_whole_log(
    first: Experiment, history: list[tuple[dict[str, object], float]], between: list[str | None]
) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    keeping, now, at, decided = Keeping(log, snapshots, least=1), first, START, list[Decided]()
    log.append([Draft(Interacted("i", "view", "ann"), at - 1)])
    defined(log, now, at)
    log.append([Draft(ExperimentMoved("x", "running"), at)])
    for number, (doing, later) in enumerate(history):
        at += later
        happen(log, doing, at, decided=decided)
        match between[number] if number < len(between) else None:
            case "digest":
                keeping.turn([now])
            case "restart":
                keeping = Keeping(log, snapshots, least=3)
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
    """A log that remembers from where on it was read."""

    least = 10**9

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


@pytest.mark.parametrize("part", ["report : x", "report decisions: x", "report slates: x"])
@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", None])
def test_a_damaged_or_missing_part_costs_time_and_nothing_else(part: str, body: bytes | None) -> None:
    log, snapshots = kept()
    assert part in parts(snapshots)
    found = snapshots.newest(part)
    assert found is not None
    snapshots.put(part, Snapshot(found.seq, found.body[:-9] if body is None else body), alone=True)
    assert told(log, snapshots, history=True) == told(log, history=True)


def test_a_digest_that_is_being_replaced_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    log, snapshots = kept()
    older = snapshots.newest("report : x")
    Keeping(log, snapshots, least=1).turn([experiment(METRICS[0])])
    newer = snapshots.newest("report : x")
    assert older is not None
    assert newer is not None
    waited = []

    def written_meanwhile(seconds: float) -> None:
        waited.append(seconds)
        snapshots.put("report : x", newer, alone=True)

    monkeypatch.setattr("time.sleep", written_meanwhile)
    log.append([Draft(earned("control-2", "control-user-2")[1], START + 30)])
    for history in (False, True):
        snapshots.put("report : x", older, alone=True)
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
    assert any(mark in one.body for one in snapshots._kinds["report : x"])
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


def test_a_digest_that_is_too_large_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    log, snapshots = kept()
    monkeypatch.setattr(digest, "_MOST_BYTES", 10)
    keeping = Keeping(log, snapshots, least=1)
    assert keeping.turn([experiment(METRICS[0])]) == ["x"]
    assert keeping.turn([experiment(METRICS[0])]) == []
    assert {one.body for kind in parts(snapshots) for one in snapshots._kinds[kind]} == {b""}
    assert told(log, snapshots) == told(log)


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
