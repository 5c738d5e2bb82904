"""A database as one process uses it: how it is reached, who may write, and what its failures mean."""

import fcntl
import glob
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from zlib import crc32

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    PoolProxiedConnection,
    QueuePool,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bandstand.errors import BandstandError, BusyError, InputError, StoreError
from bandstand.store.tables import META, METADATA, SCHEMA

_log = logging.getLogger(__name__)

ACCEPTED = "memory://, sqlite:///path, postgresql://user@host/database"

_WAIT_S = 5
"""How long a statement waits for another's lock, and a connection for its server."""

BAND = 0x62616E64
"""The first half of PostgreSQL's advisory locks of ours: the letters `band`, so as to meet nobody else's number."""

_DAMAGED = ("SQLITE_CORRUPT", "XX001", "XX002")

_UNSOUND = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_ERROR")
"""What SQLite says of a file in which anything may have changed; SQLITE_ERROR where columns are not found any more."""

_ASIDE = ".damaged"

_MEANING: tuple[tuple[tuple[str, ...], type[BandstandError], str], ...] = (
    (("SQLITE_BUSY", "SQLITE_LOCKED", "55P03"), BusyError, "another process holds a lock on it; try again in a second"),
    (("SQLITE_FULL", "53100"), StoreError, "the disk is full and nothing of this write was kept; free some space"),
    (("SQLITE_NOTADB",), StoreError, "this file is not an SQLite database; name another path"),
    (_DAMAGED, StoreError, "it is damaged; restore a backup (snapshots: delete the file)"),
    (("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM"), StoreError, "check that path and permissions allow it"),
    (("SQLITE_IOERR", "58030"), StoreError, "the disk failed and nothing of this write was kept; check the disk"),
    (
        ("unreached", "08", "57P"),
        StoreError,
        "check that the server runs and can be reached; the next call connects anew",
    ),
    (("",), StoreError, "check that this user may use the database and that nobody changed its tables"),
)
"""What a driver's code, by its beginning, means to the caller; the first fitting row counts, the last one always."""


