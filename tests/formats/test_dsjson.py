import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bandstand.errors import InputError
from bandstand.events import Decided, Exposed, Inline, Rewarded
from bandstand.formats.transfer import Imported, import_
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0
CB: dict[str, Any] = {
    "_label_cost": -1.5,
    "_label_probability": 0.2,
    "_label_Action": 3,
    "_labelIndex": 2,
    "o": [{"v": 1.5, "EventId": "e1", "ActionTaken": False}],
    "Timestamp": "2021-02-04T16:31:29.2460000Z",
    "Version": "1",
    "EventId": "e1",
    "a": [3, 1, 2],
    "c": {
        "User": {"age": 30, "_id": "not a feature"},
        "vip": True,
        "_multi": [
            {"_tag": "tea", "i": {"price": 2.5}},
            {"i": {"id": "milk"}, "j": [{"kind": "cold"}, {"size": 3}]},
            {"topic": "coffee"},
        ],
    },
    "p": [0.2, 0.4, 0.4],
    "VWState": {"m": "model 7"},
}
CCB: dict[str, Any] = {
    "Timestamp": "2021-04-26T17:23:28.1726275",
    "EventId": "e2",
    "c": {
        "weather": "sunny",
        "_multi": [{"_tag": name} for name in "abc"],
        "_slots": [{"_id": "top", "size": "large"}, {"_inc": [0, 1]}],
    },
    "_outcomes": [
        {"_label_cost": 0.0, "_a": [2, 0, 1], "_p": [0.5, 0.25, 0.25], "_o": []},
        {"_label_cost": -0.4, "_a": 0, "_p": 0.75, "_o": [{"v": 0.4}]},
    ],
}
SLATES: dict[str, Any] = {
    "_label_cost": -2.0,
    "EventId": "e3",
    "c": {"_multi": [{"_slot_id": 0}, {"_slot_id": 0, "x": 1}, {"_slot_id": 1, "x": 2}], "_slots": [{}, {}]},
    "_outcomes": [{"_a": [1, 0], "_p": [0.8, 0.2]}, {"_a": [2], "_p": [1.0]}],
}


def read(folder: Path, *lines: object, log: MemoryLog | None = None) -> tuple[MemoryLog, Imported]:
    path = folder / "log.dsjson"
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    log = MemoryLog() if log is None else log
    return log, import_(log, "dsjson", [path], now=NOON)


def facts(log: MemoryLog, kind: type) -> list[Any]:
    return [entry.fact for entry in log.read(limit=10_000) if isinstance(entry.fact, kind)]


def reasons(report: Imported) -> list[str]:
    return [one.reason for one in report.refused.first]


def test_line_of_one_slot_becomes_a_decision_and_its_reward(tmp_path: Path) -> None:
    log, report = read(tmp_path, CB)
    assert reasons(report) == []
    (decided,), (reward,) = facts(log, Decided), facts(log, Rewarded)
    (pick,) = decided.picks
    assert (decided.decision, decided.imported, decided.scored_by) == ("e1", True, "model 7")
    assert decided.request.time == 1612456289.246
    assert decided.request.context == {"User|age": 30, "vip": True}
    assert (pick.position, pick.propensity, pick.features) == (0, 0.2, {"topic": "coffee"})
    assert (reward.position, reward.item, reward.name, reward.value) == (0, pick.item, "reward", 1.5)  # minus the cost


def test_actions_are_known_by_tag_or_id_or_else_by_what_is_said_of_them(tmp_path: Path) -> None:
    log, _ = read(tmp_path, CB, CB | {"EventId": "again", "c": CB["c"] | {"User": {"age": 31}}})
    first, second = (decided.request.candidates for decided in facts(log, Decided))
    assert first == second
    assert first[:2] == (
        Inline("tea", {"i|price": 2.5}),
        Inline("milk", {"i|id": "milk", "j|kind": "cold", "j|size": 3}),
    )
    assert re.fullmatch("[0-9a-f]{16}", first[2].item)


