"""What holds for SQLite files: one writer, readers that never write, and what happens when the disk does not."""

import logging
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import URL, Pool, event

from bandstand.errors import BusyError, StoreError
from bandstand.events import AnyFact, Draft, Interacted
from bandstand.store import Snapshot, database
from bandstand.store.sql import SqlLog, SqlSnapshots


def seen(item: str, *, user: str | None = None) -> Draft:
    return Draft(Interacted(item=item, name="view", user=user), at=1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "log #1?a=b%20 é.db"


@pytest.fixture
def url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


@pytest.fixture
def log(url: str) -> Iterator[SqlLog]:
    log = SqlLog(url)
    yield log
    log.close()


@pytest.fixture
def impatient(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlLog]:
    """A log that waits for others' locks for a moment only."""
    monkeypatch.setattr(database, "_WAIT_S", 0.05)
    log = SqlLog(url)
    yield log
    log.close()


OPEN_AND_WAIT = (
    "import sys; from bandstand.store.sql import SqlLog; log = SqlLog(sys.argv[1]); print(); sys.stdin.read()"
)


def test_a_second_writer_is_refused_and_told_who_holds_the_file(url: str) -> None:
    program = [sys.executable, "-c", OPEN_AND_WAIT, url]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreError, match=rf"process {other.pid} writes it.*postgresql://"):
            SqlLog(url)
        SqlLog(url, readonly=True).close()
        other.kill()
        other.wait()
        SqlLog(url).close()


def test_a_second_writer_in_the_same_process_is_refused_too(url: str, log: SqlLog) -> None:
    with pytest.raises(StoreError, match=rf"process {os.getpid()} writes it"):
        SqlLog(url)
    log.append([seen("a")])


def test_a_log_that_could_not_be_opened_leaves_the_file_free(path: Path, url: str) -> None:
    SqlLog(url).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '9'")
    for _ in range(2):
        with pytest.raises(StoreError, match="has schema 9"):
            SqlLog(url)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '1'")
    connection.close()
    SqlLog(url).close()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("to be or not to be\n" * 100)
    with pytest.raises(StoreError, match=r"notes\.txt.*not an SQLite database; name another path"):
        SqlLog(f"sqlite:///{path}", readonly=readonly)
    assert path.read_text() == "to be or not to be\n" * 100


def test_a_path_where_nothing_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="check that path and permissions allow it"):
        SqlLog(f"sqlite:///{tmp_path / 'file' / 'log.db'}")


def test_the_write_ahead_log_is_kept_short(path: Path, log: SqlLog) -> None:
    # SQLite moves it into the file at 1,000 pages of 4 KiB; the commit that reaches them may add some.
    for _ in range(100):
        log.append([seen("x" * 1000) for _ in range(100)])
    assert Path(f"{path}-wal").stat().st_size < 1200 * 4200


def test_closing_leaves_one_complete_file_and_the_lock(path: Path, url: str) -> None:
    log = SqlLog(url)
    log.append([seen("a")])
    log.head()
    log.close()
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_closing_makes_the_file_whole_while_a_reader_stays(path: Path, url: str, tmp_path: Path) -> None:
    log = SqlLog(url)
    reader = SqlLog(url, readonly=True)
    log.append([seen("a"), seen("b")])
    assert reader.head() == 2
    log.close()
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    reader.close()
    copied = SqlLog(f"sqlite:///{copy}", readonly=True)
    assert copied.head() == 2
    copied.close()


