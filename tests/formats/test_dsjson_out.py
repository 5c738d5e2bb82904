import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vowpalwabbit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandstand.configuration import raw
from bandstand.events import (
    Assignment,
    Decided,
    Draft,
    Exposed,
    Inline,
    Pick,
    Request,
    Rewarded,
    Source,
    SurfacePut,
)
from bandstand.features import context_features
from bandstand.formats.transfer import export, import_
from bandstand.stats.offpolicy import ips
from bandstand.stats.weights import WeightedSums
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Surface

NOON = 1_795_000_000.0
GOLDEN = Path(__file__).parents[1] / "golden" / "history.jsonl.gz"
TEA, MILK = (
    Inline("tea", {"price": 2.5, "_label": "kept"}),
    Inline("milk", {"tags": ["cold", "_white"], "vector": [0.5, 1.0]}),
)


def facts(log: MemoryLog, kind: type) -> list[Any]:
    return [entry.fact for entry in log.read(limit=10**6) if isinstance(entry.fact, kind)]


def decided(decision: str = "d", *items: Inline, **request: Any) -> Decided:
    picks = tuple(
        Pick(one.item, at, 0.25 + at / 4, 0.7, (Source("trending", 1.0, 0),), "because", features=one.features)
        for at, one in enumerate(items or (TEA,))
    )
    candidates = request.pop("candidates", (TEA, MILK))
    request = {"context": {"device": "mobile", "age": 3}, "user": "u", "n": len(picks)} | request
    asked = Request("home", NOON, candidates=candidates, **request)
    return Decided(
        decision,
        asked,
        "default",
        picks,
        0,
        user={"newcomer": 1.0},
        context=context_features(asked),
        teaches=("default",),
        imported=True,
    )


def logged(*facts: Any) -> MemoryLog:
    log = MemoryLog()
    log.append([Draft(SurfacePut("home", raw(Surface(rewards={"buy": 10.0, "click": 1.0}))), NOON)])
    log.append([Draft(fact, NOON + at) for at, fact in enumerate(facts)])
    return log


def lines(log: MemoryLog, folder: Path) -> list[dict[str, Any]]:
    export(log, "dsjson", folder / "out.dsjson")
    return [json.loads(line) for line in (folder / "out.dsjson").read_bytes().splitlines()]


def again(folder: Path) -> MemoryLog:
    log = MemoryLog()
    assert import_(log, "dsjson", [folder / "out.dsjson"], now=NOON).refused.first == []
    return log


def read_by_vw(folder: Path, flags: str, chosen: Callable[[dict[str, Any]], bool] = lambda line: True) -> Any:
    """Vowpal Wabbit after it has read the lines of the file; it says what it could not read in its log alone."""
    kept = [line for line in (folder / "out.dsjson").read_bytes().splitlines() if chosen(json.loads(line))]
    (folder / "kept.dsjson").write_bytes(b"".join(line + b"\n" for line in kept))
    vw = vowpalwabbit.Workspace(f"--dsjson {flags} --strict_parse -d {folder / 'kept.dsjson'}", enable_logging=True)
    vw.run_parser()
    vw.finish()
    said = "\n".join(vw.get_log())
    assert "error" not in said
    skipped = sum(json.loads(line).get("_skipLearn", False) for line in kept)
    assert f"number of examples = {len(kept) - skipped}" in said
    return vw


def test_slate_of_one_is_a_line_of_one_slot(tmp_path: Path) -> None:
    fact = decided()
    rewards = [Rewarded("d", "buy", 2.0, "home", 0, key="k"), Rewarded("d", "view", 1.0, "home", 0)]
    (line,) = lines(logged(fact, *rewards), tmp_path)
    assert line["_label_cost"] == -20.0  # by what the surface says that each is worth
    assert (line["_label_Action"], line["_labelIndex"], line["_label_probability"]) == (1, 0, 0.25)
    assert (line["EventId"], line["Timestamp"]) == ("d", "2026-11-18T11:06:40.000000Z")
    assert line["c"]["c"] == {"device": "mobile", "age": 3}
    assert line["c"]["u"] == {"newcomer": 1.0}
    assert [one["_tag"] for one in line["c"]["_multi"]] == ["tea", "milk"]
    assert line["c"]["_multi"][0]["i"] == {"price": 2.5, "._label": "kept"}