def test_actions_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    log, _ = read(tmp_path, CB | {"c": {"_multi": [{"_tag": "a"}, {"_tag": "a"}, {"_tag": "a"}]}})
    (decided,) = facts(log, Decided)
    assert [one.item for one in decided.request.candidates] == ["a", "a#2", "a#3"]
    assert decided.picks[0].item == "a#3"


def test_line_of_several_slots_has_a_pick_and_a_reward_for_each(tmp_path: Path) -> None:
    log, report = read(tmp_path, CCB)
    assert reasons(report) == []
    (decided,) = facts(log, Decided)
    assert [(pick.item, pick.position, pick.propensity) for pick in decided.picks] == [("c", 0, 0.5), ("a", 1, 0.75)]
    assert decided.request.context == {
        "weather": "sunny",
        "slot 0|size": "large",
        "slot 0|_id": "top",
        "slot 1|_inc": "0,1",
    }
    assert [(one.position, one.value) for one in facts(log, Rewarded)] == [(1, 0.4)]


def test_line_of_slates_has_one_reward_for_all_its_slots(tmp_path: Path) -> None:
    log, report = read(tmp_path, SLATES)
    assert reasons(report) == []
    (decided,), (reward,) = facts(log, Decided), facts(log, Rewarded)
    assert [pick.propensity for pick in decided.picks] == [0.8, 1.0]
    assert [one.features["_slot_id"] for one in decided.request.candidates] == [0, 0, 1]
    assert (reward.position, reward.value) == (None, 2.0)


def test_decision_that_nobody_saw_is_not_shown_and_one_that_was_activated_is(tmp_path: Path) -> None:
    deferred = CB | {"DeferredAction": True, "_skipLearn": True, "o": []}
    activated = CB | {"EventId": "e2", "DeferredAction": True, "o": [{"EventId": "e2", "ActionTaken": True}]}
    older = CB | {"EventId": "e3", "DeferredAction": True, "o": [{"EventId": "e3", "DeferredAction": False}]}
    log, _ = read(tmp_path, deferred, activated, older)
    assert [(one.request.shown, one.teaches) for one in facts(log, Decided)] == [
        (False, ()),
        (False, ("default",)),
        (False, ("default",)),
    ]
    assert [one.decision for one in facts(log, Exposed)] == ["e2", "e3"]


def test_chances_of_all_actions_and_of_having_been_dropped_are_kept(tmp_path: Path) -> None:
    log, report = read(tmp_path, CB | {"pdrop": 0.75}, CCB)
    assert not report.refused.count
    one, two = facts(log, Decided)
    third, first = one.picks[0].item, "tea"
    assert (one.dropped, two.dropped) == (0.75, 0.0)
    assert one.picks[0].chances == {third: 0.2, first: 0.4, "milk": 0.4}
    assert [pick.chances for pick in two.picks] == [{"c": 0.5, "a": 0.25, "b": 0.25}, {}]


@pytest.mark.parametrize(
    "change", [{"p": [0.2, 0.4]}, {"a": [3, 1, 7]}, {"a": [3, 1, 1]}, {"a": [1, 3, 2]}, {"p": [0.2, "NaN", 0.4]}]
)
def test_chances_that_fit_no_actions_are_not_kept(tmp_path: Path, change: dict[str, object]) -> None:
    (decided,) = facts(read(tmp_path, CB | change)[0], Decided)
    assert (decided.picks[0].propensity, decided.picks[0].chances) == (0.2, {})


def test_reward_without_its_decision_is_kept_where_the_log_has_the_decision(tmp_path: Path) -> None:
    late = {"RewardValue": 0.25, "EnqueuedTimeUtc": "2021-02-04T18:00:00Z", "EventId": "e1", "Observations": []}
    log, report = read(tmp_path, CB, late, late | {"EventId": "nobody's"})
    assert [one.value for one in facts(log, Rewarded)] == [1.5, 0.25]
    assert reasons(report) == [
        'EventId is "nobody\'s", a decision that the log does not hold; import its decision first'
    ]
    assert report.refused.first[0].line == 3
    _, again = read(tmp_path, late, log=log)  # from a file of its own, as a service divides them
    assert (again.stored, again.duplicates) == (0, 1)


