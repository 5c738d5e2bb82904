import gzip
import json
from pathlib import Path

import pytest

from bandstand import data
from bandstand.events import Draft, Entry, ItemPut
from bandstand.formats import Refused, Target, jsonl
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0
GOLDEN = Path(__file__).parents[1] / "golden" / "history.jsonl.gz"


def facts(path: Path, refused: Refused | None = None) -> list[ItemPut]:
    target = Target(MemoryLog(), NOON)
    return [one.what.fact for one in jsonl.read(path, target, refused if refused is not None else Refused())]


def written(folder: Path, *lines: object) -> Path:
    path = folder / "file.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_shipped_catalogue_becomes_items_that_can_be_shown_while_in_stock() -> None:
    refused = Refused()
    items = {item.item: item for item in facts(data.path("catalog/products.jsonl.gz"), refused)}
    assert (len(items), refused.count) == (2465, 0)
    backpack = items["6579c22f-be2b-444c-a52b-0116dd82df6c"]
    assert backpack.features["title"] == "Adventure-Ready Expedition Backpack"
    assert str(backpack.features["text"]).startswith("Embark on your next outdoor journey")
    assert {name: backpack.features[name] for name in ("category", "style", "price", "gender")} == {
        "category": "accessories",
        "style": "backpack",
        "price": 129.99,
        "gender": "F",
    }
    assert "current_stock" not in backpack.features
    assert backpack.available


def test_product_without_stock_is_unavailable_and_one_that_does_not_say_is_available(tmp_path: Path) -> None:
    path = written(tmp_path, {"id": "a", "current_stock": 0}, {"id": "b"}, {"id": "c", "current_stock": 1})
    assert [item.available for item in facts(path)] == [False, True, True]


def test_further_columns_become_features_and_missing_values_none(tmp_path: Path) -> None:
    path = written(tmp_path, {"id": "a", "brand": "x", "sizes": ["s", "m"], "new": True, "colour": None})
    assert facts(path)[0].features == {"brand": "x", "sizes": ["s", "m"], "new": True}


def test_items_are_read_as_the_api_takes_them(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"item": "a/ü", "features": {"price": 3}, "tags": ["sale"], "available": False, "expires": NOON},
        {"item": "b", "expires": "2026-11-18T13:26:40+01:00"},
    )
    assert facts(path) == [
        ItemPut("a/ü", {"price": 3}, ("sale",), False, NOON),
        ItemPut("b", expires=1_795_004_800.0),
    ]


def test_items_without_a_time_of_their_own_are_put_now(tmp_path: Path) -> None:
    (read,) = jsonl.read(written(tmp_path, {"id": "a"}), Target(MemoryLog(), NOON), Refused())
    assert read.what == Draft(ItemPut("a"), NOON)


def test_bad_lines_are_left_out_and_say_why(tmp_path: Path) -> None:
    refused = Refused()
    path = written(
        tmp_path,
        {"id": "good"},
        "{broken",
        "",
        '"text"',
        {"name": "no id"},
        {"id": ""},
        {"id": "a", "size": {"w": 1}},
        {"item": "b", "colour": "red"},
        {"item": "c", "expires": "2026-11-18T13:26:40"},
        '{"id": "d", "price": 1e999}',
        "[" * 10_000,
        {"id": "last"},
    )
    assert [item.item for item in facts(path, refused)] == ["good", "last"]
    assert refused.count == 9
    assert [one.line for one in refused.first] == [2, 4, 5, 6, 7, 8, 9, 10, 11]
    reasons = {one.line: one.reason for one in refused.first}
    assert reasons[5] == "it must be an object with an 'item' or an 'id'"
    assert reasons[7].startswith("column 'size': Expected")
    assert "colour" in reasons[8]
    assert "timezone" in reasons[9]


def test_exported_log_is_read_entry_for_entry() -> None:
    entries = [one.what for one in jsonl.read(GOLDEN, Target(MemoryLog(), NOON), Refused())]
    assert all(isinstance(entry, Entry) for entry in entries)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


@pytest.mark.parametrize("line", ["{broken", '{"seq": 4, "at": 0.0, "fact": {"fact": "itemremoved", "item": "a"}}'])
def test_log_is_read_up_to_the_first_line_that_would_displace_the_rest(tmp_path: Path, line: str) -> None:
    lines = gzip.decompress(GOLDEN.read_bytes()).decode().splitlines()
    path = written(tmp_path, *lines[:2], line, *lines[3:])
    refused = Refused()
    entries = [one.what.seq for one in jsonl.read(path, Target(MemoryLog(), NOON), refused)]
    assert entries == [1, 2]
    (only,) = refused.first
    assert only.line == 3
    assert only.reason.endswith("the rest is left out too, for it would lose its place in the log")


