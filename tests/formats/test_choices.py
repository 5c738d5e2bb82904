import doctest
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet

from bandstand.errors import InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.events import Decided, Inline, Interacted, ItemPut, Rewarded
from bandstand.formats import frame
from bandstand.formats.frame import import_frame
from bandstand.formats.lines import LONGEST_LINE
from bandstand.formats.transfer import Imported, import_
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0
TABLE = """decision_id,position,item_id,propensity,click,reward_buy,user_id,timestamp,device,age,item.price,candidates
d1,1,tea,0.5,1,,u,100,mobile,30,2.5,tea|milk|rum
d1,0,milk,0.25,0,9.5,u,100,mobile,30,,tea|milk|rum
d2,0,rum,1,0,0,,200,desktop,,7,rum
"""


def read(folder: Path, text: str, **columns: str) -> tuple[MemoryLog, Imported]:
    (folder / "table.csv").write_text(text)
    log = MemoryLog()
    return log, import_(log, "csv", [folder / "table.csv"], now=NOON, columns=columns)


def facts(log: MemoryLog, kind: type) -> list[Any]:
    return [entry.fact for entry in log.read(limit=10_000) if isinstance(entry.fact, kind)]


def reasons(report: Imported) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in report.refused.first]


def test_rows_of_a_decision_are_its_picks_with_their_rewards(tmp_path: Path) -> None:
    log, report = read(tmp_path, TABLE)
    assert reasons(report) == []
    first, second = facts(log, Decided)
    assert [(pick.item, pick.position, pick.propensity) for pick in first.picks] == [("milk", 0, 0.25), ("tea", 1, 0.5)]
    assert first.picks[1].features == {"price": 2.5}
    assert (first.request.user, first.request.time, first.request.n) == ("u", 100.0, 2)
    assert first.request.context == {"device": "mobile", "age": 30.0}
    assert first.request.candidates == ("tea", "milk", "rum")
    assert second.request.context == {"device": "desktop"}
    assert [(one.decision, one.position, one.name, one.value) for one in facts(log, Rewarded)] == [
        ("d1", 0, "buy", 9.5),
        ("d1", 1, "click", 1.0),
    ]
    assert [one.item for one in facts(log, ItemPut)] == ["tea", "milk", "rum"]  # to be shown they must be known


def test_decisions_of_a_table_can_be_evaluated(tmp_path: Path) -> None:
    rows = ["item,propensity,reward,candidates", *(f"{'ab'[at % 2]},0.5,{(at % 4 == 1) + 0},a|b" for at in range(400))]
    log, _ = read(tmp_path, "\n".join(rows))
    # Uniform like the logger, so what it earned: one in four.
    (answer,) = evaluate(log, Question(("random",))).answers
    assert answer.estimate is not None
    assert answer.estimate.value == pytest.approx(0.25)


def test_columns_of_other_names_can_be_named(tmp_path: Path) -> None:
    text = "what,p,liked,sold,why,click\na,0.5,1,3,x,0\n"
    names = {"item": "what", "propensity": "p", "reward.like": "liked", "reward.sale": "sold"}
    log, _ = read(tmp_path, text, **names)
    assert [(one.name, one.value) for one in facts(log, Rewarded)] == [("like", 1.0), ("sale", 3.0)]
    assert facts(log, Decided)[0].request.context == {"why": "x"}
    with pytest.raises(InputError, match="there is no column 'gone'; there is: what, p, liked, sold, why"):
        read(tmp_path, text, item="what", propensity="gone")
    for header in ("decision,item", "decision,user,item,click", "request_id,user,item,reward_buy"):
        with pytest.raises(InputError, match="tells of decisions, and none tells how likely each was; say which does"):
            read(tmp_path, header)
    with pytest.raises(InputError, match="no column names the item that was shown"):
        read(tmp_path, text, propensity="p")
    with pytest.raises(InputError, match=r"map bonus=p: role is not known; known: user, .* reward"):
        read(tmp_path, text, bonus="p")


