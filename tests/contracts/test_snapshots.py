"""What `Snapshots` promises, held against every store there is."""

import logging

import pytest
from sqlalchemy import create_engine, make_url, text

from bandstand.errors import StoreError
from bandstand.store import Snapshot, Snapshots
from bandstand.store.sql import open_snapshots, snapshots_url

BODY = bytes(range(256)) * 500


def test_nothing_is_there_before_the_first(snapshots: Snapshots) -> None:
    assert snapshots.newest("model") is None


def test_the_newest_is_the_one_with_the_highest_position(snapshots: Snapshots) -> None:
    for seq in (3, 9, 5):
        snapshots.put("model", Snapshot(seq, b"%d" % seq))
    assert snapshots.newest("model") == Snapshot(9, b"9")


def test_a_body_comes_back_byte_for_byte(snapshots: Snapshots) -> None:
    snapshots.put("model", Snapshot(0, BODY))
    snapshots.put("empty", Snapshot(0, b""))
    assert snapshots.newest("model") == Snapshot(0, BODY)
    assert snapshots.newest("empty") == Snapshot(0, b"")


def test_only_a_later_position_than_asked_for_is_news(snapshots: Snapshots) -> None:
    snapshots.put("model", Snapshot(7, b"seven"))
    assert snapshots.newest("model", after=6) == Snapshot(7, b"seven")
    assert snapshots.newest("model", after=7) is None


def test_kinds_do_not_mix(snapshots: Snapshots) -> None:
    for seq in range(1, 6):
        snapshots.put("weights", Snapshot(seq, b"w"))
    snapshots.put("model", Snapshot(2, b"m"))
    assert (snapshots.newest("model"), snapshots.newest("weights")) == (Snapshot(2, b"m"), Snapshot(5, b"w"))
    assert snapshots.newest("other") is None


def test_a_snapshot_put_again_replaces_the_one_at_its_position(snapshots: Snapshots) -> None:
    snapshots.put("model", Snapshot(4, b"first"))
    snapshots.put("model", Snapshot(4, b"second"))
    assert snapshots.newest("model") == Snapshot(4, b"second")


def rows(url: str, statement: str) -> list[int]:
    address = make_url(url)
    engine = create_engine(address.set(drivername="postgresql+psycopg") if address.drivername == "postgresql" else url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        found = list(result.scalars()) if result.returns_rows else []
    engine.dispose()
    return found


def filled(url: str, *seqs: int) -> Snapshots:
    snapshots = open_snapshots(url)
    for seq in seqs:
        snapshots.put("model", Snapshot(seq, b"%d" % seq))
    return snapshots


def test_the_three_newest_of_a_kind_are_kept(durable_url: str) -> None:
    url = snapshots_url(durable_url)
    filled(url, 1, 2, 3, 4, 5).close()
    assert rows(url, "SELECT seq FROM snapshot ORDER BY seq") == [3, 4, 5]


def test_a_damaged_snapshot_is_passed_over_with_one_warning(durable_url: str, caplog: pytest.LogCaptureFixture) -> None:
    url = snapshots_url(durable_url)
    filled(url, 1, 2, 3).close()
    rows(url, "UPDATE snapshot SET body = (SELECT body FROM snapshot WHERE seq = 1) WHERE seq = 3")
    snapshots = open_snapshots(url, readonly=True)
    with caplog.at_level(logging.WARNING):
        assert [snapshots.newest("model"), snapshots.newest("model")] == [Snapshot(2, b"2")] * 2
        assert snapshots.newest("model", after=2) is None
    assert [record.getMessage() for record in caplog.records] == [
        "snapshot 'model' at 3: its checksum does not hold; passing over it"
    ]
    snapshots.close()


def test_a_snapshot_at_a_wrong_position_is_damaged_too(durable_url: str) -> None:
    url = snapshots_url(durable_url)
    filled(url, 1, 2).close()
    rows(url, "UPDATE snapshot SET seq = 999 WHERE seq = 1")
    snapshots = open_snapshots(url, readonly=True)
    assert snapshots.newest("model") == Snapshot(2, b"2")
    snapshots.close()


def test_a_damaged_snapshot_put_again_is_good_again(durable_url: str) -> None:
    url = snapshots_url(durable_url)
    filled(url, 1, 2).close()
    rows(url, "UPDATE snapshot SET sha256 = 'wrong' WHERE seq = 2")
    reader = open_snapshots(url, readonly=True)
    assert reader.newest("model") == Snapshot(1, b"1")
    filled(url, 2).close()
    assert reader.newest("model") == Snapshot(2, b"2")
    reader.close()


def test_snapshots_survive_closing_and_are_seen_by_readers(durable_url: str) -> None:
    url = snapshots_url(durable_url)
    writer = filled(url, 1)
    reader = open_snapshots(url, readonly=True)
    assert reader.newest("model") == Snapshot(1, b"1")
    writer.put("model", Snapshot(2, b"2"))
    assert reader.newest("model", after=1) == Snapshot(2, b"2")
    with pytest.raises(StoreError, match="reading only"):
        reader.put("model", Snapshot(3, b"3"))
    writer.close()
    reader.close()
    again = open_snapshots(url)
    assert again.newest("model") == Snapshot(2, b"2")
    again.close()


def test_a_reader_that_comes_before_the_writer_finds_nothing_and_then_what_is_written(durable_url: str) -> None:
    url = snapshots_url(durable_url)
    reader = open_snapshots(url, readonly=True)
    assert reader.newest("model") is None
    filled(url, 1).close()
    assert reader.newest("model") == Snapshot(1, b"1")
    reader.close()
