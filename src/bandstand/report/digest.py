"""A ledger as bytes, kept beside the snapshots: from the next one on, a report reads only the end of the log.

It is a cache. One that is damaged, of another log or of another format is passed over. Of people it holds marks, 64
bits of a hash of their ids; who is erased is taken out of it.
"""

import logging
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandstand.errors import StoreError
from bandstand.events import UserErased
from bandstand.report import ledger as rows
from bandstand.report.asked import Asked
from bandstand.report.gathered import Gathered, Life
from bandstand.report.index import Index, Run
from bandstand.report.ledger import Column, Columns, Kinds, Ledger, Rows, Stored
from bandstand.store import EventLog, Snapshot, Snapshots

_log = logging.getLogger("bandstand")

FORMAT: Final = 1
"""Goes up with every change of what is kept, or of how it was made from the log."""

_MOST_BYTES: Final = 900_000_000
"""SQLite and PostgreSQL hold a billion in one field."""

_INDEX: Final[Kinds] = {"keys": "i8", "numbers": "i4"}

_Table = dict[str, memoryview]


class Known(NamedTuple):
    """How far the log was read, 0 where there is no digest, and what about."""

    as_of: int = 0
    asked: Asked | None = None


class MissingError(Exception):
    """A part of the digest cannot be read; the log has to be."""


class ReplacedError(Exception):
    """Another digest is being written in place of this one."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What every report needs. `origin` is the time of the log's first entry, which tells one log from another."""

    format: int
    origin: float
    life: Life
    asked: Asked
    names: tuple[tuple[str, ...], ...]
    decided: tuple[int, ...]
    latest: float
    shared: bool
    index: _Table
    units: _Table
    labels: memoryview
    joins: _Table
    deferred: _Table
    exposures: _Table
    rewards: dict[str, _Table]
    interactions: dict[str, _Table]


def newest(snapshots: Snapshots, log: EventLog, name: str) -> Gathered | None:
    """What is remembered of the experiment, and of those who were erased since; None where nothing useful is."""
    try:
        snapshot = snapshots.newest(_kind(name))
        if snapshot is None:
            return None
        kept = msgspec.msgpack.decode(snapshot.body, type=_Kept)
        if kept.format != FORMAT or not _of(log, kept) or kept.asked.experiment != name:
            return None
        ledger = _ledger(kept, _Parts(snapshots, name, kept.life.as_of))
    except (StoreError, msgspec.MsgspecError, ValueError, KeyError) as error:
        _log.warning("report of '%s': its digest cannot be read, the log is (%s)", name, error)
        return None
    return Gathered(kept.life, ledger)


def known(snapshots: Snapshots, name: str) -> Known:
    """What the digest of that name holds, whether or not it is of any use."""
    snapshot = snapshots.newest(_kind(name))
    try:
        kept = None if snapshot is None else msgspec.msgpack.decode(snapshot.body, type=_Kept)
    except msgspec.MsgspecError:
        kept = None
    return Known() if kept is None else Known(kept.life.as_of, kept.asked)


def erasures(log: EventLog, *, after: int) -> list[UserErased]:
    """Who was erased after this position of the log."""
    found: list[UserErased] = []
    while page := log.scan(("usererased",), after=after):
        found.extend(msgspec.json.decode(body, type=UserErased) for _, _, _, body in page)
        after = page[-1][0]
    return found


def put(snapshots: Snapshots, log: EventLog, gathered: Gathered) -> None:
    """Remember it, in place of what was remembered before, of which no copy is left."""
    life, ledger = gathered
    name, (first,) = life.experiment.name, log.read(limit=1)
    decisions = ledger.decisions.whole()
    parts = {
        _kind(name, "decisions"): msgspec.msgpack.encode(
            _plain({"keys": decisions.keys, "numbers": decisions.numbers})
        ),
        _kind(name, "slates"): msgspec.msgpack.encode(_plain(ledger.slates.columns())),
        _kind(name): msgspec.msgpack.encode(_kept(life, ledger, first.at)),
    }
    if max(map(len, parts.values())) > _MOST_BYTES:
        _log.warning("report of '%s': it is too much for a digest, every report reads the log", name)
        parts = dict.fromkeys(parts, b"")  # an older one may know somebody who was erased
    for kind, body in parts.items():  # last comes what the others belong to
        snapshots.put(kind, Snapshot(life.as_of, body), alone=True)