def test_candidates_may_be_described(tmp_path: Path) -> None:
    given = json.dumps([{"item": "a", "price": 3}, {"item": "b"}]).replace('"', '""')
    log, report = read(tmp_path, f'action,pscore,candidates\na,0.5,"{given}"\nz,0.5,"{given}"\n')
    assert facts(log, Decided)[0].request.candidates == (Inline("a", {"price": 3}), Inline("b"))
    assert reasons(report) == [(3, "item is 'z', must be one of the candidates; its decision is left out")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,0,a,0,1", "propensity is 0.0, must be above 0 and at most 1"),
        ("x,0,a,-0.5,1", "propensity is -0.5, must be above 0"),
        ("x,0,a,1.01,1", "propensity is 1.01, must be above 0 and at most 1"),
        ("x,0,a,nan,1", "propensity is nan, must be above 0 and at most 1"),
        ("x,0,a,,1", "propensity is missing, must be above 0"),
        ("x,0,a,0.5,nan", "reward is 'nan', must be a finite number; leave it empty where nothing came"),
        ("x,0,,0.5,1", "it names no item"),
        ("x,-1,a,0.5,1", "position is -1, must be a whole number from 0"),
        ("x,1.5,a,0.5,1", "position is 1.5, must be a whole number"),
        ("good,0,b,0.5,1", "position 0 is there twice, must be once in a decision"),
        ("good,1,a,0.5,1", "item 'a' is there twice, must be once in a decision"),
    ],
)
def test_bad_row_leaves_its_decision_out_and_says_why(tmp_path: Path, row: str, words: str) -> None:
    log, report = read(tmp_path, f"decision,position,item,propensity,reward\ngood,0,a,0.5,1\n{row}\nlast,0,a,0.5,1\n")
    ((line, reason),) = reasons(report)
    assert line == 3
    assert words in reason
    assert reason.endswith("its decision is left out")
    kept = ["last"] if row.startswith("good") else ["good", "last"]
    assert [one.decision for one in facts(log, Decided)] == kept
    assert [one.decision for one in facts(log, Rewarded)] == kept


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (b"half,1,\xe9,0.5,0", 4),
        (b"half,1,b", 4),
        (b"half,1,b\0,0.5,0", 4),
        (b'half,1,"b"x,0.5,0', 4),
        (b"x" * (LONGEST_LINE + 1), 4),
    ],
    ids=["encoding", "cells", "NUL", "quotes", "too long"],
)
def test_decision_of_which_a_row_cannot_be_read_is_left_out_whole(tmp_path: Path, rows: bytes, line: int) -> None:
    head = b"decision,position,item,propensity,reward\nfirst,0,a,0.5,1\nhalf,0,a,0.5,1\n"
    (tmp_path / "table.csv").write_bytes(head + rows + b"\nhalf,2,c,0.5,1\nlast,0,a,0.5,1\n")
    log = MemoryLog()
    report = import_(log, "csv", [tmp_path / "table.csv"], now=NOON)
    assert report.refused.first[0].line == line
    assert [one.decision for one in facts(log, Decided)] == ["first", "last"]
    assert [one.decision for one in facts(log, Rewarded)] == ["first", "last"]


def test_decision_at_which_a_compressed_table_breaks_off_is_left_out(tmp_path: Path) -> None:
    rows = [f"d{n},{at},i{(n * 7919 + at) % 997},0.25,1" for n in range(4000) for at in range(5)]
    packed = gzip.compress("\n".join(["decision,position,item,propensity,reward", *rows]).encode())
    path = tmp_path / "table.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    log = MemoryLog()
    report = import_(log, "csv", [path], now=NOON)
    damaged, cut = (one.reason for one in report.refused.first)
    assert "the file is damaged from here on" in damaged
    assert "stands beside rows that were lost, and may lack them; it is left out" in cut
    lengths = {len(entry.fact.picks) for entry in log.read(limit=100_000) if isinstance(entry.fact, Decided)}
    assert lengths == {5}


def test_line_too_long_leaves_out_the_decisions_on_both_its_sides(tmp_path: Path) -> None:
    long = "x" * (LONGEST_LINE + 1)
    text = f"decision,item,propensity\na,i,0.5\nb,i,0.5\n{long}\nc,i,0.5\nd,i,0.5\n"
    log, report = read(tmp_path, text)
    assert [one.decision for one in facts(log, Decided)] == ["a", "d"]
    assert [line for line, _ in reasons(report)] == [4, 3, 5]


def test_rows_that_stand_alone_do_not_suffer_from_their_neighbours(tmp_path: Path) -> None:
    log, report = read(tmp_path, f"item,propensity\na,0.5\n{'x' * (LONGEST_LINE + 1)}\nb,0.5\nc\nd,0.5\n")
    assert [one.picks[0].item for one in facts(log, Decided)] == ["a", "b", "d"]
    assert [line for line, _ in reasons(report)] == [3, 5]


@pytest.mark.parametrize("given", ["[a", "[" * 5000, '"[{""price"": 3}]"', "a||b", '"[[1]]"'])
def test_candidates_that_are_none_are_left_out(tmp_path: Path, given: str) -> None:
    log, report = read(tmp_path, f"item,propensity,candidates\na,0.5,{given}\na,0.5,a\n")
    assert [line for line, _ in reasons(report)] == [2]
    assert len(facts(log, Decided)) == 1