def test_a_reader_leaves_the_write_ahead_log_as_it_is(path: Path, url: str, log: SqlLog) -> None:
    log.append([seen("a")])
    before = [Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")]
    reader = SqlLog(url, readonly=True)
    assert reader.head() == 1
    reader.close()
    assert [Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")] == before


def test_no_byte_of_a_rewritten_user_is_left_on_the_disk(path: Path, url: str, log: SqlLog) -> None:
    def copies() -> int:
        return sum(each.read_bytes().count(b"canary-7f3a") for each in path.parent.iterdir())

    reader = SqlLog(url, readonly=True)
    for n in range(40):
        log.append([seen("x" * (n * 37 % 900), user="canary-7f3a" if m % 3 else f"u{m}") for m in range(25)])
        reader.head()
    assert copies() > 500

    def without(fact: AnyFact) -> AnyFact:
        return msgspec.structs.replace(fact, user="p")

    assert log.rewrite("canary-7f3a", without) == 640
    assert copies() == 0
    assert len(reader.about("p", limit=5000)) == 640
    reader.close()


def test_a_reader_that_keeps_old_pages_delays_a_rewrite_until_it_is_asked_again(path: Path, impatient: SqlLog) -> None:
    log = impatient
    log.append([seen("a", user="canary-7f3a")])
    log.append([seen("b")])
    held = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    held.execute("BEGIN")
    held.execute("SELECT * FROM entry").fetchall()
    with pytest.raises(BusyError, match="the change is made, but a reader keeps older pages"):
        log.rewrite("canary-7f3a", lambda fact: msgspec.structs.replace(fact, user="p"))
    held.close()
    assert log.rewrite("canary-7f3a", lambda fact: fact) == 0
    assert b"canary-7f3a" not in path.read_bytes() + Path(f"{path}-wal").read_bytes()


def test_another_programs_lock_is_busy_and_nothing_is_written(path: Path, impatient: SqlLog) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match="another process holds a lock on it; try again"):
        impatient.append([seen("a")])
    other.close()
    assert impatient.append([seen("b")])[0].entry.seq == 1


@contextmanager
def limited_pages() -> Iterator[list[sqlite3.Connection]]:
    """SQLite reports a full disk at 40 pages; gives the connections, so that a test can lift the limit."""
    opened: list[sqlite3.Connection] = []

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 40")
        opened.append(connection)

    event.listen(Pool, "connect", limit)
    try:
        yield opened
    finally:
        event.remove(Pool, "connect", limit)


def test_a_full_disk_refuses_whole_appends_and_the_log_goes_on_when_there_is_space(url: str) -> None:
    with limited_pages() as connections:
        log = SqlLog(url)
        log.append([seen("a")])
        with pytest.raises(StoreError, match="the disk is full and nothing of this write was kept; free some space"):
            log.append([seen("x" * 1000) for _ in range(500)])
        assert (log.head(), len(log.read())) == (1, 1)
        assert log.append([seen("b")])[0].entry.seq == 2
        for connection in connections:
            connection.execute("PRAGMA max_page_count = 100000")
        assert log.append([seen("x" * 1000) for _ in range(500)])[-1].entry.seq == 502
        log.close()


def test_a_disk_that_fails_in_the_middle_of_a_write_leaves_nothing_of_it(path: Path, url: str, log: SqlLog) -> None:
    log.append([seen("a")])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size + 50_000, limits[1]))
    try:
        with pytest.raises(StoreError, match="the disk failed and nothing of this write was kept"):
            log.append([seen("x" * 1000) for _ in range(500)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(log.read()) == 1
    assert log.append([seen("b")])[0].entry.seq == 2
    log.close()
    again = SqlLog(url)
    assert [entry.seq for entry in again.read()] == [1, 2]
    again.close()


def test_a_snapshot_damaged_on_the_disk_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One byte of content; then a whole page, which breaks SQLite's own chain of pages."""
    path = tmp_path / "snapshots.db"
    snapshots = SqlSnapshots(f"sqlite:///{path}")
    for seq in (1, 2, 3):
        snapshots.put("model", Snapshot(seq, f"<body {seq}>".encode() * 5000))
    snapshots.close()
    content = bytearray(path.read_bytes())
    content[content.rindex(b"<body 3>")] ^= 1
    page = content.rindex(b"<body 2>") // 4096 - 3
    content[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    snapshots = SqlSnapshots(f"sqlite:///{path}", readonly=True)
    with caplog.at_level(logging.WARNING):
        assert snapshots.newest("model") == Snapshot(1, b"<body 1>" * 5000)
    assert len(caplog.records) == 2
    snapshots.close()


def test_a_snapshot_file_damaged_in_its_structure_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    url = f"sqlite:///{path}"
    snapshots = SqlSnapshots(url)
    snapshots.put("model", Snapshot(1, b"<body 1>" * 5000))
    snapshots.close()
    reader = SqlSnapshots(url, readonly=True)
    assert reader.newest("model") is not None
    path.write_bytes(path.read_bytes()[:10_000])
    snapshots = SqlSnapshots(url)
    assert snapshots.newest("model") is None
    snapshots.put("model", Snapshot(2, b"<body 2>"))
    assert reader.newest("model") == Snapshot(2, b"<body 2>")
    assert path.with_name("snapshots.db.damaged").stat().st_size == 10_000
    snapshots.put("model", Snapshot(3, b"<body 3>"), alone=True)  # as after an erasure, which leaves no copy
    assert not path.with_name("snapshots.db.damaged").exists()
    snapshots.close()
    reader.close()


def test_a_damaged_log_is_never_set_aside(path: Path, url: str) -> None:
    SqlLog(url).close()
    path.write_bytes(b"no database at all")
    with pytest.raises(StoreError, match="not an SQLite database"):
        SqlLog(url)
    assert path.read_bytes() == b"no database at all"
