"""Which store a URL names."""

from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.store.memory import MemoryLog, MemorySnapshots
from bandstand.store.sql import SqlLog, SqlSnapshots, open_log, open_snapshots, snapshots_url


def test_each_scheme_has_its_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    assert isinstance(open_log("memory://"), MemoryLog)
    assert isinstance(open_snapshots("memory://"), MemorySnapshots)
    with_log, with_snapshots = open_log(url), open_snapshots(snapshots_url(url))
    assert isinstance(with_log, SqlLog)
    assert isinstance(with_snapshots, SqlSnapshots)
    with_log.close()
    with_snapshots.close()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root@127.0.0.1/x",
        "log.db",
        "",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "postgres://x",
    ],
)
def test_any_other_url_is_refused_with_those_that_are_accepted(url: str) -> None:
    with pytest.raises(InputError, match=r"accepted: memory://, sqlite:///path, postgresql://user@host/database"):
        open_log(url)


@pytest.mark.parametrize("url", ["mysql://root:secret@127.0.0.1/x", "postgresql://root:secret@127.0.0.1:port/x"])
def test_a_password_in_a_refused_url_is_not_repeated(url: str) -> None:
    with pytest.raises(InputError) as error:
        open_log(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("database", "snapshots"),
    [
        ("sqlite:///data/bandstand.db", "sqlite:///data/bandstand-snapshots.db"),
        ("sqlite:////var/lib/log.sqlite", "sqlite:////var/lib/log-snapshots.db"),
        ("sqlite:///100%25 mine%3F.db", "sqlite:///100%25 mine%3F-snapshots.db"),
        ("postgresql://u:p@host/db?x=1", "postgresql://u:p@host/db?x=1"),
        ("memory://", "memory://"),
    ],
)
def test_snapshots_are_beside_an_sqlite_file_and_otherwise_in_the_database(database: str, snapshots: str) -> None:
    assert snapshots_url(database) == snapshots
