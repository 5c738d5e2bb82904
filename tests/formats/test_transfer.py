import json
import os
import re
from pathlib import Path

import msgspec
import pytest

from bandstand import data
from bandstand.errors import ConflictError, InputError, UnknownError
from bandstand.events import Draft, Entry, Interacted, ItemPut, SurfacePut
from bandstand.formats.files import written
from bandstand.formats.transfer import Imported, export, import_
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_log

NOON = 1_795_000_000.0
GOLDEN = Path(__file__).parents[1] / "golden" / "history.jsonl.gz"


def everything(log: MemoryLog) -> list[Entry]:
    return log.read(limit=log.head())


def restored(path: Path, log: MemoryLog, **options: object) -> Imported:
    return import_(log, "jsonl", [path], now=NOON, **options)


@pytest.fixture(scope="module")
def golden() -> MemoryLog:
    log = MemoryLog()
    restored(GOLDEN, log)
    return log


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
def test_import_of_an_export_gives_an_equal_log(golden: MemoryLog, tmp_path: Path, name: str) -> None:
    assert export(golden, "jsonl", tmp_path / name) == golden.head() > 600
    again = MemoryLog()
    imported = restored(tmp_path / name, again)
    assert (imported.read, imported.stored, imported.refused.count) == (golden.head(), golden.head(), 0)
    assert everything(again) == everything(golden)


def test_export_of_a_database_gives_the_same_file(golden: MemoryLog, tmp_path: Path) -> None:
    database = open_log(f"sqlite:///{tmp_path}/log.db")
    restored(GOLDEN, database)
    export(database, "jsonl", tmp_path / "database.jsonl")
    database.close()
    export(golden, "jsonl", tmp_path / "memory.jsonl")
    assert (tmp_path / "database.jsonl").read_bytes() == (tmp_path / "memory.jsonl").read_bytes()


def test_numbers_and_texts_survive_exactly(tmp_path: Path) -> None:
    log = MemoryLog()
    features = {"price": 0.1 + 0.2, "tiny": 5e-324, "large": 2**53 - 1, "text": 'ü 🙂 \u2028 " \\ \n'}
    definition = msgspec.Raw(b'{"n":  3, "strategy": "default"}')
    log.append([Draft(ItemPut("a/🙂", features), 1e-9), Draft(SurfacePut("home", definition), NOON + 0.123456)])
    export(log, "jsonl", tmp_path / "log.jsonl")
    again = MemoryLog()
    restored(tmp_path / "log.jsonl", again)
    assert everything(again) == everything(log)


def test_import_of_a_log_goes_on_where_it_stopped(golden: MemoryLog) -> None:
    half = MemoryLog()
    half.append([Draft(entry.fact, entry.at) for entry in everything(golden)[:300]])
    imported = restored(GOLDEN, half, batch=128)
    assert (imported.stored, imported.duplicates) == (golden.head() - 300, 300)
    assert everything(half) == everything(golden)


def test_log_that_holds_something_else_is_left_as_it_is(golden: MemoryLog) -> None:
    other = MemoryLog()
    other.append([Draft(ItemPut("a"), NOON)])
    with pytest.raises(ConflictError, match="entry 1 is not what the log holds there"):
        restored(GOLDEN, other)
    assert other.head() == 1


def test_bad_lines_are_reported_and_the_others_stored(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in ({"id": "a"}, {"id": ""}, {"id": "c"})))
    log = MemoryLog()
    imported = restored(path, log)
    assert [entry.fact.item for entry in everything(log)] == ["a", "c"]
    assert (imported.read, imported.stored, imported.refused.count) == (2, 2, 1)
    assert imported.refused.first[0].line == 2


def test_several_files_are_one_import_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    log = MemoryLog()
    for name in ("one", "two"):
        (tmp_path / name).write_text("\n".join(f'{{"id": "{name}{k}"}}' for k in range(3)))
    imported = import_(
        log, "jsonl", [tmp_path / "one", tmp_path / "two"], now=NOON, batch=2, progress=lambda *now: told.append(now)
    )
    assert imported.stored == log.head() == 6
    assert told == [(2, None), (3, None), (5, None), (6, None)]


def test_file_that_cannot_be_read_after_others_is_reported_and_the_rest_read(tmp_path: Path) -> None:
    texts = {"good": "user,item\nu,a\n", "odd": "x,y\n1,2\n", "none": "user,item\n", "more": "user,item\nv,b\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    log = MemoryLog()
    report = import_(log, "csv", [tmp_path / name for name in texts], now=NOON)
    assert [one.fact.item for one in everything(log) if isinstance(one.fact, Interacted)] == ["a", "b"]
    odd, none = report.refused.first
    assert odd.file.endswith("odd")
    assert re.search("name neither items nor users; .* nothing more of this file was read", odd.reason)
    assert none.file.endswith("none")
    assert "nothing is in it, must hold a table of decisions, interactions" in none.reason
    with pytest.raises(InputError, match="name neither items nor users"):
        import_(MemoryLog(), "csv", [tmp_path / "odd", tmp_path / "good"], now=NOON)


def test_progress_of_an_export_ends_at_the_whole(golden: MemoryLog, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    export(golden, "jsonl", tmp_path / "log.jsonl", progress=lambda *now: told.append(now))
    assert told[-1] == (golden.head(), golden.head())


def test_formats_that_are_not_known_or_cannot_be_written_say_what_can(tmp_path: Path) -> None:
    with pytest.raises(UnknownError, match="format 'xml' is not known; known: jsonl, dsjson, csv"):
        import_(MemoryLog(), "xml", [], now=NOON)
    with pytest.raises(InputError, match="format 'obd': can only be read; for export there is: jsonl"):
        export(MemoryLog(), "obd", tmp_path / "x")
    with pytest.raises(InputError, match="cannot be written"):
        export(MemoryLog(), "jsonl", tmp_path / "no such folder" / "x")


def test_catalogue_may_be_imported_again() -> None:
    log = MemoryLog()
    for _ in range(2):
        restored(data.path("catalog/products.jsonl.gz"), log)
    assert log.head() == 2 * 2465


def test_device_or_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is no file, which would be replaced"):
        written(pipe, [b"line"])
    assert pipe.is_fifo()