class Database:
    """One table of a database: any number of connections that read, and one at a time that writes.

    A `cache` can be made anew: its writer sets a damaged file aside and begins another, and its readers, who open the
    file each time they read, need not find one.
    """

    def __init__(self, url: str, table: Table, *, readonly: bool = False, cache: bool = False) -> None:
        address = parsed(url)
        self.name = f"database {address.render_as_string(hide_password=True)!r}"
        self._table = table
        self._path: Path | None = None
        self._turn = Lock()
        self._lock: int | None = None
        self._writes: Engine | None = None
        self._reads: Engine | None = None
        self._alone: PoolProxiedConnection | None = None
        try:
            if address.drivername == "sqlite":
                self._reach_file(Path(address.database or "").resolve(), readonly=readonly, cache=cache)
            else:
                self._reach_server(address, readonly=readonly)
            if not readonly:
                self._create()
            elif not cache:
                self.require()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in which each statement sees what is committed when it starts."""
        if self._reads is None:
            raise StoreError(f"{self.name}: is closed; open it again")
        with _failures(self.name), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The table's only writing transaction: committed and durable at the end, undone where anything is raised."""
        with self._turn:
            if self._writes is None:
                raise StoreError(f"{self.name}: is closed or open for reading only; open it for writing")
            with _failures(self.name), self._writes.begin() as connection:
                _take_turn(connection, self._table)
                yield connection

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection | None]:
        """The table's only writer as SQLite's driver has it, past SQLAlchemy: a connection on which each statement is a
        transaction of its own, durable when it returns. None in a database that other processes write too."""
        with self._turn:
            if self._path is None or self._writes is None:
                yield None
                return
            with _failures(self.name):
                if self._alone is None:
                    self._alone = self._writes.raw_connection()
                yield self._alone.driver_connection

    def drop_old_pages(self) -> None:
        """Leave no copy of overwritten content beside an SQLite file."""
        with self._turn, _failures(self.name):
            if self._writes is None or self._writes.dialect.name != "sqlite":
                return
            with self._writes.connect().execution_options(outside=True) as connection:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        for damaged in self._path.parent.glob(f"{glob.escape(self._path.name)}*{_ASIDE}") if self._path else ():
            damaged.unlink()
        if busy:
            raise BusyError(f"{self.name}: the change is made, but a reader keeps older pages; try again in a second")

    def require(self) -> None:
        """StoreError, with the code `missing`, where nobody has made the table yet."""
        if self._path is not None and not self._path.exists():
            raise StoreError(f"{self.name}: does not exist; start the process that writes it first", code="missing")
        with self.reading() as connection:
            if self._version(connection) is None or not inspect(connection).has_table(self._table.name):
                raise StoreError(
                    f"{self.name}: holds nothing yet; start the process that writes it first", code="missing"
                )

    def close(self) -> None:
        with self._turn:
            if self._alone is not None:
                self._alone.close()
            if self._path is not None and self._writes is not None:
                # No leaving moves it while another process reads, and whoever copies the file would miss it.
                with (
                    suppress(DBAPIError, PoolTimeout),
                    self._writes.connect().execution_options(outside=True) as connection,
                ):
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
            # Readers first: the last connection to leave moves the write-ahead log into the file, if it may write.
            for engine in (self._reads, self._writes):
                if engine is not None:
                    engine.dispose()
            self._reads = self._writes = self._alone = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _reach_file(self, path: Path, *, readonly: bool, cache: bool) -> None:
        self._path = path
        if not readonly:
            self._lock = _writers_lock(path, self.name)
            if cache and path.exists() and not _sound(path, self._table):
                _set_aside(path)
            self._writes = _file_engine(path, "rwc", _WRITER, size=2)
            event.listen(self._writes, "begin", _begin)
        self._reads = _file_engine(path, "ro", _READER, size=0 if cache else 5)

    def _reach_server(self, address: URL, *, readonly: bool) -> None:
        engine = server_engine(address)
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writes = None if readonly else engine

    def _create(self) -> None:
        with self.writing() as connection:
            _take_turn(connection, META)
            found = self._version(connection)
            METADATA.create_all(connection, tables=[META, self._table])
            if found is None:
                connection.execute(insert(META).values(name="schema", value=str(SCHEMA)))

    def _version(self, connection: Connection) -> int | None:
        if not inspect(connection).has_table(META.name):
            return None
        value = connection.execute(select(META.c.value).where(META.c.name == "schema")).scalar()
        if value is not None and int(value) > SCHEMA:
            raise StoreError(
                f"{self.name}: has schema {value}, this release knows up to {SCHEMA}; "
                "upgrade bandstand, or restore a backup made before the upgrade"
            )
        return None if value is None else int(value)


def parsed(url: str) -> URL:
    """The URL in its parts; InputError where it names no kind of database that is known here."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # Not repeated: a password may be in it, at a place that cannot be told.
        raise InputError(f"database: what was given is no URL; accepted: {ACCEPTED}", field="database") from None
    shown = address.render_as_string(hide_password=True)
    match address.drivername:
        case "memory" | "postgresql":
            return address
        case "sqlite" if address.database and address.database != ":memory:" and not address.query:
            return address
        case "sqlite":
            rule = "must name a file, without options"
        case _:
            rule = "scheme is not known"
    raise InputError(f"database {shown!r}: {rule}; accepted: {ACCEPTED}", field="database")


_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA secure_delete = ON",
)
_READER = ("PRAGMA query_only = ON",)


def _file_engine(path: Path, mode: str, settings: Sequence[str], *, size: int) -> Engine:
    """An engine that keeps up to `size` connections, and waits for one of them; without any, it opens one each time."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=_WAIT_S,
            isolation_level=None,
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        )
        for setting in settings:
            connection.execute(setting)
        return connection

    if not size:
        return create_engine("sqlite://", creator=connect, poolclass=NullPool)
    return create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=size, max_overflow=0, pool_timeout=_WAIT_S
    )


