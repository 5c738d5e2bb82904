import re
from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.events import Interacted, ItemPut, UserPut
from bandstand.formats.transfer import Imported, import_
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0
INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def imported(log: MemoryLog, path: Path, **options: object) -> Imported:
    return import_(log, "recbole", [path], now=NOON, **options)


def facts(log: MemoryLog, kind: type) -> list:
    return [entry.fact for entry in log.read(limit=1000) if isinstance(entry.fact, kind)]


def atomic(folder: Path, *inter: str) -> Path:
    (folder / "ml.inter").write_text("\n".join((INTER, *(inter or ("u1\ta\t4\t200", "u2\tb\t1.5\t100")))))
    (folder / "ml.item").write_text(
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\tyear:float\tvector:float_seq\tnote:token\n"
        "a\tToy Story\tAnimation Comedy\t1995\t0.5 -1\tx\nb\tHeat\tCrime\t\t\t\n"
    )
    (folder / "ml.user").write_text("user_id:token\tage:token\nu1\t24\n")
    return folder


def test_types_of_the_header_say_what_the_cells_are(tmp_path: Path) -> None:
    log = MemoryLog()
    assert imported(log, atomic(tmp_path)).refused.count == 0
    assert facts(log, ItemPut) == [
        ItemPut(
            "a",
            {
                "class": ["Animation", "Comedy"],
                "year": 1995.0,
                "vector": [0.5, -1.0],
                "note": "x",
                "title": "Toy Story",
            },
        ),
        ItemPut("b", {"class": ["Crime"], "title": "Heat"}),
    ]
    assert facts(log, UserPut) == [UserPut("u1", {"age": 24.0})]
    found = [(fact.user, fact.item, fact.name, fact.value, fact.time) for fact in facts(log, Interacted)]
    assert found == [("u2", "b", "rating", 1.5, 100.0), ("u1", "a", "rating", 4.0, 200.0)]


def test_file_brings_those_of_its_name_and_a_second_import_adds_nothing(tmp_path: Path) -> None:
    one, other = MemoryLog(), MemoryLog()
    imported(one, atomic(tmp_path))
    imported(other, tmp_path / "ml.inter")
    assert one.read() == other.read()
    assert imported(one, tmp_path).stored == 0


def test_columns_of_other_names_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("who:token\twhat:token\twhen:float\nu\ta\t5\n")
    log = MemoryLog()
    imported(log, tmp_path, columns={"user": "who", "item": "what", "time": "when"})
    (only,) = facts(log, Interacted)
    assert (only.user, only.item, only.time, only.value) == ("u", "a", 5.0, 1.0)
    with pytest.raises(InputError, match=r"map user=whom: no file of recbole '.*' has this column"):
        imported(log, tmp_path, columns={"user": "whom"})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("u\ta\t4", "it has 3 cells, must have 4 as the header"),
        ("u\ta\tgood\t1", "rating is 'good', must be a finite number"),
        ("u\t\t4\t1", "it names no item, or nobody"),
        ("u\ta\t\t1", "value is 'None', must be a finite number"),
        ("u\ta\t4\t", "time is 'None', must be seconds"),
    ],
)
def test_bad_line_is_left_out_and_says_why(tmp_path: Path, line: str, words: str) -> None:
    log = MemoryLog()
    (only,) = imported(log, atomic(tmp_path, "u2\tb\t1\t100", line)).refused.first
    assert only.line == 3
    assert re.search(words, only.reason), only.reason
    assert len(facts(log, Interacted)) == 1


def test_line_in_another_encoding_is_left_out(tmp_path: Path) -> None:
    atomic(tmp_path)
    (tmp_path / "ml.item").write_bytes(b"item_id:token\tname:token_seq\na\tL\xe9on\nb\tL\xc3\xa9on\n")
    log = MemoryLog()
    (only,) = imported(log, tmp_path).refused.first
    assert (only.line, only.reason.endswith("convert the file to UTF-8")) == (2, True)
    assert ItemPut("b", {"title": "Léon"}) in facts(log, ItemPut)


def test_place_or_header_that_is_none_says_what_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be a folder with '\*.inter'"):
        imported(MemoryLog(), tmp_path)
    (tmp_path / "x.inter").write_text("user_id,item_id\n")
    with pytest.raises(InputError, match="says no type, must end in one of token, token_seq, float, float_seq"):
        imported(MemoryLog(), tmp_path)
    atomic(tmp_path)
    with pytest.raises(InputError, match=r"has two files '\*.inter'; name one of them"):
        imported(MemoryLog(), tmp_path)