class _Parts:
    """What a report seldom needs, read when it does."""

    def __init__(self, snapshots: Snapshots, name: str, as_of: int) -> None:
        self._snapshots, self._name, self._as_of = snapshots, name, as_of

    def decisions(self) -> Run:
        found = self._part("decisions", _INDEX)
        return Run(found["keys"], found["numbers"])

    def slates(self) -> Columns:
        return self._part("slates", rows.SLATES)

    def _part(self, part: str, kinds: Kinds) -> Columns:
        snapshot = self._snapshots.newest(_kind(self._name, part), after=self._as_of - 1)
        if snapshot is None:
            raise MissingError
        if snapshot.seq != self._as_of:
            raise ReplacedError
        try:
            return _columns(msgspec.msgpack.decode(snapshot.body, type=_Table), kinds)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            raise MissingError from error


def _of(log: EventLog, kept: _Kept) -> bool:
    first = log.read(limit=1)
    return bool(first) and first[0].at == kept.origin and log.head() >= kept.life.as_of


def _kept(life: Life, ledger: Ledger, origin: float) -> _Kept:
    units = ledger.unit_of.whole()
    return _Kept(
        format=FORMAT,
        origin=origin,
        life=life,
        asked=ledger.asked,
        names=tuple(tuple(codes) for codes in ledger.names),
        decided=tuple(ledger.decided.tolist()),
        latest=ledger.latest,
        shared=ledger.shared,
        index=_plain({"keys": units.keys, "numbers": units.numbers}),
        units=_plain(ledger.units),
        labels=_bytes(ledger.labels),
        joins=_plain(ledger.joins.columns()),
        deferred=_plain(ledger.deferred.columns()),
        exposures=_plain(ledger.exposures.columns()),
        rewards={name: _plain(each.columns()) for name, each in ledger.rewards.items()},
        interactions={name: _plain(each.columns()) for name, each in ledger.interactions.items()},
    )


def _ledger(kept: _Kept, stored: Stored) -> Ledger:
    found = Ledger(kept.asked, stored=stored)
    index = _columns(kept.index, _INDEX)
    found.unit_of = Index(Run(index["keys"], index["numbers"]))
    found.units = _columns(kept.units, rows.UNITS)
    found.labels = _column(kept.labels, "i4").reshape(len(found.units["first"]), len(kept.asked.segments))
    found.names = tuple({text: code for code, text in enumerate(texts)} for texts in kept.names)
    found.joins = Rows(rows.JOINS, _columns(kept.joins, rows.JOINS))
    found.deferred = Rows(rows.DEFERRED, _columns(kept.deferred, rows.DEFERRED))
    found.exposures = Rows(rows.EXPOSURES, _columns(kept.exposures, rows.EXPOSURES))
    found.rewards = {
        name: Rows(rows.REWARDS, _columns(kept.rewards[name], rows.REWARDS)) for name in kept.asked.rewards
    }
    found.interactions = {
        name: Rows(rows.INTERACTIONS, _columns(kept.interactions[name], rows.INTERACTIONS))
        for name in kept.asked.interactions
    }
    found.decided = np.array(kept.decided, np.int64)
    found.latest, found.shared = kept.latest, kept.shared
    return found


def _plain(columns: Columns) -> _Table:
    return {name: _bytes(column) for name, column in columns.items()}


def _bytes(column: Column) -> memoryview:
    return np.ascontiguousarray(column).reshape(-1).view(np.uint8).data


def _columns(table: _Table, kinds: Kinds) -> Columns:
    found = {name: _column(table[name], kind) for name, kind in kinds.items()}
    if len({len(column) for column in found.values()}) > 1:
        raise ValueError("its columns are of different length")
    return found


def _column(body: memoryview, kind: str) -> Column:
    return np.frombuffer(body, kind).copy()  # to be written to, and in line with the processor's words


def _kind(name: str, part: str = "") -> str:
    """Under which kind of snapshot a part is kept; no two names and parts give the same."""
    return f"report {part}: {name}"