def test_longer_slate_has_a_cost_in_every_slot_and_shares_what_came_for_all(tmp_path: Path) -> None:
    rewards = [Rewarded("d", "click", 1.0, "home", 1), Rewarded("d", "buy", 1.0, "home")]
    (line,) = lines(logged(decided("d", MILK, TEA), *rewards), tmp_path)
    outcomes = [(one["_label_cost"], one["_a"], one["_p"]) for one in line["_outcomes"]]
    assert outcomes == [(-5.0, [1], [0.25]), (-6.0, [0], [0.5])]
    assert len(line["c"]["_slots"]) == 2


def test_what_nobody_saw_is_not_to_be_learned(tmp_path: Path) -> None:
    hidden, seen = decided("hidden", shown=False), decided("seen", shown=False)
    first, second = lines(logged(hidden, seen, Exposed("seen", (0,))), tmp_path)
    assert (first["_skipLearn"], first["DeferredAction"]) == (True, True)
    assert "_skipLearn" not in second
    assert facts(again(tmp_path), Exposed) == [Exposed("seen", (0,))]


def test_slots_that_nobody_saw_have_no_cost_to_learn_from(tmp_path: Path) -> None:
    told = [Exposed("d", (0,)), Rewarded("d", "click", 1.0, "home", 0)]
    log = logged(decided("d", MILK, TEA, shown=False), decided("e", MILK, TEA), *told)
    first, second = lines(log, tmp_path)
    assert [one.get("_label_cost") for one in first["_outcomes"]] == [-1.0, None]
    assert [one.get("_label_cost") for one in second["_outcomes"]] == [0.0, 0.0]
    assert "_skipLearn" not in first
    assert facts(again(tmp_path), Decided)[0].picks == facts(log, Decided)[0].picks
    weights = []
    for changed in ({}, {"_label_cost": -9.0}):
        slots = [first["_outcomes"][0], first["_outcomes"][1] | changed]
        (tmp_path / "out.dsjson").write_text(json.dumps(first | {"_outcomes": slots}) + "\n")
        weights.append(learned(tmp_path))
    empty = [first["_outcomes"][0], {}]
    (tmp_path / "out.dsjson").write_text(json.dumps(first | {"_outcomes": empty}) + "\n")
    assert weights[0] == learned(tmp_path)  # as if the slot had no outcome at all
    assert weights[0] != weights[1]


def learned(folder: Path) -> list[float]:
    vw = vowpalwabbit.Workspace(
        f"--dsjson --ccb_explore_adf --strict_parse --quiet -b 10 -d {folder / 'out.dsjson'}", enable_logging=False
    )
    vw.run_parser()
    found = [vw.get_weight(index) for index in range(2**10)]
    vw.finish()
    return found