def _sound(path: Path, table: Table) -> bool:
    """Whether the file is in order and this release can use it; bodies in it may be damaged, and have checksums."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_WAIT_S)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # a damaged header may forbid to write
            connection.execute("SELECT sql FROM sqlite_master").fetchall()  # a damaged one may be no text
            connection.execute(f'SELECT {names} FROM "{table.name}" LIMIT 0')
            schema = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall()
            order = connection.execute("PRAGMA integrity_check(1)").fetchall()
            return (schema, order) == ([(str(SCHEMA),)], [("ok",)])
    except UnicodeDecodeError:  # a message about garbage, with the garbage in it
        return False
    except sqlite3.Error as error:
        return not getattr(error, "sqlite_errorname", _UNSOUND[0]).startswith(_UNSOUND)


def _set_aside(path: Path) -> None:
    """Move a damaged file out of the way of a new one; one that was moved before is replaced."""
    try:
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            if path.with_name(name).exists():
                path.with_name(name).replace(path.with_name(f"{name}{_ASIDE}"))
    except OSError as error:
        raise StoreError(f"file '{path}': is damaged and cannot be moved ({error}); delete it") from error
    _log.warning("file '%s': is damaged; it is kept with '%s' at its name's end, and another begun", path, _ASIDE)


def server_engine(address: URL) -> Engine:
    """An engine for PostgreSQL whose connections wait for nothing for long."""
    options = (
        str(address.query.get("options", "")),
        f"-c lock_timeout={_WAIT_S}s",
        # A node that hangs or is cut off in the middle of an append must not keep the others from theirs.
        f"-c idle_in_transaction_session_timeout={2 * _WAIT_S}s",
    )
    patience = {"connect_timeout": _WAIT_S, "tcp_user_timeout": _WAIT_S * 1000}
    try:
        return create_engine(
            address.set(drivername="postgresql+psycopg"),
            isolation_level="READ COMMITTED",  # or a transaction would see the head as it was before its turn came
            pool_pre_ping=True,
            pool_timeout=_WAIT_S,
            connect_args={
                **{name: value for name, value in patience.items() if name not in address.query},
                "options": " ".join(options).strip(),
            },
        )
    except ModuleNotFoundError as error:
        raise StoreError(f"PostgreSQL's driver is missing ({error}); install bandstand[pg]") from error


def _begin(connection: Connection) -> None:
    """Python's own BEGIN comes late and takes no lock, so it is switched off and this one is sent."""
    if not connection.get_execution_options().get("outside"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _take_turn(connection: Connection, table: Table) -> None:
    """Wait until no other process writes the table, then keep others waiting until the transaction has ended.

    PostgreSQL makes a commit visible before it lets go of its locks, so that readers see rows in the order of turns.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({BAND}, {crc32(table.name.encode()) >> 1})")


def _writers_lock(path: Path, name: str) -> int:
    """A descriptor that locks `<path>.lock` for as long as it is open, in whatever way the process ends.

    Up to 3.51.2 SQLite can damage a file that two processes write or checkpoint (sqlite.org/wal.html#walresetbug).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{name}: cannot be locked ({error}); check that path and permissions allow it") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode() or "unknown"
        os.close(descriptor)
        raise StoreError(
            f"{name}: process {holder} writes it, and an SQLite file has one writer; "
            "stop that process, or use postgresql:// where several write"
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{name}: cannot be locked ({error}); use a disk of this machine") from error
    with suppress(OSError):  # the name of the holder is a courtesy, for which a full disk has no room
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


@contextmanager
def _failures(name: str) -> Iterator[None]:
    """Driver errors become errors of ours."""
    try:
        yield
    except PoolTimeout as error:
        raise BusyError(f"{name}: all connections are in use; try again in a second") from error
    except (DBAPIError, sqlite3.Error) as error:
        told = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(told, "sqlite_errorname", None) or getattr(told, "sqlstate", None) or "unreached"
        kind, meaning = next((kind, meaning) for codes, kind, meaning in _MEANING if code.startswith(codes))
        text = " ".join(str(told).split())
        raise kind(f"{name}: {text}; {meaning}", code="damaged" if code.startswith(_DAMAGED) else None) from error
