"""A ledger as bytes, kept beside the snapshots: from the next one on, a report reads only the end of the log.

It is written anew now and then, in pages; in between, a *sequel* says what has been heard since. Both are a cache:
what is damaged, of another log or of another format is passed over. Of people it holds marks, 64 bits of a hash of
their ids; who is erased is taken out of it.
"""

import logging
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandstand.errors import StoreError
from bandstand.events import UserErased
from bandstand.report import ledger as rows
from bandstand.report.asked import Asked
from bandstand.report.gathered import Drafts, Gathered, Life
from bandstand.report.index import Index, Run
from bandstand.report.ledger import Column, Columns, Kinds, Ledger, Rows
from bandstand.report.packed import packed, unpacked
from bandstand.report.slates import Slate
from bandstand.report.stretch import Decisions, Exposures, Interactions, Recalled, Rewards, Stretch
from bandstand.store import EventLog, Snapshot, Snapshots

_log = logging.getLogger("bandstand")

FORMAT: Final = 3
"""Goes up with every change of what is kept, or of how it was made from the log."""

PAGE: Final = 1 << 19
"""Rows of one page: some megabytes, so that no more than that is held twice while it is read or written."""

_DRAFTS: Final = 1 << 14
"""Slates of an interleaving on one page, for the same reason."""

_INDEX: Final[Kinds] = {"keys": "i8", "numbers": "i4"}
_UNREADABLE: Final = (StoreError, msgspec.MsgspecError, ValueError, KeyError, TypeError)


_decode_slates = msgspec.msgpack.Decoder(dict[str, Slate]).decode


class MissingError(Exception):
    """A part of the digest cannot be read; the log has to be."""


class ReplacedError(Exception):
    """Another digest was written in place of this one."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is known without its pages. `origin` is the time of the log's first entry, which tells one log from another;
    `pages` says of which table each is. Two digests take turns in their `place`, so that one can be read while the next
    is written."""

    format: int = 0
    origin: float = 0.0
    place: int = 0
    life: Life
    asked: Asked
    names: tuple[tuple[str, ...], ...] = ()
    decided: tuple[int, ...] = ()
    latest: float = 0.0
    shared: bool = False
    pages: tuple[str, ...] = ()


class _Sequel(msgspec.Struct, frozen=True, kw_only=True):
    """What a stretch of the log after the digest `base` says beside its columns, up to where its `life` was read."""

    base: int
    life: Life
    names: tuple[tuple[str, ...], ...]
    shared: bool


def newest(snapshots: Snapshots, log: EventLog, name: str, *, group: str = "") -> Gathered | None:
    """What is remembered of the experiment, and of those who were erased since; None where nothing useful is.

    ReplacedError where it was written anew meanwhile.
    """
    try:
        kept = head(snapshots, name, group=group)
        if kept is None or not _of(log, kept, name):
            return None
        sequel, pages = _sequel(snapshots, kept, name), _Pages(snapshots, name, kept)
        life, ledger, drafts = kept.life, _ledger(kept, pages), Drafts(kept.life.as_of, pages.drafts())
        if sequel is not None and sequel[0].as_of <= log.head():
            life = sequel[0]
            ledger.settle(sequel[1])
        return Gathered(life, ledger, drafts if life.experiment.method == "interleave" else Drafts())
    except (*_UNREADABLE, MissingError) as error:
        _log.warning("report of '%s': its digest cannot be read, the log is (%s)", name, error)
        return None


def head(snapshots: Snapshots, name: str, *, group: str = "") -> Head | None:
    """Of the digest of that name, whether or not it is of any use; None where it cannot be read."""
    snapshot = snapshots.newest(_kind(name, group=group))
    try:
        found = None if snapshot is None else msgspec.msgpack.decode(snapshot.body, type=Head)
    except msgspec.MsgspecError:
        return None
    return found if found is not None and found.format == FORMAT else None


def erasures(log: EventLog, *, after: int) -> list[UserErased]:
    """Who was erased after this position of the log."""
    found: list[UserErased] = []
    while page := log.scan(("usererased",), after=after):
        found.extend(msgspec.json.decode(body, type=UserErased) for _, _, _, body in page)
        after = page[-1][0]
    return found


