"""How long a report takes: from the log, from a digest and the log's end, and beside the same sums in plain SQL.

Each is measured in a process of its own, in processor time, for other work on the machine stretches the clock's.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from functools import cache, partial
from itertools import chain, islice
from math import inf
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import psycopg

from bandstand import events
from bandstand.events import Assignment, Decided, ExperimentMoved, ExperimentPut, Pick, Request, Rewarded, Source
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.report.keeping import step
from bandstand.report.marks import hashes, marked
from bandstand.report.stretch import Decisions, Exposures, Ints, Mask, Recalled, Rewards, Stretch
from bandstand.store import Snapshots
from bandstand.store.sql import open_log, open_snapshots, snapshots_url
from benchmarks.bench import Bench
from benchmarks.data import SEED
from benchmarks.measure import Clock, Figure, peak_mb, spread
from benchmarks.servers import schema

MOST_S = 20.0
MOST_DIGEST_S = 1.0
PICKS = 10
_USER_DECISIONS = 10
_CLICKED = 0.2
_STRETCH = 200_000
_SLATES = 100
_START = 1_795_000_000.0
_A_DECISION_S = 0.1

EXPERIMENT = Experiment(
    "softer",
    "home",
    (Variant("control", "default", 0.5), Variant("softer", "soft", 0.5)),
    metrics=(
        Metric("clicks", "click"),
        Metric("clickers", "click", "proportion", role="secondary"),
        Metric("rate", "click", "ratio", role="secondary"),
    ),
)

Row = tuple[int, float, str, str | None, str | None, str]
Measured = dict[str, float]


def lines(bench: Bench) -> list[Figure]:
    """On SQLite, and on PostgreSQL where BANDSTAND_TEST_POSTGRES names one."""
    figures = _on(bench, "SQLite", f"sqlite:///{bench.scratch / 'reports.db'}")
    server = os.environ.get("BANDSTAND_TEST_POSTGRES")
    if server:
        with schema(server) as url:
            figures += _on(bench, "PostgreSQL", url)
    return figures


def _on(bench: Bench, store: str, url: str) -> list[Figure]:
    """From a log of a million decisions, which is written out, and from a digest of ten million."""
    written, remembered = bench.size(1_000_000, 20_000), bench.size(10_000_000, 100_000)
    bench.told(f"reports: making a log of {written:,} decisions in {store}")
    _apart(partial(_written, url, written))
    narrow = str(bench.scratch / "narrow.db")
    figures = [
        _figure(bench, store, written, narrow, "reading its log alone", inf, partial(_scanned, url)),
        _figure(bench, store, written, narrow, "from its log", MOST_S * written / 10_000_000, partial(_reported, url)),
    ]
    _apart(partial(_emptied, url))
    bench.told(f"reports: making a digest of {remembered:,} decisions in {store}")
    made = _apart(partial(_remembered, url, remembered))
    for short, most_s, history in (
        ("from a digest and its sequel", MOST_DIGEST_S, False),
        ("the same, with its history", MOST_S, True),
    ):
        call = partial(_reported, url, digest=True, history=history)
        one = _figure(bench, store, remembered, narrow, short, most_s, call)
        one.more.update(made)
        figures.append(one)
    return figures


def _figure(
    bench: Bench, store: str, decisions: int, narrow: str, short: str, most_s: float, call: Callable[[], Measured]
) -> Figure:
    bench.told(f"reports: {store}, {decisions:,} decisions, {short}")
    ours = [_apart(call) for _ in range(bench.size(3 if most_s == MOST_DIGEST_S else 1, 1))]
    peer = _grouped(bench, narrow, decisions)
    took_s = [one.pop("s") for one in ours]
    return Figure(
        name="reports",
        short=f"{store}, {decisions:,} decisions: {short}",
        what=f"processor seconds of a report over {decisions:,} decisions in {store}, {short}",
        unit="s",
        ours=spread(took_s),
        peer="GROUP BY of a narrow table in SQLite",
        theirs=spread([peer]),
        ratio=spread([one / peer for one in took_s]),
        bar="" if most_s == inf else f"≤ {most_s:g} s",
        holds=spread(took_s).median <= most_s,
        more=ours[0],
    )


def _written(url: str, decisions: int) -> Measured:
    """A log of so many decisions by a tenth as many users, one in five with a click."""
    open_log(url).close()
    _insert(url, _rows(range(decisions), decisions))
    return {}


def _emptied(url: str) -> Measured:
    with _connected(url) as connection:
        connection.execute("DELETE FROM entry")
        connection.commit()
    return {}


def _remembered(url: str, decisions: int) -> Measured:
    """What a learner would have left of so many decisions just before it writes them down anew: a digest, made from
    columns, a sequel, and entries after that. Of the log itself only its beginning and its end are written down, and
    the old decisions of which that speaks: the rest is not read."""
    from bandstand.report import digest
    from bandstand.report.asked import asked
    from bandstand.report.gathered import Gathered, Life
    from bandstand.report.keeping import SEQUEL, Keeping
    from bandstand.report.ledger import Ledger

    last, more = _entries(decisions), _step(decisions) - 1
    rows = islice(_rows(range(decisions, decisions + more), decisions), 2, None)
    since = ((last + k, *row[1:]) for k, row in enumerate(rows, 1))
    _insert(url, chain(_rows(range(0), decisions), _old(decisions, more)))
    ledger = Ledger(asked(EXPERIMENT))
    units = np.array([marked(f"user-{user:07d}") for user in range(_users(decisions))])
    for first in range(0, decisions, _STRETCH):
        ledger.settle(_stretch(range(first, min(first + _STRETCH, decisions)), decisions, units))
    log, snapshots = open_log(url, readonly=True), open_snapshots(snapshots_url(url))
    life = Life(EXPERIMENT, "running", since=_START, as_of=last, at=_START + _A_DECISION_S * decisions)
    watch = _Watch()
    _insert(url, islice(since, 1))  # a log that ends before the digest is another one
    digest.put(snapshots, log, Gathered(life, ledger))
    wrote = watch.measured()
    del ledger, units
    _insert(url, islice(since, more - SEQUEL))
    watch = _Watch()
    if Keeping(log, snapshots).turn([EXPERIMENT]):
        raise RuntimeError("a digest was written where a sequel was to be")
    measured = {"writing the digest s": wrote["s"], "a sequel from its beginning s": watch.measured()["s"]}
    _insert(url, islice(since, SEQUEL - 1))
    return measured | {"MB": _kept_mb(snapshots)}


def _kept_mb(snapshots: Snapshots) -> float:
    kinds = ["report : softer", "report sequel: softer", *(f"report {k}: softer" for k in _pages())]
    found = (snapshots.newest(kind) for kind in kinds)
    return sum(len(one.body) for one in found if one is not None) / 1e6


def _pages() -> list[str]:
    return [f"{place}.{number}" for place in (0, 1) for number in range(200)]


def _old(decisions: int, more: int) -> Iterator[Row]:
    """Decisions of long ago that are rewarded at the end."""
    wanted = range(decisions // 2, (decisions + more) // 2 + 1)
    for first in range(wanted.start // _STRETCH * _STRETCH, wanted.stop, _STRETCH):
        part = range(first, min(first + _STRETCH, decisions))
        visits = _visits(part, decisions)
        for number in range(max(first, wanted.start), min(part.stop, wanted.stop)):
            user, session, side = (int(column[number - first]) for column in visits[:3])
            yield _decided(number + 3, number, user, session, side)


def _stretch(numbers: range, decisions: int, units: Ints) -> Stretch:
    visits = _visits(numbers, decisions)
    ids = hashes([_name(number) for number in numbers])
    at = _START + _A_DECISION_S * np.array(numbers)
    count = len(numbers)
    shown = Decisions(
        seq=np.array(numbers) + 3,
        id=ids,
        unit=units[visits.user],
        person=visits.user * 1_000_003 + visits.session,
        variant=visits.variant,
        phase=np.zeros(count, np.int32),
        at=at,
        first=np.zeros(count, np.int32),
        picks=np.full(count, PICKS),
        shown=np.ones(count, np.bool_),
        differs=np.zeros(count, np.bool_),
        labels=np.empty((count, 0), np.int32),
    )
    clicks = int(np.count_nonzero(visits.clicked))
    rewards = Rewards(
        ids[visits.clicked], np.full(clicks, -1), at[visits.clicked] + 1, np.zeros(clicks, np.int32), np.ones(clicks)
    )
    nobody, never = np.empty(0, np.int64), np.empty(0)
    exposures, recalled = Exposures(nobody, never, nobody), Recalled(nobody, nobody, nobody, np.empty(0, np.bool_))
    return Stretch(shown, recalled, exposures, {"click": rewards}, {}, nobody, never, (), shared=False)


def _insert(url: str, rows: Iterable[Row]) -> None:
    """Past the store's own checks, which a million rows need not wait for."""
    with _connected(url) as connection:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")
            connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", rows)
        else:
            with connection.cursor().copy('COPY entry (seq, at, kind, "key", subject, body) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
        connection.commit()


@contextmanager
def _connected(url: str) -> Iterator[sqlite3.Connection | psycopg.Connection]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            yield file
    else:
        with psycopg.connect(url) as server:
            yield server


def _rows(numbers: range, decisions: int) -> Iterator[Row]:
    """The experiment's beginning, then these decisions, of which the first belong to the log's end; one in five clicks
    is on a decision of long ago."""
    put = ExperimentPut(EXPERIMENT.name, msgspec.Raw(msgspec.json.encode(EXPERIMENT)))
    for seq, fact in enumerate((put, ExperimentMoved(EXPERIMENT.name, "running")), 1):
        yield seq, _START, events.kind(fact), None, None, events.encode(fact).decode()
    seq = 3
    for first in range(numbers.start, numbers.stop, _STRETCH):
        part = range(first, min(first + _STRETCH, numbers.stop))
        columns = (column.tolist() for column in _visits(part, decisions))
        for number, user, session, side, clicked in zip(part, *columns, strict=True):
            at, name, who = _START + _A_DECISION_S * number, _name(number), f"user-{user:07d}"
            yield _decided(seq, number, user, session, side)
            seq += 1
            if clicked:
                of = name if number % 5 else _name(number // 2)
                click = Rewarded(of, "click", 1.0, "home", 0, "item-17", who, f"s{user}-{session}", key=f"k{number}")
                yield seq, at + 1, "rewarded", events.key(click), who, events.encode(click).decode()
                seq += 1


def _decided(seq: int, number: int, user: int, session: int, side: int) -> Row:
    at, name, who = _START + _A_DECISION_S * number, _name(number), f"user-{user:07d}"
    body = _template(number % _SLATES, side).replace("@user", who).replace("@decision", name)
    return seq, at, "decided", f"decided/{name}", who, body.replace("@session", f"s{user}-{session}")


@cache
def _template(slate: int, side: int) -> str:
    chance, variant = np.random.default_rng(SEED + slate), EXPERIMENT.variants[side]
    sources = (Source("popular", 0.98, 3), Source("content", 0.51, 7, "item-1234"))
    picks = tuple(
        Pick(f"item-{chance.integers(10_000)}", place, chance.random(), chance.normal(), sources, "Popular now")
        for place in range(PICKS)
    )
    heard = {f"feature {place}": place / 7 for place in range(6)}
    weights = f"{EXPERIMENT.name}/{variant.name}"
    fact = Decided(
        "@decision",
        Request("home", _START, user="@user", session="@session", context={"device": "tv"}),
        variant.strategy,
        picks,
        slate,
        scored_by=weights,
        teaches=(weights,),
        assignments=(Assignment(EXPERIMENT.name, variant.name, "default"),),
        user=heard,
        context=heard,
    )
    return events.encode(fact).decode()


class Visits(NamedTuple):
    """One row a decision: of which user, in which of their three sessions, under which variant, and whether they
    clicked."""

    user: Ints
    session: Ints
    variant: Ints
    clicked: Mask


def _visits(numbers: range, decisions: int) -> Visits:
    chance = np.random.default_rng([SEED, numbers.start])
    user = chance.integers(_users(decisions), size=len(numbers))
    return Visits(user, np.array(numbers) * 3 // decisions, user % 2, chance.random(len(numbers)) < _CLICKED)


def _entries(decisions: int) -> int:
    """About how long a log of so many decisions is."""
    return decisions + int(_CLICKED * decisions)


def _step(decisions: int) -> int:
    """How much may have been written since the digest: as much as before the next."""
    return step(_entries(decisions))


def _users(decisions: int) -> int:
    return max(decisions // _USER_DECISIONS, 2)


def _name(number: int) -> str:
    return f"{number:032x}"


def _scanned(url: str) -> Measured:
    log, after, characters, watch = open_log(url, readonly=True), 0, 0, _Watch()
    while page := log.scan(("decided", "rewarded"), after=after):
        after = page[-1][0]
        characters += sum(len(body) for _, _, _, body in page)
    return watch.measured() | {"characters an entry": characters / after}


def _reported(url: str, *, digest: bool = False, history: bool = False) -> Measured:
    from bandstand.report import report

    log, snapshots = open_log(url, readonly=True), open_snapshots(snapshots_url(url), readonly=True)
    first = _Watch()
    if digest:  # and not the modules that the first one loads
        report(log, EXPERIMENT.name, snapshots=snapshots)
    first_s, watch = first.measured()["s"], _Watch()
    found = report(log, EXPERIMENT.name, snapshots=snapshots if digest else None, history=history)
    measured = watch.measured()
    if found.as_of != log.head():
        raise RuntimeError(f"the report ends at {found.as_of}, the log at {log.head()}")
    units = sum(arm.units for arm in found.variants)
    more = {"the first in a process s": first_s} if digest else {}
    return measured | {"units": units, "peak MB": peak_mb()} | more


def _grouped(bench: Bench, path: str, decisions: int) -> float:
    """A mean of clicks by user and variant, as experiment platforms ask warehouses for it, of a narrow row an exposure
    and one a click."""
    if decisions not in _seconds:
        bench.told(f"reports: the peer, {decisions:,} exposures")
        _seconds[decisions] = _apart(partial(_asked_in_sql, path, decisions))["s"]
    return _seconds[decisions]


_seconds: dict[int, float] = {}


def _asked_in_sql(path: str, decisions: int) -> Measured:
    Path(path).unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE exposure (user TEXT, variant INTEGER, at REAL)")
        connection.execute("CREATE TABLE click (user TEXT, at REAL)")
        for first in range(0, decisions, _STRETCH):
            numbers = range(first, min(first + _STRETCH, decisions))
            visits = _visits(numbers, decisions)
            who = [f"user-{user:07d}" for user in visits.user.tolist()]
            at = (_START + _A_DECISION_S * np.array(numbers)).tolist()
            shown = list(zip(who, visits.variant.tolist(), at, strict=True))
            clicks = [(shown[k][0], shown[k][2] + 1) for k in np.flatnonzero(visits.clicked).tolist()]
            connection.executemany("INSERT INTO exposure VALUES (?, ?, ?)", shown)
            connection.executemany("INSERT INTO click VALUES (?, ?)", clicks)
        connection.commit()
        watch = _Watch()
        connection.execute(_SQL).fetchall()
        return watch.measured()


_SQL = """
    WITH entered AS (
        SELECT user, min(at) AS first, min(variant) AS variant FROM exposure
        GROUP BY user HAVING min(variant) = max(variant)
    ), clicks AS (
        SELECT entered.user, count(*) AS clicks FROM click JOIN entered USING (user)
        WHERE click.at >= entered.first GROUP BY entered.user
    )
    SELECT variant, count(*), sum(coalesce(clicks, 0)), sum(coalesce(clicks, 0) * coalesce(clicks, 0))
    FROM entered LEFT JOIN clicks USING (user) GROUP BY variant
"""


class _Watch:
    """Seconds of this process' processor time, which what else the machine does leaves alone, and of the wall clock."""

    def __init__(self) -> None:
        self._processor, self._wall = time.process_time(), Clock()

    def measured(self) -> Measured:
        return {"s": time.process_time() - self._processor, "by the clock s": Clock() - self._wall}


def _apart(call: Callable[[], Measured]) -> Measured:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(call).result()