def test_what_dsjson_says_of_all_actions_comes_back(tmp_path: Path) -> None:
    multi = [{"_tag": name, "i": {"x": at}} for at, name in enumerate("abc")]
    one = {"_label_cost": -1.0, "_label_probability": 0.5, "_label_Action": 2, "_labelIndex": 1, "pdrop": 0.1}
    one |= {"EventId": "e1", "a": [2, 3, 1], "p": [0.5, 0.3, 0.2], "c": {"_multi": multi}}
    two = {"EventId": "e2", "pdrop": 0.3, "c": {"_multi": multi, "_slots": [{}, {}]}}
    two["_outcomes"] = [
        {"_label_cost": -1.0, "_a": [2, 0, 1], "_p": [0.7, 0.2, 0.1]},
        {"_label_cost": 0.0, "_a": [1, 0], "_p": [0.6, 0.4]},
    ]
    (tmp_path / "in.dsjson").write_text("".join(json.dumps(line) + "\n" for line in (one, two)))
    log = MemoryLog()
    assert not import_(log, "dsjson", [tmp_path / "in.dsjson"], now=NOON).refused.count
    for back, line in zip(lines(log, tmp_path), (one, two), strict=True):
        for one in back.get("_outcomes", ()):
            one.pop("_o", None)
        for name in ("pdrop", "a", "p", "_outcomes", "_label_cost", "_label_probability", "_label_Action"):
            assert back.get(name) == line.get(name), name
    assert facts(again(tmp_path), Decided) == facts(log, Decided)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"EventId": "other"}, "EventId is 'other', must be the decision's, 'd'"),
        ({"_label_probability": 2.0}, "the probability is 2.0, must be above 0 and at most 1"),
        ({"_label_Action": 2, "_labelIndex": 1}, "action 1 was chosen, must be the one of 'tea'"),
        ({"o": [{"v": 1, "name": "click", "Index": 7}]}, "Index is 7, must be a position of the slate: 0"),
        ({"o": [{"v": "NaN", "name": "click"}]}, "v is 'NaN', must be a finite number"),
        ({"c": {"_multi": [{}]}}, "an action has no _tag"),
        ({"c": {"c": 3, "_multi": [{"_tag": "tea"}]}}, "namespace 'c' is '3', must be an object"),
        ({"bandstand": 3}, "Expected `object | null`, got `int`"),
    ],
)
def test_line_of_ours_that_somebody_changed_is_left_out(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    (line,) = lines(logged(decided()), tmp_path)
    (tmp_path / "changed").write_text(json.dumps(line | change))
    log = MemoryLog()
    (refusal,) = import_(log, "dsjson", [tmp_path / "changed"], now=NOON).refused.first
    assert words in refusal.reason
    assert log.head() == 0


def test_interleaved_and_empty_slates_are_left_out(tmp_path: Path) -> None:
    from msgspec.structs import replace

    mixed = replace(decided("mixed"), assignments=(Assignment("x", "interleaved", "x"),))
    log = logged(replace(decided("empty"), picks=()), mixed, decided("good"))
    assert [line["EventId"] for line in lines(log, tmp_path)] == ["good"]


def test_candidates_are_those_that_the_server_had(tmp_path: Path) -> None:
    log = MemoryLog()
    import_(log, "jsonl", [GOLDEN], now=NOON)
    out = lines(log, tmp_path)
    assert len(out) > 150
    by_id = {fact.decision: fact for fact in facts(log, Decided)}
    sizes = []
    for line in out:
        fact = by_id[line["EventId"]]
        items = [one["_tag"] for one in line["c"]["_multi"]]
        assert {pick.item for pick in fact.picks} <= set(items)
        assert len(set(items)) == len(items)
        sizes.append(len(items))
        picked = line["_labelIndex"] if "_labelIndex" in line else line["_outcomes"][0]["_a"][0]
        assert items[picked] == fact.picks[0].item
    assert max(sizes) > 20


def test_golden_log_comes_back_as_it_was(tmp_path: Path) -> None:
    log = MemoryLog()
    import_(log, "jsonl", [GOLDEN], now=NOON)
    lines(log, tmp_path)
    back = again(tmp_path)
    before = {fact.decision: fact for fact in facts(log, Decided)}
    after = facts(back, Decided)
    assert len(after) > 150
    for fact in after:
        was = before[fact.decision]
        assert [_told(pick) for pick in fact.picks] == [_told(pick) for pick in was.picks]
        assert (fact.user, fact.context, fact.request.context) == (was.user, was.context, was.request.context)
        assert (fact.request.user, fact.request.session) == (was.request.user, was.request.session)
    kept = {fact.decision for fact in after}
    assert _rewards(back) == [one for one in _rewards(log) if one[0] in kept]


def _told(pick: Pick) -> tuple[object, ...]:
    return pick.item, pick.position, pick.propensity, pick.score, pick.sources, pick.reason


def _rewards(log: MemoryLog) -> list[tuple[object, ...]]:
    return sorted(
        (
            one.fact.decision,
            one.fact.name,
            one.fact.value,
            -1 if one.fact.position is None else one.fact.position,
            one.at,
        )
        for one in log.read(limit=10**6)
        if isinstance(one.fact, Rewarded)
    )


def test_vowpal_wabbit_reads_what_a_server_logged(tmp_path: Path) -> None:
    log = MemoryLog()
    import_(log, "jsonl", [GOLDEN], now=NOON)
    lines(log, tmp_path)
    read_by_vw(tmp_path, "--cb_explore_adf", lambda line: "_outcomes" not in line)
    vw = read_by_vw(tmp_path, "--ccb_explore_adf", lambda line: "_outcomes" in line)
    assert vw.get_sum_loss() < 0.0  # rewards came, as costs below 0


def foreign(path: Path, rows: int = 400) -> None:
    """A log whose logger prefers low numbers and whose rewards prefer high ones."""
    rng = np.random.default_rng(7)
    with gzip.open(path, "wt") as file:
        for row in range(rows):
            chances = rng.dirichlet([3.0, 2.0, 1.0, 1.0])
            index = int(rng.choice(4, p=chances))
            reward = float(rng.random() < 0.2 * index)
            line = {
                "_label_cost": -reward,
                "_label_probability": float(chances[index]),
                "_label_Action": index + 1,
                "_labelIndex": index,
                "a": [index + 1],
                "p": [float(chances[index])],
                "EventId": f"e{row}",
                "Timestamp": "2021-02-04T16:31:29Z",
                "c": {"U": {"vip": bool(row % 2)}, "_multi": [{"_tag": f"a{at}", "A": {"x": at}} for at in range(4)]},
            }
            file.write(json.dumps(line) + "\n")


@pytest.mark.parametrize("rewritten", [False, True])
def test_vowpal_wabbit_estimates_what_we_estimate(tmp_path: Path, rewritten: bool) -> None:
    # With epsilon 1 its policy is uniform, learned or not, and its average loss the mean cost weighted by 1/(4 p).
    foreign(tmp_path / "in.gz")
    log = MemoryLog()
    import_(log, "dsjson", [tmp_path / "in.gz"], now=NOON)
    if rewritten:
        lines(log, tmp_path)
    else:
        (tmp_path / "out.dsjson").write_bytes(gzip.decompress((tmp_path / "in.gz").read_bytes()))
    vw = read_by_vw(tmp_path, "--cb_explore_adf --epsilon 1")
    earned = {fact.decision: fact.value for fact in facts(log, Rewarded)}
    picks = [(fact.decision, fact.picks[0].propensity) for fact in facts(log, Decided)]
    ours = ips(
        WeightedSums.of(
            np.array([earned.get(decision, 0.0) for decision, _ in picks]),
            np.array([0.25 / propensity for _, propensity in picks]),
        )
    )
    assert -vw.get_sum_loss() / vw.get_weighted_examples() == pytest.approx(ours.value, rel=1e-5)  # it has floats


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
SCALARS = (
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
)
LISTS = st.lists(NAMES, unique=True, min_size=1, max_size=3) | st.lists(
    st.floats(allow_nan=False, allow_infinity=False), max_size=3
)
FEATURES = st.dictionaries(NAMES, SCALARS | LISTS, max_size=5)
IDS = st.text(st.characters(exclude_categories=("Cs", "Zs", "Cc")), min_size=1, max_size=8)
SHARES = st.floats(1e-6, 1.0)


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Decisions among candidates that they describe, and what came of them."""
    out: list[Any] = []
    for number in range(draw(st.integers(1, 3))):
        items = draw(st.lists(IDS, unique=True, min_size=1, max_size=4))
        named = tuple(Inline(item, draw(FEATURES)) for item in items)
        length = draw(st.integers(1, len(named)))
        asked = Request(
            "home",
            NOON + number,
            user=draw(st.none() | IDS),
            n=length,
            context=draw(st.dictionaries(NAMES, SCALARS, max_size=4)),
            candidates=named,
            first_position=(first := draw(st.integers(0, 3))),
        )
        picks = tuple(
            Pick(one.item, first + at, draw(SHARES), draw(st.floats(-9, 9)), features=one.features)
            for at, one in enumerate(draw(st.permutations(named))[:length])
        )
        out.append(
            Decided(
                f"d{number}",
                asked,
                "default",
                picks,
                0,
                context=context_features(asked),
                user={"x": 0.5},
                teaches=("default",),
                imported=True,
            )
        )
        for at in range(draw(st.integers(0, 3))):
            pick = draw(st.none() | st.sampled_from(picks))
            value = draw(st.floats(-1e6, 1e6))
            place, item = (None, None) if pick is None else (pick.position, pick.item)
            out.append(Rewarded(f"d{number}", "click", value, "home", place, item, asked.user, key=f"{at}"))
    return out


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_any_log_comes_back_as_it_was_and_vowpal_wabbit_reads_it(tmp_path: Path, history: list[Any]) -> None:
    log = logged(*history)
    out = lines(log, tmp_path)
    back = again(tmp_path)
    assert facts(back, Decided) == facts(log, Decided)
    assert facts(back, Rewarded) == [
        one for fact in facts(log, Decided) for one in facts(log, Rewarded) if one.decision == fact.decision
    ]
    for line in out:
        assert len(told(line, "--ccb_explore_adf")) == 1 + len(line["c"]["_multi"]) + len(line.get("_outcomes", [1]))
    assert lines(back, tmp_path) == out


OWN_NAMES = st.text("ab|_ .:é", max_size=4)
SPACES = st.recursive(
    st.dictionaries(OWN_NAMES, SCALARS | st.none(), max_size=4),
    lambda inner: st.dictionaries(
        OWN_NAMES, inner | SCALARS | st.lists(inner | st.integers(0, 9), max_size=3), max_size=3
    ),
    max_leaves=6,
)


@st.composite
def dsjson(draw: st.DrawFn) -> dict[str, Any]:
    actions = draw(st.lists(SPACES, min_size=1, max_size=4))
    shape = draw(st.sampled_from(["cb", "ccb", "slates"]))
    line: dict[str, Any] = {"EventId": "e", "Timestamp": "2021-02-04T16:31:29Z"}
    context = draw(SPACES) | {"_multi": actions}
    if shape == "cb":
        index = draw(st.integers(0, len(actions) - 1))
        share = draw(SHARES)
        label = {"_label_cost": draw(st.floats(-9, 9)), "_label_probability": share, "_labelIndex": index}
        label |= {"_label_Action": index + 1, "a": [index + 1], "p": [share]}
        return line | label | {"c": context}
    chosen = draw(st.permutations(range(len(actions))))[: draw(st.integers(1, len(actions)))]
    outcomes = [{"_a": [at], "_p": [draw(SHARES)]} for at in chosen]
    if shape == "slates":
        context["_multi"] = [one | {"_slot_id": at} for at, one in enumerate(actions)]
        line["_label_cost"] = draw(st.floats(-9, 9))
    else:
        outcomes = [one | {"_label_cost": draw(st.floats(-9, 9))} for one in outcomes]
    return line | {"c": context | {"_slots": [draw(SPACES) for _ in chosen]}, "_outcomes": outcomes}


CONTEXT = {"U": {"age": 30, "_id": 7}, "plain": "x y", "price=0.5": 1, "v": [1, 2.5, {"q": True}], "n": {"m": {"f": 2}}}
ACTIONS = [{"_tag": "a", "A": {"x": 1}}, {"A": [{"x": 2}, {"k": "t"}], "B": {"_text": "two words"}}, {"A": {"x": 3}}]
ALIKE: dict[str, dict[str, Any]] = {
    "--cb_explore_adf": {
        "_label_cost": -1.5,
        "_label_probability": 0.25,
        "_label_Action": 2,
        "_labelIndex": 1,
        "a": [2, 1, 3],
        "p": [0.25, 0.5, 0.25],
        "c": CONTEXT | {"_multi": ACTIONS},
    },
    "--ccb_explore_adf": {
        "c": CONTEXT | {"_multi": ACTIONS, "_slots": [{"_id": "top", "S": {"large": 1}}, {"_inc": [0, 1], "s": 2}]},
        "_outcomes": [
            {"_label_cost": 0, "_a": [2, 0, 1], "_p": [0.5, 0.25, 0.25]},
            {"_label_cost": -1, "_a": [1, 0], "_p": [0.5, 0.5]},
        ],
    },
    "--slates": {
        "_label_cost": -2.0,
        "c": CONTEXT
        | {
            "_multi": [one | {"_slot_id": min(at, 1)} for at, one in enumerate(ACTIONS)],
            "_slots": [{"s": 1}, {"s": 2}],
        },
        "_outcomes": [{"_a": [0], "_p": [1.0]}, {"_a": [2, 1], "_p": [0.8, 0.2]}],
    },
}


@pytest.mark.parametrize("flags", ALIKE)
def test_vowpal_wabbit_finds_the_same_features_after_a_round_trip(tmp_path: Path, flags: str) -> None:
    line = {"EventId": "e", "Timestamp": "2021-02-04T16:31:29Z"} | ALIKE[flags]
    (tmp_path / "in.dsjson").write_text(json.dumps(line))
    log = MemoryLog()
    assert import_(log, "dsjson", [tmp_path / "in.dsjson"], now=NOON).refused.first == []
    (back,) = lines(log, tmp_path)
    ours = read_by_vw(tmp_path, flags).get_log()
    (tmp_path / "out.dsjson").write_text(json.dumps(line) + "\n")
    assert read_by_vw(tmp_path, flags).get_log()[-3:] == ours[-3:]  # weights, loss, and how many features there were
    if flags != "--slates":  # these it only parses in its own driver
        assert told(back, flags) == told(line, flags)


def told(line: dict[str, Any], flags: str) -> list[object]:
    """What Vowpal Wabbit understands: the features of each of its examples."""
    if flags not in WORKSPACES:
        WORKSPACES[flags] = vowpalwabbit.Workspace(f"--dsjson {flags} --strict_parse --quiet --chain_hash")
    vw = WORKSPACES[flags]
    examples = vw.parse(json.dumps(line))
    found: list[object] = [sorted((index % 2**18, value) for index, value in one.iter_features()) for one in examples]
    vw.finish_example(examples)
    return found


WORKSPACES: dict[str, Any] = {}


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=dsjson())
def test_any_line_means_the_same_after_a_round_trip(tmp_path: Path, line: dict[str, Any]) -> None:
    (tmp_path / "in.dsjson").write_text(json.dumps(line))
    log = MemoryLog()
    report = import_(log, "dsjson", [tmp_path / "in.dsjson"], now=NOON)
    if report.refused.first:
        assert "is there twice" in report.refused.first[0].reason
        return
    (back,) = lines(log, tmp_path)
    assert back.get("_labelIndex") == line.get("_labelIndex")
    assert back.get("_label_probability") == line.get("_label_probability")
    assert math.isclose(back.get("_label_cost", 0.0), line.get("_label_cost", 0.0))
    kept = ("_a", "_p", "_label_cost")
    assert [[one.get(name) for name in kept] for one in back.get("_outcomes", ())] == [
        [one.get(name) for name in kept] for one in line.get("_outcomes", ())
    ]
    assert facts(again(tmp_path), Decided) == facts(log, Decided)