def test_reward_of_zero_is_kept_where_one_came(tmp_path: Path) -> None:
    none, zero = CB | {"_label_cost": -0.0, "o": []}, CB | {"_label_cost": -0.0, "EventId": "e2", "o": [{"v": 0.0}]}
    log, _ = read(tmp_path, none, zero)
    (reward,) = facts(log, Rewarded)
    assert (reward.decision, reward.value, str(reward.value)) == ("e2", 0.0, "0.0")


def test_line_without_time_or_id_happens_now_and_stands_for_itself(tmp_path: Path) -> None:
    line = {name: CB[name] for name in CB if name not in ("EventId", "Timestamp")}
    log, _ = read(tmp_path, line, line)
    first, second = facts(log, Decided)
    assert first.request.time == NOON
    assert first.decision != second.decision
    later = import_(log, "dsjson", [tmp_path / "log.dsjson"], now=NOON + 3600)
    assert (later.stored, later.refused.count) == (0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_label_probability": 0}, "probability is 0.0, must be above 0 and at most 1"),
        ({"_label_probability": -0.1}, "probability is -0.1, must be above 0"),
        ({"_label_probability": 1.5}, "probability is 1.5, must be above 0 and at most 1"),
        ({"_label_probability": "NaN"}, "probability is NaN, must be above 0 and at most 1"),
        ({"_label_probability": None, "p": []}, "probability is missing, must be above 0 and at most 1"),
        ({"_label_cost": "NaN"}, "the cost is 'NaN', must be a finite number"),
        ({"_label_Action": 2}, "_label_Action is 2 and _labelIndex is 2, must be one less"),
        ({"_label_Action": 9, "_labelIndex": 8}, "action 8 was chosen, must be one of the 3 in _multi"),
        ({"_label_Action": None, "_labelIndex": None, "a": []}, "it says of no action that it was chosen"),
        ({"pdrop": 1.0}, "pdrop is 1.0, must be at least 0 and below 1"),
        ({"pdrop": -0.5}, "pdrop is -0.5, must be at least 0 and below 1"),
        ({"Timestamp": "2121-01-01T00:00:00Z"}, "in the future"),
        ({"Timestamp": "soon"}, "time is 'soon'"),
        ({"c": {}}, "no actions in _multi"),
        ({"c": {"_multi": [{"__aid": 7}]}}, "an action of _multi is not described"),
        ({"c": CB["c"] | {"x": {"a": ["text"]}}}, "'a' lists 'text', must list numbers or objects"),
        ({"c": CB["c"] | {"x": [{"a": 1}, {"a": 2}]}}, "feature 'x|a' is there twice"),
        ({"EventId": "x" * 300}, "must have from 1 to 256 characters"),
    ],
)
def test_bad_line_is_left_out_and_says_why(tmp_path: Path, change: dict[str, object], words: str) -> None:
    log, report = read(tmp_path, CB, CB | {"EventId": "bad"} | change, CB | {"EventId": "e3"})
    assert [one.line for one in report.refused.first] == [2]
    assert words in reasons(report)[0]
    assert [one.decision for one in facts(log, Decided)] == ["e1", "e3"]


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (CCB["_outcomes"] * 2, "_outcomes has 4 entries, must have one for each of the 2 slots"),
        ([], "_outcomes has 0 entries"),
        ([CCB["_outcomes"][0]] * 2, "slot 1: action 2 was chosen above already"),
        ([{"_a": [0]}], "slot 0: the probability is missing"),
    ],
)
def test_outcomes_that_fit_no_slot_are_left_out(tmp_path: Path, outcomes: list[object], words: str) -> None:
    _, report = read(tmp_path, CCB | {"_outcomes": outcomes})
    assert words in reasons(report)[0]