DECIDED = {"fact": "decided", "decision": "d", "request": {"surface": "home", "time": 0.0}, "strategy": "default"}


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (
            {"fact": "decided", "decision": "d", "request": {"surface": "attic", "time": 0.0}, "strategy": "default"},
            "surface 'attic' of decision 'd' is not defined above, must be one of: home; export the whole log",
        ),
        (
            {"fact": "rewarded", "decision": "d", "name": "click", "value": 1.0, "surface": "attic"},
            "surface 'attic' of decision 'd' is not defined above",
        ),
        (
            DECIDED | {"picks": [{"item": "a", "position": 0, "propensity": 0.0, "score": 0.0}]},
            "decision 'd': the propensity of 'a' is 0.0, must be above 0 and at most 1; get the file as it was",
        ),
        (
            DECIDED | {"picks": [{"item": "a", "position": 0, "propensity": 1.1, "score": 0.0}]},
            "the propensity of 'a' is 1.1, must be above 0 and at most 1",
        ),
        ({"fact": "experimentmoved", "name": "e", "to": "running"}, "'e' (ExperimentMoved) names 'e', which is not"),
        ({"fact": "surfaceput", "name": "s", "definition": []}, "Expected `object`, got `array`"),
    ],
)
def test_log_with_a_fact_that_nobody_could_read_is_read_up_to_there(
    tmp_path: Path, fact: dict[str, object], words: str
) -> None:
    surface = {"fact": "surfaceput", "name": "home", "definition": {}}
    fact = {"picks": [], "as_of": 0} | fact if fact["fact"] == "decided" else fact
    every = [surface, fact, {"fact": "itemremoved", "item": "a"}]
    path = written(tmp_path, *(json.dumps({"seq": n, "at": 0.0, "fact": one}) for n, one in enumerate(every, 1)))
    refused = Refused()
    entries = [one.what.seq for one in jsonl.read(path, Target(MemoryLog(), NOON), refused)]
    assert entries == [1]
    assert words in refused.first[0].reason


@pytest.mark.parametrize(
    "came",
    [
        {"fact": "rewarded", "decision": "d", "name": "click", "value": 1.0, "surface": "home", "position": 7},
        {"fact": "exposed", "decision": "d", "positions": [0, 7]},
    ],
)
def test_what_came_for_a_position_that_its_slate_lacks_is_said(tmp_path: Path, came: dict[str, object]) -> None:
    picks = [{"item": "a", "position": 0, "propensity": 1.0, "score": 0.0}]
    every = [
        {"fact": "surfaceput", "name": "home", "definition": {}},
        DECIDED | {"picks": picks, "as_of": 0},
        {"fact": "exposed", "decision": "d", "positions": [0]},
        {"fact": "rewarded", "decision": "older", "name": "click", "value": 1.0, "surface": "home", "position": 7},
        came,
    ]
    path = written(tmp_path, *(json.dumps({"seq": n, "at": 0.0, "fact": one}) for n, one in enumerate(every, 1)))
    refused = Refused()
    assert [one.what.seq for one in jsonl.read(path, Target(MemoryLog(), NOON), refused)] == [1, 2, 3, 4]
    assert "decision 'd': position is 7, must be one of those it shows: 0; get the file" in refused.first[0].reason


def test_empty_file_says_nothing(tmp_path: Path) -> None:
    assert facts(written(tmp_path)) == []


def test_same_entries_are_written_as_the_same_bytes(tmp_path: Path) -> None:
    entries = [Entry(1, NOON, ItemPut("a"))]
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        assert jsonl.write(entries, tmp_path / name) == 1
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_line_says_seq_time_and_fact(tmp_path: Path) -> None:
    jsonl.write([Entry(1, 0.1, ItemPut("a", {"price": 3.5}))], tmp_path / "log.jsonl")
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {
        "seq": 1,
        "at": 0.1,
        "fact": {"fact": "itemput", "item": "a", "features": {"price": 3.5}},
    }


def test_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("what was there before")

    def failing() -> object:
        yield Entry(1, NOON, ItemPut("a"))
        raise RuntimeError("the log went away")

    with pytest.raises(RuntimeError):
        jsonl.write(failing(), path)
    assert path.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [path]
