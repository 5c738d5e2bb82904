import builtins
import gzip
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bandstand.errors import InputError
from bandstand.events import AnyFact, Draft, Interacted, ItemPut, Rewarded, UserPut
from bandstand.formats.transfer import Imported, export, import_
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0


def imported(log: MemoryLog, path: Path, format_: str = "csv", **options: object) -> Imported:
    return import_(log, format_, [path], now=NOON, **options)


def facts(log: MemoryLog, kind: type) -> list:
    return [entry.fact for entry in log.read(limit=1000) if isinstance(entry.fact, kind)]


def read(folder: Path, text: str, **options: object) -> tuple[MemoryLog, Imported]:
    (folder / "table.csv").write_text(text, "utf-8")
    log = MemoryLog()
    return log, imported(log, folder / "table.csv", **options)


def deeds(log: MemoryLog) -> list[tuple[object, ...]]:
    return [(fact.user, fact.item, fact.name, fact.value, fact.time) for fact in facts(log, Interacted)]


@pytest.mark.parametrize(
    "text",
    [
        "user_id,item_id,timestamp,event_type,value\nu,a,200,buy,2\nu,b,100,view,1\n",
        "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\nu,a,200,buy,2\nu,b,100,view,\n",  # as AWS Personalize has it
        "visitorid;itemid;ts;event;score\nu;a;200;buy;2\nu;b;100;view;1\n",
        "\ufeffuser\titem\ttime\taction\tvalue\r\nu\ta\t200\tbuy\t2\r\nu\tb\t100\tview\t\r\n",
        'item,user,junk,time,type\na,u,"1,2",200000,buy\nb,u,,100000,view\n',
    ],
    ids=["plain", "personalize", "semicolons", "tabs", "other columns"],
)
def test_columns_are_known_by_their_usual_names(tmp_path: Path, text: str) -> None:
    log, report = read(tmp_path, text)
    assert report.refused.first == []
    scale = 1000 if "200000" in text else 1
    values = (2.0, 1.0) if "junk" not in text else (1.0, 1.0)
    assert deeds(log) == [("u", "b", "view", values[1], 100.0 * scale), ("u", "a", "buy", values[0], 200.0 * scale)]


def test_columns_of_other_names_can_be_named(tmp_path: Path) -> None:
    text = "wer,was,wann\nu,a,7\n"
    log, _ = read(tmp_path, text, columns={"user": "wer", "item": "was", "time": "wann"})
    assert deeds(log) == [("u", "a", "interaction", 1.0, 7.0)]
    with pytest.raises(InputError, match="there is no column 'wo'; there is: wer, was, wann"):
        read(tmp_path, text, columns={"item": "wo"})
    with pytest.raises(InputError, match="map place=was: role is not known; known: user, session, item"):
        read(tmp_path, text, columns={"place": "was"})
    with pytest.raises(InputError, match="name neither items nor users; say which do with --map item=COLUMN"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1574553663", 1574553663.0),
        ("1574553663.979311", 1574553663.979311),
        ("1574553663979", 1574553663.979),  # milliseconds
        ("2019-11-24T00:01:03Z", 1574553663.0),
        ("2019-11-24 00:01:03", 1574553663.0),  # without a zone it is UTC
        ("2019-11-24T01:01:03+01:00", 1574553663.0),
    ],
)
def test_times_are_numbers_or_dates(tmp_path: Path, written: str, seconds: float) -> None:
    log, _ = read(tmp_path, f"user,item,time\nu,a,{written}\n")
    assert facts(log, Interacted)[0].time == pytest.approx(seconds, abs=1e-6)


def test_items_and_users_have_their_further_columns_as_features(tmp_path: Path) -> None:
    log, _ = read(tmp_path, 'ITEM_ID,NAME,GENRES,PRICE,NOTE\na,"Red, ""big""\nshoe",Shoes|Sale,9.5,\n')
    assert facts(log, ItemPut) == [
        ItemPut("a", {"genres": ["Shoes", "Sale"], "price": 9.5, "title": 'Red, "big"\nshoe'})
    ]
    log, _ = read(tmp_path, "user_id,age,name\nu,30,Ann\n")
    assert facts(log, UserPut) == [UserPut("u", {"age": 30.0, "name": "Ann"})]


def test_sessions_alone_are_somebody(tmp_path: Path) -> None:
    log, _ = read(tmp_path, "session_id,item_id,timestamp\ns,a,3\n")
    assert [(fact.user, fact.session) for fact in facts(log, Interacted)] == [(None, "s")]


def test_ratings_are_named_so_and_low_ones_are_no_likes_where_it_is_said(tmp_path: Path) -> None:
    log, _ = read(tmp_path, "userId,movieId,rating,timestamp\nu,a,4.5,1\nu,b,2,2\n", likes_from=4.0)
    assert deeds(log) == [("u", "a", "rating", 4.5, 1.0), ("u", "b", "rating", -2.0, 2.0)]


