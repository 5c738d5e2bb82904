"""What every log promises that outlives its process."""

import signal
import subprocess
import sys

import msgspec
import pytest
from sqlalchemy import create_engine, make_url, text

from bandstand.errors import StoreError
from bandstand.events import AnyFact, Draft, Interacted
from bandstand.store.sql import open_log


def seen(item: str, *, user: str | None = None, key: str | None = None) -> Draft:
    return Draft(Interacted(item=item, name="view", user=user, key=key), at=1.5)


def anonymous(fact: AnyFact) -> AnyFact:
    return msgspec.structs.replace(fact, user="someone")


def test_entries_survive_closing_and_opening(durable_url: str) -> None:
    log = open_log(durable_url)
    stored = [answer.entry for answer in log.append([seen("a", user="u", key="k"), seen("b")])]
    log.close()
    log.close()
    log = open_log(durable_url)
    assert (log.read(), log.head()) == (stored, 2)
    assert log.append([seen("c", key="k"), seen("d")])[1].entry.seq == 3
    log.close()


def test_a_closed_log_says_so(durable_url: str) -> None:
    log = open_log(durable_url)
    log.close()
    for use in (lambda: log.append([seen("a")]), log.head):
        with pytest.raises(StoreError, match="is closed"):
            use()


def test_a_reader_beside_the_writer_reads_at_once_and_never_writes(durable_url: str) -> None:
    log = open_log(durable_url)
    tail = open_log(durable_url, readonly=True)
    for n in range(1, 4):
        log.append([seen("a", user="u")])
        assert tail.head() == n
    with pytest.raises(StoreError, match="reading only"):
        tail.append([seen("b")])
    with pytest.raises(StoreError, match="reading only"):
        tail.rewrite("u", anonymous)
    log.close()
    assert tail.head() == 3  # and it goes on without the writer
    tail.close()


def test_a_reader_that_comes_before_the_writer_is_told_to_wait(durable_url: str) -> None:
    with pytest.raises(StoreError, match="start the process that writes it first"):
        open_log(durable_url, readonly=True)
    open_log(durable_url).close()
    open_log(durable_url, readonly=True).close()


def execute(url: str, statement: str, **values: str) -> None:
    address = make_url(url)
    engine = create_engine(address.set(drivername="postgresql+psycopg") if address.drivername == "postgresql" else url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_newer_schema_is_refused_with_both_versions_and_the_remedy(durable_url: str, readonly: bool) -> None:
    open_log(durable_url).close()
    execute(durable_url, "UPDATE meta SET value = '2' WHERE name = 'schema'")
    with pytest.raises(StoreError, match=r"has schema 2, this release knows up to 1; upgrade"):
        open_log(durable_url, readonly=readonly)


def test_an_entry_of_an_unknown_kind_is_named_when_it_is_read(durable_url: str) -> None:
    log = open_log(durable_url)
    log.append([seen("a"), seen("b")])
    log.close()
    execute(durable_url, "UPDATE entry SET body = :body WHERE seq = 2", body='{"fact": "teleported"}')
    log = open_log(durable_url)
    with pytest.raises(StoreError, match=r"entry 2: cannot be read.*teleported"):
        log.read()
    log.close()


APPEND_FOR_EVER = """
import sys
from bandstand.events import Draft, ItemRemoved
from bandstand.store.sql import open_log

log = open_log(sys.argv[1])
while True:
    log.append([Draft(ItemRemoved("i" * 500), at=1.0) for _ in range(7)])
    print("stored", flush=True)
"""


def test_a_writer_killed_at_work_leaves_whole_appends_and_all_that_it_acknowledged(durable_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", APPEND_FOR_EVER, durable_url], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(40):
            assert writer.stdout.readline() == b"stored\n"
        writer.send_signal(signal.SIGKILL)
        acknowledged = 40 + len(writer.stdout.readlines())
    log = open_log(durable_url)
    seqs = [entry.seq for entry in log.read(limit=1_000_000)]
    log.close()
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) % 7 == 0
    assert len(seqs) >= 7 * acknowledged
