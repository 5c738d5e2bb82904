"""The log and the snapshots in SQL: SQLite for one machine, PostgreSQL for several."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, bindparam, delete, func, insert, select, true, update

from bandstand import events
from bandstand.errors import StoreError
from bandstand.events import AnyFact, Draft, Entry
from bandstand.store import Appended, EventLog, Snapshot, Snapshots, Written
from bandstand.store.database import Database, parsed
from bandstand.store.line import Line, entry, line, placed, refusal
from bandstand.store.memory import KEPT, MemoryLog, MemorySnapshots
from bandstand.store.tables import ENTRY, SNAPSHOT

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_ROWS = 1000
"""Rows in one statement: SQLite takes 32,766 parameters, PostgreSQL 65,535, and a row has six."""

_STORED = select(ENTRY.c.seq, ENTRY.c.at, ENTRY.c.body)
_PAGE = _STORED.where(ENTRY.c.seq > bindparam("after")).order_by(ENTRY.c.seq).limit(bindparam("most"))
_PAGE_ABOUT = _PAGE.where(ENTRY.c.subject == bindparam("subject"))
_ABOUT = _STORED.where(ENTRY.c.subject == bindparam("subject")).order_by(ENTRY.c.seq)
_UNDER = _STORED.where(ENTRY.c.key == bindparam("key"))
_HEAD = select(func.max(ENTRY.c.seq))


class SqlLog:
    """An `EventLog` in the table `entry`."""

    def __init__(self, url: str, *, readonly: bool = False) -> None:
        self._database = Database(url, ENTRY, readonly=readonly)
        self._newest: int | None = None  # what a single writer wrote last

    def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        lines = [line(draft) for draft in drafts]
        if not lines:
            return []
        return self._appended_at_once(lines) or self._appended(lines)

    def _appended_at_once(self, lines: Sequence[Line]) -> list[Appended] | None:
        """Nearly all appends of a single writer: it knows the head, and no key is taken, so that one statement is the
        whole commit. None, and nothing written, where that does not hold.

        Each further statement would let go of Python's lock and wait for it, behind a busy event loop.
        """
        with self._database.alone() as connection:
            if connection is None or self._newest is None or len(lines) > _ROWS:
                return None
            answers = placed(lines, head=self._newest, held={})
            new = _new(lines, answers)
            self._newest = None
            try:
                connection.execute(_insertion(len(new), "?"), _values(new))
            except sqlite3.IntegrityError:
                return None
            self._newest = new[-1][1]
        return answers

    def _appended(self, lines: Sequence[Line]) -> list[Appended]:
        with self._database.writing() as connection:
            head, held = _standing(connection, [each.key for each in lines if each.key is not None])
            answers = placed(lines, head=head, held=held)
            new = _new(lines, answers)
            for some in _chunks(new):
                connection.exec_driver_sql(_insertion(len(some), _mark(connection)), _values(some))
        self._newest = head + len(new)
        return answers

    def read(self, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        with self._database.reading() as connection:
            rows = connection.execute(_PAGE, {"after": after, "most": limit}).all()
        return [entry(*row) for row in rows]

    def scan(self, kinds: Sequence[str], *, after: int = 0, limit: int = 300) -> list[Written]:
        with self._database.reading() as connection:
            mark = _mark(connection)
            # Past SQLAlchemy's rows, which take longer to make than all that a report does with them.
            with closing(connection.connection.cursor()) as cursor:
                cursor.execute(
                    f"SELECT seq, at, kind, body FROM entry WHERE seq > {mark} "
                    f"AND kind IN ({', '.join([mark] * len(kinds))}) ORDER BY seq LIMIT {int(limit)}",
                    (after, *kinds),
                )
                return list(cursor.fetchall())

    def find(self, key: str) -> Entry | None:
        if refusal(key) is not None:
            return None
        with self._database.reading() as connection:
            row = connection.execute(_UNDER, {"key": key}).one_or_none()
        return None if row is None else entry(*row)

    def under(self, keys: Sequence[str]) -> list[Written]:
        found: list[Written] = []
        with self._database.reading() as connection:
            mark = _mark(connection)
            with closing(connection.connection.cursor()) as cursor:
                for some in _chunks(sorted({key for key in keys if refusal(key) is None})):
                    marks = ", ".join([mark] * len(some))
                    cursor.execute(f'SELECT seq, at, kind, body FROM entry WHERE "key" IN ({marks})', tuple(some))
                    found += cursor.fetchall()
        return sorted(found)

    def about(self, subject: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        if refusal(subject) is not None:
            return []
        with self._database.reading() as connection:
            rows = connection.execute(_PAGE_ABOUT, {"subject": subject, "after": after, "most": limit}).all()
        return [entry(*row) for row in rows]

    def rewrite(self, subject: str, new: Callable[[AnyFact], AnyFact]) -> int:
        """Replace each fact about `subject` by `new(fact)`, all or none; `seq`, `at` and key stay. Answers how many.

        An SQLite file then holds no copy of the old ones. Where another reader delays that, BusyError asks for the
        same call again. PostgreSQL keeps old rows until its VACUUM.
        """
        if refusal(subject) is not None:
            return 0
        with self._database.writing() as connection:
            old = [entry(*row) for row in connection.execute(_ABOUT, {"subject": subject})]
            changed = [(line(Draft(new(each.fact), each.at)), each.seq) for each in old]
            if changed:
                _update(connection, changed)
        self._database.drop_old_pages()
        return len(old)

    def head(self) -> int:
        with self._database.reading() as connection:
            return _head(connection)

    def close(self) -> None:
        self._database.close()


class SqlSnapshots:
    """`Snapshots` in the table `snapshot`; in SQLite in a file of its own, as a file has one writer."""

    def __init__(self, url: str, *, readonly: bool = False) -> None:
        self._database = Database(url, SNAPSHOT, readonly=readonly, cache=True)
        self._there = not readonly
        self._damaged: set[tuple[str, int, float]] = set()

    def put(self, kind: str, snapshot: Snapshot, *, alone: bool = False) -> None:
        ours = SNAPSHOT.c.kind == kind
        newest = select(SNAPSHOT.c.seq).where(ours).order_by(SNAPSHOT.c.seq.desc()).limit(KEPT)
        row = {
            "kind": kind,
            "seq": snapshot.seq,
            "sha256": _digest(kind, snapshot),
            "created": time.time(),
            "body": snapshot.body,
        }
        with self._database.writing() as connection:
            connection.execute(delete(SNAPSHOT).where(ours, SNAPSHOT.c.seq == snapshot.seq if not alone else true()))
            connection.execute(insert(SNAPSHOT).values(row))
            connection.execute(delete(SNAPSHOT).where(ours, SNAPSHOT.c.seq.not_in(newest)))
        if alone:
            self._database.drop_old_pages()

    def newest(self, kind: str, *, after: int = -1) -> Snapshot | None:
        if not self._found():
            return None
        about = select(SNAPSHOT.c.seq, SNAPSHOT.c.created, SNAPSHOT.c.sha256)
        about = about.where(SNAPSHOT.c.kind == kind, SNAPSHOT.c.seq > after).order_by(SNAPSHOT.c.seq.desc())
        with self._database.reading() as connection:
            found = connection.execute(about).all()
        for seq, created, digest in found:
            # Whoever asks every second is told once, and does not read the same damaged megabytes again.
            if (kind, seq, created) not in self._damaged:
                body = self._body(kind, seq, created, digest)
                if body is not None:
                    return Snapshot(seq, body)
        return None

    def close(self) -> None:
        self._database.close()

    def _found(self) -> bool:
        """Whether somebody has begun to write snapshots."""
        if not self._there:
            try:
                self._database.require()
            except StoreError as error:
                if error.code != "missing":
                    raise
            else:
                self._there = True
        return self._there

    def _body(self, kind: str, seq: int, created: float, digest: str) -> bytes | None:
        """The body of that very snapshot; None where it is damaged, or was dropped or put anew since."""
        try:
            with self._database.reading() as connection:
                body = _bytes(connection, kind, seq, created)
        except StoreError as error:
            if error.code != "damaged":
                raise
            body = b""
        if body is None or _digest(kind, Snapshot(seq, body)) == digest:
            return body
        self._damaged.add((kind, seq, created))
        _log.warning("snapshot %r at %d: its checksum does not hold; passing over it", kind, seq)
        return None


def _bytes(connection: Connection, kind: str, seq: int, created: float) -> bytes | None:
    """Past SQLAlchemy, which asks PostgreSQL for bytes as text, twice as long."""
    mark, raw = _mark(connection), connection.connection
    binary = {"binary": True} if connection.dialect.name == "postgresql" else {}
    with closing(raw.cursor(**binary)) as cursor:
        where = f"kind = {mark} AND seq = {mark} AND created = {mark}"
        cursor.execute(f"SELECT body FROM snapshot WHERE {where}", (kind, seq, created))
        row = cursor.fetchone()
    return None if row is None else bytes(row[0])


def _digest(kind: str, snapshot: Snapshot) -> str:
    """SHA-256 of all that a snapshot says: one at a wrong position would hide those that come after it."""
    digest = sha256(f"{kind}/{snapshot.seq}/".encode())
    digest.update(snapshot.body)  # without a copy of what may be large
    return digest.hexdigest()


def open_log(url: str, *, readonly: bool = False) -> EventLog:
    """The log at `memory://`, `sqlite:///path` or `postgresql://user@host/database`."""
    return MemoryLog() if parsed(url).drivername == "memory" else SqlLog(url, readonly=readonly)


def open_snapshots(url: str, *, readonly: bool = False) -> Snapshots:
    """The snapshots at a URL that `snapshots_url` gave."""
    return MemorySnapshots() if parsed(url).drivername == "memory" else SqlSnapshots(url, readonly=readonly)


def snapshots_url(database_url: str) -> str:
    """Where the snapshots of a log are kept: beside an SQLite file, otherwise in the same database."""
    address = parsed(database_url)
    if address.drivername != "sqlite" or address.database is None:
        return database_url
    log = Path(address.database)
    return address.set(database=str(log.with_name(f"{log.stem}-snapshots.db"))).render_as_string()


def _standing(connection: Connection, keys: Sequence[str]) -> tuple[int, dict[str, Entry]]:
    """The head, and the entries that hold some of these keys already: one statement, for the same reason as below."""
    mark = _mark(connection)
    head, held = 0, {}
    for some in _chunks(keys) if keys else [()]:
        marks = ", ".join([mark] * len(some)) or "NULL"
        rows = connection.exec_driver_sql(
            "SELECT NULL, max(seq), NULL, NULL FROM entry UNION ALL "
            f'SELECT "key", seq, at, body FROM entry WHERE "key" IN ({marks})',
            tuple(some),
        )
        for key, seq, at, body in rows:
            if key is None:
                head = seq or 0
            else:
                held[key] = entry(seq, at, body)
    return head, held


def _new(lines: Sequence[Line], answers: Sequence[Appended]) -> list[tuple[Line, int]]:
    """Those that are not in the log yet, and the place of each."""
    return [(each, answer.entry.seq) for each, answer in zip(lines, answers, strict=True) if not answer.duplicate]


@cache
def _insertion(rows: int, mark: str) -> str:
    """One statement for many rows: a driver's `executemany` lets go of Python's lock at each row, and under a busy
    event loop waits for it each time (128 rows: 76 ms against 9 ms)."""
    marks = ", ".join([f"({', '.join([mark] * 6)})"] * rows)
    return f'INSERT INTO entry (seq, at, kind, "key", subject, body) VALUES {marks}'


def _values(new: Sequence[tuple[Line, int]]) -> tuple[object, ...]:
    rows = ((seq, each.at, events.kind(each.fact), each.key, each.subject, each.body) for each, seq in new)
    return tuple(chain.from_iterable(rows))


def _update(connection: Connection, changed: Sequence[tuple[Line, int]]) -> None:
    connection.execute(
        update(ENTRY)
        .where(ENTRY.c.seq == bindparam("this"))
        .values(kind=bindparam("new_kind"), subject=bindparam("new_subject"), body=bindparam("new_body")),
        [
            {"this": seq, "new_kind": events.kind(each.fact), "new_subject": each.subject, "new_body": each.body}
            for each, seq in changed
        ],
    )


def _head(connection: Connection) -> int:
    newest: int | None = connection.execute(_HEAD).scalar()
    return newest or 0


def _mark(connection: Connection) -> str:
    """What stands for a parameter in SQL that goes to the driver as it is."""
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def _chunks(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))