def put(snapshots: Snapshots, log: EventLog, gathered: Gathered) -> None:
    """Remember it, in place of what was remembered before, of which no copy is left."""
    life, ledger, drafts = gathered
    (first,), kind = log.read(limit=1), partial(_kind, life.experiment.name, group=ledger.asked.group)
    before = head(snapshots, life.experiment.name, group=ledger.asked.group)
    place = 0 if before is None else 1 - before.place
    pages: list[str] = []
    for table, body in chain(_tables(ledger), _drafts(drafts)):
        snapshots.put(kind(f"{place}.{len(pages)}"), Snapshot(life.as_of, body), alone=True)
        pages.append(table)
    now = Head(
        format=FORMAT,
        origin=first.at,
        place=place,
        life=life,
        asked=ledger.asked,
        names=tuple(tuple(codes) for codes in ledger.names),
        decided=tuple(ledger.decided.tolist()),
        latest=ledger.latest,
        shared=ledger.shared,
        pages=tuple(pages),
    )
    snapshots.put(kind(), Snapshot(life.as_of, msgspec.msgpack.encode(now)), alone=True)
    _empty(snapshots, kind("sequel"), life.as_of)
    for which, start in ((1 - place, 0), (place, len(pages))):  # an older one may know somebody who was erased
        number = start
        while _empty(snapshots, kind(f"{which}.{number}"), life.as_of):
            number += 1


def put_sequel(snapshots: Snapshots, name: str, life: Life, stretch: Stretch, *, base: int, group: str = "") -> None:
    """Remember what has been heard since the digest, in place of what was remembered of that before."""
    about = _Sequel(base=base, life=life, names=stretch.names, shared=stretch.shared)
    body = packed(_flat(stretch), about=msgspec.msgpack.encode(about))
    snapshots.put(_kind(name, "sequel", group=group), Snapshot(life.as_of, body), alone=True)


class _Pages:
    """The tables of one digest."""

    def __init__(self, snapshots: Snapshots, name: str, of: Head) -> None:
        self._snapshots, self._place, self._of = snapshots, of.place, of.pages
        self._kind = partial(_kind, name, group=of.asked.group)
        self._as_of = of.life.as_of  # now, for the life goes on

    def slates(self) -> Rows:
        """Seldom needed, and read when it is."""
        try:
            return self.rows("slates", rows.SLATES)
        except _UNREADABLE as error:
            raise MissingError from error

    def rows(self, table: str, kinds: Kinds) -> Rows:
        return Rows(kinds, *self._blocks(table, kinds))

    def drafts(self) -> dict[str, Slate]:
        pages = (_decode_slates(body) for body in self._pages("drafts"))
        return {decision: slate for page in pages for decision, slate in page.items()}

    def _blocks(self, table: str, kinds: Kinds) -> Iterator[Columns]:
        for body in self._pages(table):
            found = unpacked(body).columns
            if len({len(found[name]) for name in kinds}) > 1:
                raise ValueError(f"the columns of its {table} are of different length")
            yield found

    def _pages(self, table: str) -> Iterator[bytes]:
        for number in (number for number, of in enumerate(self._of) if of == table):
            snapshot = self._snapshots.newest(self._kind(f"{self._place}.{number}"), after=self._as_of - 1)
            if snapshot is None:
                raise MissingError(f"page {number} is damaged or missing")
            if snapshot.seq != self._as_of:
                raise ReplacedError
            yield snapshot.body


def _of(log: EventLog, kept: Head, name: str) -> bool:
    first = log.read(limit=1)
    same = bool(first) and first[0].at == kept.origin and log.head() >= kept.life.as_of
    return same and kept.asked.experiment == name


def _tables(ledger: Ledger) -> Iterator[tuple[str, bytes]]:
    run = ledger.unit_of.whole()
    labels = {f"label {place}": column for place, column in enumerate(ledger.labels.T)}
    tables = {
        "index": {"keys": run.keys, "numbers": run.numbers},
        "units": ledger.units | labels,
        "joins": ledger.joins.columns(),
        "deferred": ledger.deferred.columns(),
        "exposures": ledger.exposures.columns(),
        **{f"rewarded {name}": each.columns() for name, each in ledger.rewards.items()},
        **{f"interacted {name}": each.columns() for name, each in ledger.interactions.items()},
        "slates": ledger.slates.columns(),
    }
    for table, columns in tables.items():
        for start in range(0, max(map(len, columns.values())), PAGE):
            yield table, packed({name: column[start : start + PAGE] for name, column in columns.items()})