def test_second_import_adds_nothing_also_where_no_time_is_known(tmp_path: Path) -> None:
    for text in ("user,item,time\nu,a,1\nu,a,2\n", "user,item\nu,a\nu,a\n"):
        log, first = read(tmp_path, text)
        assert (first.stored, len(facts(log, Interacted))) == (3, 2)
        assert imported(log, tmp_path / "table.csv").stored == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("u,a", "it has 2 cells, must have 4 as the header"),
        ("u,,1,1", "it names no item, or nobody"),
        (",a,1,1", "it names no item, or nobody"),
        ("u,a,soon,1", "time is 'soon', must be seconds since the epoch or a date"),
        ("u,a,,1", "time is '', must be"),
        ("u,a,9999999999,1", "in the future"),
        ("u,a,1,nan", "value is 'nan', must be a finite number"),
        ("u,a,1,inf", "value is 'inf'"),
        ('u,"a"b,1,1', "correct its quotes"),
        ("u,\0,1,1", "NUL"),
    ],
)
def test_bad_line_is_left_out_and_says_why(tmp_path: Path, line: str, words: str) -> None:
    log, report = read(tmp_path, f"user,item,time,value\nx,y,5,1\n{line}\nx,z,5,1\n")
    (only,) = report.refused.first
    assert only.line == 3
    assert re.search(words, only.reason), only.reason
    assert len(facts(log, Interacted)) == 2


def test_line_in_another_encoding_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "mixed.csv").write_bytes("user,item\nu,é\n".encode() + "u,é\nu,z\n".encode("latin-1"))
    log = MemoryLog()
    (only,) = imported(log, tmp_path / "mixed.csv").refused.first
    assert (only.line, only.reason.endswith("convert the file to UTF-8")) == (3, True)
    assert [fact.item for fact in facts(log, Interacted)] == ["é", "z"]


def test_compressed_file_that_ends_early_is_read_to_there(tmp_path: Path) -> None:
    whole = gzip.compress(
        "".join(["user,item,time\n", *(f"u{n},i{n * 7919 % 997},{n}\n" for n in range(9000))]).encode()
    )
    (tmp_path / "table.csv.gz").write_bytes(whole[: len(whole) // 2])
    log = MemoryLog()
    report = imported(log, tmp_path / "table.csv.gz")
    assert "the file is damaged from here on" in report.refused.first[-1].reason
    assert 1000 < len([1 for entry in log.read(limit=99_999) if isinstance(entry.fact, Interacted)]) < 9000


def test_empty_file_says_what_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is empty, must begin with a line that names its columns"):
        read(tmp_path, "")


def table(folder: Path, **columns: object) -> Path:
    parquet.write_table(pyarrow.table(columns), folder / "table.parquet", row_group_size=2)
    return folder / "table.parquet"


def test_parquet_says_what_csv_says(tmp_path: Path) -> None:
    when = [datetime.fromtimestamp(at, UTC) for at in (200, 100)]
    path = table(
        tmp_path, user_id=[1, 2], item_id=["a", "b"], timestamp=when, event_type=["buy", "view"], value=[2.0, None]
    )
    log, same = MemoryLog(), MemoryLog()
    assert imported(log, path, "parquet").refused.first == []
    (tmp_path / "table.csv").write_text("user_id,item_id,timestamp,event_type,value\n1,a,200,buy,2\n2,b,100,view,\n")
    imported(same, tmp_path / "table.csv")
    assert [entry.fact for entry in log.read()] == [entry.fact for entry in same.read()]


def test_parquet_items_have_lists_and_numbers_and_whole_numbers_as_ids(tmp_path: Path) -> None:
    path = table(tmp_path, item_id=[1.0, None], genres=[["x", "y"], None], price=[3, 4], new=[True, False])
    log = MemoryLog()
    (only,) = imported(log, path, "parquet").refused.first
    assert (only.line, only.reason) == (2, "it names no item; there must be one")
    assert facts(log, ItemPut) == [ItemPut("1", {"genres": ["x", "y"], "price": 3, "new": True})]


def test_parquet_that_is_damaged_or_cannot_be_read_here_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(InputError, match="cannot be read"):
        imported(MemoryLog(), tmp_path / "table.parquet", "parquet")
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"needs pyarrow, which is not installed; pip install 'bandstand\[parquet\]'"):
        imported(MemoryLog(), tmp_path / "table.parquet", "parquet")


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_what_people_did_is_written_as_a_table_and_read_back(tmp_path: Path, name: str) -> None:
    log = MemoryLog()
    did: list[AnyFact] = [
        Interacted("a, b", "view", user="u", value=0.1 + 0.2, time=5.0),
        Rewarded("d", "click", 1.0, "home", position=0, item="c", user="v", session="s"),
        Rewarded("d", "whole", 1.0, "home", user="v"),  # of no item: not in the table
        ItemPut("a, b"),
    ]
    log.append([Draft(fact, NOON - 10 + at) for at, fact in enumerate(did)])
    assert export(log, "csv", tmp_path / name) == 2
    again = MemoryLog()
    assert imported(again, tmp_path / name).refused.first == []
    assert deeds(again) == [("u", "a, b", "view", 0.1 + 0.2, 5.0), ("v", "c", "click", 1.0, NOON - 9)]
    assert imported(again, tmp_path / name).stored == 0
