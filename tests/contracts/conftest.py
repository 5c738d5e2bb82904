"""Every kind of database that a store may be, each test with one of its own."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from bandstand.store import EventLog, Snapshots
from bandstand.store.sql import open_log, open_snapshots, snapshots_url

_numbers = count()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from _database(request.param, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that outlives the process which writes it."""
    yield from _database(request.param, tmp_path)


@pytest.fixture
def log(url: str) -> Iterator[EventLog]:
    log = open_log(url)
    yield log
    log.close()


@pytest.fixture
def snapshots(url: str) -> Iterator[Snapshots]:
    snapshots = open_snapshots(snapshots_url(url))
    yield snapshots
    snapshots.close()


def _database(kind: str, folder: Path) -> Iterator[str]:
    match kind:
        case "memory":
            yield "memory://"
        case "sqlite":
            yield f"sqlite:///{folder / 'log.db'}"
        case "postgres":
            yield from _schema(os.environ.get("BANDSTAND_TEST_POSTGRES"))


def _schema(server: str | None) -> Iterator[str]:
    """A schema of this test alone, so that tests can run side by side in one database."""
    if not server:
        pytest.skip("BANDSTAND_TEST_POSTGRES names no server")
    name = f"bandstand_test_{os.getpid()}_{next(_numbers)}"
    address = make_url(server).update_query_dict({"options": f"-csearch_path={name}", "application_name": name})
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield address.render_as_string(hide_password=False)
        connection.execute(f"DROP SCHEMA {name} CASCADE")