def _drafts(drafts: Drafts) -> Iterator[tuple[str, bytes]]:
    rest = iter(drafts.slates.items())
    while some := dict(islice(rest, _DRAFTS)):
        yield "drafts", msgspec.msgpack.encode(some)


def _ledger(kept: Head, pages: _Pages) -> Ledger:
    found = Ledger(kept.asked, stored=pages)
    index = pages.rows("index", _INDEX)
    found.unit_of = Index(Run(index["keys"], index["numbers"]))
    labels = {f"label {place}": "i4" for place in range(len(kept.asked.segments))}
    units = pages.rows("units", {**rows.UNITS, **labels})
    found.units = {name: np.require(units[name], requirements="W") for name in rows.UNITS}
    if labels:
        found.labels = np.column_stack([units[name] for name in labels])
    found.names = tuple({text: code for code, text in enumerate(texts)} for texts in kept.names)
    found.joins = pages.rows("joins", rows.JOINS)
    found.deferred = pages.rows("deferred", rows.DEFERRED)
    found.exposures = pages.rows("exposures", rows.EXPOSURES)
    found.rewards = {name: pages.rows(f"rewarded {name}", rows.REWARDS) for name in kept.asked.rewards}
    found.interactions = {name: pages.rows(f"interacted {name}", rows.INTERACTIONS) for name in kept.asked.interactions}
    found.decided = np.array(kept.decided, np.int64)
    found.latest, found.shared = kept.latest, kept.shared
    return found


def _sequel(snapshots: Snapshots, kept: Head, name: str) -> tuple[Life, Stretch] | None:
    """What is said of the time after that very digest; None where nothing is that can be read."""
    found = snapshots.newest(_kind(name, "sequel", group=kept.asked.group), after=kept.life.as_of)
    try:
        if found is None or not found.body:
            return None
        about, columns = unpacked(found.body)
        told = msgspec.msgpack.decode(about, type=_Sequel)
        return (told.life, _stretch(columns, told, kept.asked)) if told.base == kept.life.as_of else None
    except _UNREADABLE:
        return None


def _flat(stretch: Stretch) -> Columns:
    tables: dict[str, NamedTuple] = {
        "decisions": stretch.decisions._replace(labels=stretch.decisions.labels.reshape(-1)),
        "recalled": stretch.recalled,
        "exposures": stretch.exposures,
    }
    tables |= {f"rewarded {name}": each for name, each in stretch.rewards.items()}
    tables |= {f"interacted {name}": each for name, each in stretch.interactions.items()}
    flat = {f"{table}/{name}": column for table, each in tables.items() for name, column in each._asdict().items()}
    return flat | {"named": stretch.named, "named_at": stretch.named_at}


def _stretch(columns: Columns, told: _Sequel, asked: Asked) -> Stretch:
    def table(name: str, fields: tuple[str, ...]) -> list[Column]:
        return [columns[f"{name}/{field}"] for field in fields]

    decisions = Decisions._make(table("decisions", Decisions._fields))
    return Stretch(
        decisions=decisions._replace(labels=decisions.labels.reshape(len(decisions.id), len(asked.segments))),
        recalled=Recalled._make(table("recalled", Recalled._fields)),
        exposures=Exposures._make(table("exposures", Exposures._fields)),
        rewards={name: Rewards._make(table(f"rewarded {name}", Rewards._fields)) for name in asked.rewards},
        interactions={
            name: Interactions._make(table(f"interacted {name}", Interactions._fields)) for name in asked.interactions
        },
        named=columns["named"],
        named_at=columns["named_at"],
        names=told.names,
        shared=told.shared,
    )


def _empty(snapshots: Snapshots, kind: str, seq: int) -> bool:
    """Leave nothing of this kind; whether there was something."""
    found = snapshots.newest(kind)
    if found is None or not found.body:
        return False
    snapshots.put(kind, Snapshot(seq, b""), alone=True)
    return True


def _kind(name: str, part: str = "", *, group: str = "") -> str:
    """Under which kind of snapshot a part is kept; no two names, groups and parts give the same."""
    return f"report {group}{' ' if group else ''}{part}: {name}"