def test_decision_whose_rows_are_scattered_is_left_out_after_the_first(tmp_path: Path) -> None:
    log, report = read(tmp_path, "decision,item,propensity\nd,a,0.5\ne,a,0.5\nd,b,0.5\n")
    assert reasons(report) == [
        (4, "decision 'd' was read before, with other contents; correct either, or put its rows together")
    ]
    assert [len(one.picks) for one in facts(log, Decided)] == [1, 1]


def test_slates_may_have_different_lengths(tmp_path: Path) -> None:
    log, _ = read(tmp_path, "decision,item,propensity\nd,a,0.5\nd,b,0.5\nd,c,1\ne,a,0.5\n")
    assert [[pick.position for pick in one.picks] for one in facts(log, Decided)] == [[0, 1, 2], [0]]


def test_second_import_adds_nothing(tmp_path: Path) -> None:
    log, _ = read(tmp_path, TABLE)
    before = log.head()
    again = import_(log, "csv", [tmp_path / "table.csv"], now=NOON + 9)
    assert (again.stored, again.refused.count, log.head()) == (0, 0, before)
    timeless = "item,propensity,reward\na,0.5,1\na,0.5,1\n"
    log, _ = read(tmp_path, timeless)
    again = import_(log, "csv", [tmp_path / "table.csv"], now=NOON + 3600)
    assert (len(facts(log, Decided)), again.stored, again.refused.count) == (2, 0, 0)


def columns() -> dict[str, list[Any]]:
    return {
        "decision": ["d1", "d1", "d2"],
        "item": ["a", "b", "a"],
        "propensity": [0.5, 1.0, 0.25],
        "reward_click": [1, 0, 1],
        "time": [100.0, 100.0, 200.0],
        "age": [30, 30, 40],
    }


@pytest.mark.parametrize(
    "made",
    [
        dict,
        lambda held: {name: np.array(values) for name, values in held.items()},
        pandas.DataFrame,
        pyarrow.table,
        lambda held: pyarrow.table(held).to_reader(max_chunksize=2),
    ],
    ids=["lists", "arrays", "pandas", "arrow", "stream"],
)
def test_data_frame_says_what_a_file_does(tmp_path: Path, made: Any) -> None:
    log, same = MemoryLog(), MemoryLog()
    assert import_frame(log, made(columns()), now=NOON).refused.first == []
    parquet.write_table(pyarrow.table(columns()), tmp_path / "table.parquet")
    import_(same, "parquet", [tmp_path / "table.parquet"], now=NOON)
    assert facts(log, Decided) == facts(same, Decided) != []
    assert facts(log, Rewarded) == facts(same, Rewarded) != []


def test_pandas_is_read_without_pyarrow_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "_stream", lambda _: None)  # as where it is not installed
    log = MemoryLog()
    import_frame(
        log, pandas.DataFrame({"user": ["u"], "item": ["a"], "time": [pandas.Timestamp(100, unit="s")]}), now=NOON
    )
    assert [(one.user, one.item, one.time) for one in facts(log, Interacted)] == [("u", "a", 100.0)]


def test_what_is_no_number_in_a_frame_is_no_missing_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    held = columns() | {"reward_click": [1.0, 0.0, float("nan")]}
    for made in (dict, pandas.DataFrame):
        log = MemoryLog()
        (refusal,) = import_frame(log, made(held), now=NOON).refused.first
        assert refusal.reason.startswith("reward_click is 'nan', must be a finite number; leave it empty")
        assert [one.decision for one in facts(log, Decided)] == ["d1"]


def test_what_pandas_knows_to_be_missing_is_missing() -> None:
    held = pandas.DataFrame(columns())
    held["reward_click"] = pandas.array([1, 0, pandas.NA], dtype="Int64")
    held["user"] = [float("nan"), float("nan"), 7.0]
    log = MemoryLog()
    assert import_frame(log, held, now=NOON).refused.first == []
    assert [(one.decision, one.request.user) for one in facts(log, Decided)] == [("d1", None), ("d2", "7")]
    assert [one.decision for one in facts(log, Rewarded)] == ["d1"]


def test_what_is_no_data_frame_says_what_it_must_be() -> None:
    with pytest.raises(InputError, match="data frame: is a int, must be a data frame or a dict of columns"):
        import_frame(MemoryLog(), 3, now=NOON)
    with pytest.raises(InputError, match="must have the same number"):
        import_frame(MemoryLog(), {"item": ["a"], "propensity": [0.5, 0.5]}, now=NOON)


def test_parquet_that_is_cut_says_so(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    parquet.write_table(pyarrow.table(columns()), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cannot be read .* get a new copy"):
        import_(MemoryLog(), "parquet", [path], now=NOON)


def test_example_of_a_data_frame_runs() -> None:
    assert doctest.testmod(frame).failed == 0
