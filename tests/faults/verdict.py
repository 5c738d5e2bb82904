"""What must hold of a database after whatever happened to its server."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy import make_url

from bandstand import events
from bandstand.errors import StoreError
from bandstand.events import AnyFact, Decided, Entry, Interacted, Rewarded
from bandstand.follow import newest_model, newest_weights
from bandstand.model import Model, Published, fold
from bandstand.replay import replay
from bandstand.store import EventLog, Snapshots, entries
from bandstand.store.sql import open_log, open_snapshots, snapshots_url

from .traffic import Acknowledged


class Judged(NamedTuple):
    """What was looked at, so that a test can say that it was not nothing."""

    entries: int
    acknowledged: int
    decisions: int
    learned: int


def judge(database: str, acknowledged: Acknowledged) -> Judged:
    """Assert that the log is whole and holds what was acknowledged, once; that every decision can be made again; and
    that what the learner left behind equals the fold of the log, weight for weight."""
    address = make_url(database)
    if address.drivername == "sqlite":
        check_file(Path(str(address.database)))
    log = open_log(database, readonly=True)
    snapshots = open_snapshots(snapshots_url(database), readonly=True)
    try:
        everything = list(entries(log))
        check_log(everything)
        missing = lost(everything, acknowledged)
        assert missing == {}, f"{len(missing)} of {len(acknowledged.facts)} acknowledged facts are lost: {missing}"
        replayed = replay(log)
        assert replayed.divergences == []
        learned = check_model(log, snapshots, everything)
        return Judged(len(everything), len(acknowledged.facts), replayed.decisions, learned)
    finally:
        snapshots.close()
        log.close()


def check_file(path: Path) -> None:
    """Assert that SQLite finds its file in order."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def check_log(everything: list[Entry]) -> None:
    """Assert that no position is missing and no key is there twice."""
    assert [entry.seq for entry in everything] == list(range(1, len(everything) + 1))
    keys = [key for entry in everything if (key := events.key(entry.fact)) is not None]
    assert len(keys) == len(set(keys))


def lost(everything: list[Entry], acknowledged: Acknowledged) -> dict[str, object]:
    """What was acknowledged and is not in the log as it was told, by key."""
    held = {events.key(entry.fact): told(entry.fact) for entry in everything}
    return {key: held.get(key) for key, fact in acknowledged.facts.items() if held.get(key) != fact}


def told(fact: AnyFact) -> dict[str, object]:
    """What a client can know of the fact."""
    match fact:
        case Decided():
            return {"items": [pick.item for pick in fact.picks], "as_of": fact.as_of}
        case Rewarded():
            return {"value": fact.value}
        case Interacted():
            return {"item": fact.item}
        case _:
            return {}


def check_model(log: EventLog, snapshots: Snapshots, everything: list[Entry]) -> int:
    """Assert that the newest snapshot with the rest of the log gives the weights of the fold of all of it, bit for bit,
    and that published weights are those of the fold up to their position. Answers how many examples were learned."""
    published = newest_weights(snapshots, -1)
    fresh = Model()
    if published is not None:
        assert_same(published, fold(fresh, everything[: published.seq]).publish())
    fold(fresh, everything[fresh.state.seq :])
    resumed = newest_model(snapshots, log, learning=True)
    fold(resumed, everything[resumed.state.seq :])
    assert_same(resumed.publish(), fresh.publish())
    return fresh.learned


def assert_same(ours: Published, theirs: Published) -> None:
    assert (ours.seq, ours.origin, ours.weights.keys()) == (theirs.seq, theirs.origin, theirs.weights.keys())
    for name, weights in ours.weights.items():
        assert weights.learned == theirs.weights[name].learned
        np.testing.assert_array_equal(weights.table, theirs.weights[name].table)


def survived(database: str, acknowledged: Acknowledged) -> dict[str, object]:
    """What a database lost of what was acknowledged; all of it where it does not even open."""
    try:
        log = open_log(database, readonly=True)
    except StoreError:
        return dict(acknowledged.facts)
    try:
        return lost(list(entries(log)), acknowledged)
    finally:
        log.close()


def spread(figures: Iterable[float], *, unit: str = "s") -> str:
    """Median, 99th percentile and worst, for the summary."""
    p50, p99, worst = np.quantile(list(figures), (0.5, 0.99, 1.0))
    return f"p50 {p50:.3g} {unit}, p99 {p99:.3g} {unit}, worst {worst:.3g} {unit}"
