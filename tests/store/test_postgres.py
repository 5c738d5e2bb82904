"""What holds for PostgreSQL servers: connections that break, and servers that are not there."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from bandstand.errors import BusyError, StoreError
from bandstand.events import AnyFact, Draft, ItemRemoved, UserPut
from bandstand.store import database
from bandstand.store.sql import SqlLog

SERVER = os.environ.get("BANDSTAND_TEST_POSTGRES", "")
NAME = f"bandstand_test_store_{os.getpid()}"
needs_server = pytest.mark.skipif(not SERVER, reason="BANDSTAND_TEST_POSTGRES names no server")
DRAFT = Draft(ItemRemoved("a"), at=1.0)


@pytest.fixture
def server() -> Iterator[psycopg.Connection]:
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {NAME}")
        yield connection
        connection.execute(f"DROP SCHEMA {NAME} CASCADE")


@pytest.fixture
def url(server: psycopg.Connection) -> str:
    address = make_url(SERVER).update_query_dict({"options": f"-csearch_path={NAME}", "application_name": NAME})
    return address.render_as_string(hide_password=False)


@pytest.fixture
def log(url: str) -> Iterator[SqlLog]:
    log = SqlLog(url)
    yield log
    log.close()


@needs_server
def test_lost_connections_are_made_anew_at_the_next_call(server: psycopg.Connection, log: SqlLog) -> None:
    log.append([DRAFT])
    server.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = %s", [NAME])
    assert log.append([DRAFT])[0].entry.seq == 2
    assert log.head() == 2


@needs_server
def test_an_append_whose_connection_breaks_is_a_store_error_and_leaves_nothing(
    server: psycopg.Connection, log: SqlLog
) -> None:
    log.append([DRAFT])
    server.execute(f"""
        CREATE FUNCTION {NAME}.die() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$""")
    server.execute(f"CREATE TRIGGER die AFTER INSERT ON {NAME}.entry EXECUTE FUNCTION {NAME}.die()")
    with pytest.raises(StoreError, match="the next call connects anew"):
        log.append([DRAFT])
    server.execute(f"DROP TRIGGER die ON {NAME}.entry")
    assert log.append([DRAFT])[0].entry.seq == 2


@needs_server
def test_a_writer_that_does_not_finish_makes_the_log_busy_for_others(
    server: psycopg.Connection, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT_S", 1)
    one, other = SqlLog(url), SqlLog(url)
    one.append([Draft(UserPut("u"), at=1.0)])

    def meanwhile(fact: AnyFact) -> AnyFact:
        with pytest.raises(BusyError, match="another process holds a lock on it; try again"):
            other.append([DRAFT])
        return fact

    assert one.rewrite("u", meanwhile) == 1
    assert other.append([DRAFT])[0].entry.seq == 2
    one.close()
    other.close()


@needs_server
def test_a_database_that_does_not_exist_is_named() -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        SqlLog(make_url(SERVER).set(database="nowhere").render_as_string(hide_password=False))


def test_a_server_that_is_not_there_is_a_store_error_without_the_password() -> None:
    # Port 9 is "discard", where no database listens.
    with pytest.raises(
        StoreError, match=r"postgresql://u:\*\*\*@127\.0\.0\.1:9/x.*check that the server runs"
    ) as error:
        SqlLog("postgresql://u:secret@127.0.0.1:9/x")
    assert "secret" not in str(error.value)
