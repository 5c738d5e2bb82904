from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.events import Draft, Interacted, ItemPut, Rewarded, UserPut
from bandstand.formats.transfer import export, import_
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0
# The columns that the developer guide names as required or reserved, and some of one's own.
INTERACTIONS = """USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE,IMPRESSION,RECOMMENDATION_ID,DEVICE
u1,i2,1598000200,purchase,9.5,i1|i2|i3,RID-1,mobile
u1,i1,1598000100,click,,,,desktop
u2,i1,soon,click,,,,desktop
"""
ITEMS = """ITEM_ID,CREATION_TIMESTAMP,GENRES,PRICE
i1,1597000000,Drama|Crime,3
i2,1597000000,Comedy,4.5
"""
USERS = "USER_ID,AGE,MEMBERSHIP\nu1,30,gold\n"


def facts(log: MemoryLog, kind: type) -> list:
    return [entry.fact for entry in log.read(limit=1000) if isinstance(entry.fact, kind)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("a/interactions", INTERACTIONS), ("b/items", ITEMS), ("users", USERS)):
        path = tmp_path / f"data/{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "data"


def test_folder_is_read_by_the_columns_of_its_files(folder: Path) -> None:
    log = MemoryLog()
    report = import_(log, "aws-personalize", [folder], now=NOON)
    assert [(Path(one.file).name, one.line) for one in report.refused.first] == [("interactions.csv", 4)]
    assert [(one.user, one.item, one.name, one.value, one.time) for one in facts(log, Interacted)] == [
        ("u1", "i1", "click", 1.0, 1598000100.0),
        ("u1", "i2", "purchase", 9.5, 1598000200.0),
    ]
    assert facts(log, ItemPut) == [
        ItemPut("i1", {"genres": ["Drama", "Crime"], "price": 3.0}),
        ItemPut("i2", {"genres": "Comedy", "price": 4.5}),
    ]
    assert facts(log, UserPut) == [UserPut("u1", {"age": 30.0, "membership": "gold"})]
    assert import_(log, "aws-personalize", [folder], now=NOON).stored == 0


def test_log_comes_back_as_it_was_but_for_parts_of_seconds(tmp_path: Path) -> None:
    log = MemoryLog()
    did = [
        Interacted("a, b", "view", user="u", value=2.5, time=5.75),
        Rewarded("d", "click", 1.0, "home", position=0, item="c", session="s", time=6.0),
        Rewarded("d", "whole", 1.0, "home", user="v"),  # of no item
    ]
    about = [
        ItemPut("a, b", {"genres": ["x", "y"], "price": 3.5, "new": True}),
        ItemPut("c"),
        UserPut("u", {"age": 3.0}),
    ]
    log.append([Draft(fact, NOON + at) for at, fact in enumerate([*about, *did])])
    assert export(log, "aws-personalize", tmp_path / "out") == 2
    again = MemoryLog()
    assert import_(again, "aws-personalize", [tmp_path / "out"], now=NOON).refused.first == []
    assert [(one.user, one.item, one.name, one.value, one.time) for one in facts(again, Interacted)] == [
        ("u", "a, b", "view", 2.5, 5.0),
        ("s", "c", "click", 1.0, 6.0),
    ]
    assert facts(again, ItemPut) == [ItemPut("a, b", {"genres": ["x", "y"], "price": 3.5, "new": "true"}), ItemPut("c")]
    assert facts(again, UserPut) == [UserPut("u", {"age": 3.0})]


def test_folder_without_tables_or_one_that_is_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no .csv file"):
        import_(MemoryLog(), "aws-personalize", [tmp_path], now=NOON)
    with pytest.raises(InputError, match="is there already; name a new folder"):
        export(MemoryLog(), "aws-personalize", tmp_path)
    assert list(tmp_path.iterdir()) == []