def test_slate_with_fewer_outcomes_than_slots_is_as_long_as_what_was_shown(tmp_path: Path) -> None:
    log, _ = read(tmp_path, CCB, CCB | {"EventId": "short", "_outcomes": CCB["_outcomes"][:1]})
    assert [len(one.picks) for one in facts(log, Decided)] == [2, 1]


def test_repeated_decision_with_other_contents_is_left_out_with_its_reward(tmp_path: Path) -> None:
    other = CB | {"_label_probability": 0.3, "_label_cost": -7.0}
    log, report = read(tmp_path, CB | {"_label_cost": 0.0, "o": []}, CB | {"EventId": "e2"}, other)
    assert [(one.line, one.reason) for one in report.refused.first] == [
        (3, "decision 'e1' was read before, with other contents; correct either, or put its rows together")
    ]
    assert [one.decision for one in facts(log, Rewarded)] == ["e2"]
    _, later = read(tmp_path, other, log=log)
    assert (later.stored, later.refused.count) == (0, 1)


def test_second_import_adds_nothing_but_what_came_since(tmp_path: Path) -> None:
    log, _ = read(tmp_path, CB | {"_label_cost": 0.0, "o": []}, CCB)
    before = log.head()
    _, again = read(tmp_path, CB | {"_label_cost": 0.0, "o": []}, CCB, log=log)
    assert (again.stored, again.refused.count, log.head()) == (0, 0, before)
    read(tmp_path, CB, CCB, log=log)  # the same day, joined again later
    assert log.head() == before + 1


def test_lines_in_other_encodings_or_cut_short_are_left_out(tmp_path: Path) -> None:
    umlaut = json.dumps(CB | {"EventId": "ü"}, ensure_ascii=False)
    log, report = read(
        tmp_path,
        b"\xef\xbb\xbf" + umlaut.encode(),
        umlaut.encode("latin-1"),
        b'["checkpoint"]',
        b"",
        b"[" * 5000,
        b'{"c":' * 5000,
        json.dumps(CB).encode()[:-9],
    )
    assert [one.decision for one in facts(log, Decided)] == ["ü"]
    assert [one.line for one in report.refused.first] == [2, 6, 7]
    assert "convert the file to UTF-8" in reasons(report)[0]


def test_place_in_a_line_at_which_it_is_no_json_is_shown(tmp_path: Path) -> None:
    _, report = read(tmp_path, json.dumps(CB | {"_label_probability": float("nan")}).encode())
    (reason,) = reasons(report)
    assert re.search(r"at '.{0,20}NaN.*it must be JSON as Vowpal Wabbit's --dsjson reads it", reason)


def test_compressed_log_that_is_cut_is_read_to_there(tmp_path: Path) -> None:
    lines = [json.dumps(CB | {"EventId": f"e{n * 7919 % 65536:x}"}) for n in range(3000)]
    whole = gzip.compress("\n".join(lines).encode())
    (tmp_path / "log.gz").write_bytes(whole[: len(whole) // 2])
    log = MemoryLog()
    report = import_(log, "dsjson", [tmp_path / "log.gz"], now=NOON)
    assert "the file is damaged from here on" in reasons(report)[-1]
    assert 500 < len(facts(log, Decided)) < 3000


def test_line_of_a_hundred_megabytes_is_left_out_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "log.dsjson"
    with path.open("wb") as file:
        file.write(b'{"c": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + json.dumps(CB).encode())
    log = MemoryLog()
    report = import_(log, "dsjson", [path], now=NOON)
    assert [one.line for one in report.refused.first] == [1]
    assert len(facts(log, Decided)) == 1


def test_empty_log_and_a_binary_one_say_what_to_do(tmp_path: Path) -> None:
    log, report = read(tmp_path)
    assert log.head() == 0
    assert reasons(report) == [
        "nothing is in it, must hold decisions as Vowpal Wabbit, Azure Personalizer or the learning loop log them; "
        "check the file"
    ]
    with pytest.raises(InputError, match="is a binary log; write it as dsjson"):
        read(tmp_path, b"VWFB\1\0\0\0")
