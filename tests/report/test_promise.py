"""What the log promised before an experiment began, beside what it measured: against truths known by hand."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.console import Console
from scipy.stats import binom, norm

from bandstand.chance import bits
from bandstand.cli import bandstand
from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine
from bandstand.errors import InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.events import Draft, ExperimentMoved, ItemPut, Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.model import Model
from bandstand.report import Report, report
from bandstand.report import promise as promises
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.report.result import Promise, Range
from bandstand.store import EventLog
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_log

NOON = 1_795_000_000.0
ITEMS = ("a", "b", "c")
LIKED = {"a": 0.6, "b": 0.3, "c": 0.1}
LEFT, RIGHT = {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.2, "b": 0.3, "c": 0.5}


def table(shares: dict[str, float]) -> dict[str, object]:
    return {"generators": {}, "policy": {"kind": "fixed", "table": {item: [each] for item, each in shares.items()}}}


STRATEGIES = {
    "left": table(LEFT),
    "right": table(RIGHT),
    "only-a": table({"a": 1.0}),
    "learns": {"generators": {}, "policy": {"kind": "epsilon_greedy", "epsilon": 0.3}},
}
AB = Experiment(
    "x",
    "home",
    (Variant("control", "left", 0.5), Variant("treatment", "right", 0.5)),
    metrics=(Metric("clicks", "click"),),
    analysis=Analysis(units=400),
)


def run(
    name: str,
    experiment: Experiment = AB,
    *,
    before: int = 800,
    visits: int = 500,
    logger: str = "left",
    liked: dict[str, float] = LIKED,
    start: bool = True,
) -> EventLog:
    """Visitors who click what they like: `before` of them under the surface's own strategy, then those of the
    experiment, to whom `liked` applies."""
    engine, chance = Engine(Model(), MemoryLog()), np.random.default_rng(bits(name))
    surfaces = {"home": {"n": 1, "window_s": 5, "strategy": logger}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=STRATEGIES), at=NOON)
    engine.commit([ItemPut(item, {"title": item}) for item in ITEMS], at=NOON)
    engine.commit(recorded(engine.model.state, replace(experiment, salt=name)), at=NOON)
    for k in range(before + visits):
        now = NOON + 10 * (k + 1)
        if k == before and start:
            engine.commit([ExperimentMoved("x", "running")], at=now)
        request = Request(
            "home", now, user=f"u{k % 397}", candidates=ITEMS, context={"device": "tv" if k % 3 else "pc"}
        )
        decided = engine.rank(request, decision=f"{name}-{k}", at=now)
        if chance.random() < (LIKED if k < before else liked)[decided.picks[0].item]:
            engine.commit([engine.reward(decided.decision, "click", 1.0, position=0)], at=now + 1)
        if k % 100 == 0:
            engine.model.publish()
    return engine.log


def worth(shares: dict[str, float], liked: dict[str, float] = LIKED) -> float:
    return sum(share * liked[item] for item, share in shares.items())


def row(found: Report, variant: str) -> Promise:
    assert found.promised is not None
    return next(one for one in found.promised.rows if one.variant == variant)


def holds(found: Range | None, truth: float) -> bool:
    return found is not None and found.low <= truth <= found.high


def text(found: Report) -> str:
    out = StringIO()
    Console(file=out, width=80).print(render(found))
    return out.getvalue()


@pytest.fixture(scope="module")
def kept() -> EventLog:
    return run("kept")


@pytest.fixture(scope="module")
def found(kept: EventLog) -> Report:
    return report(kept, "x", promise=True)


def test_promise_and_measurement_both_hold_the_truth_and_are_called_kept(found: Report) -> None:
    for variant, shares in (("control", LEFT), ("treatment", RIGHT)):
        one = row(found, variant).value
        assert holds(one.promised, worth(shares))
        assert holds(one.measured, worth(shares))
        assert one.came == "kept"
    gap, lift = row(found, "treatment").difference, row(found, "treatment").lift
    assert gap is not None
    assert lift is not None
    assert holds(gap.promised, worth(RIGHT) - worth(LEFT))
    assert holds(gap.measured, worth(RIGHT) - worth(LEFT))
    assert holds(lift.promised, worth(RIGHT) / worth(LEFT) - 1)
    assert holds(lift.measured, worth(RIGHT) / worth(LEFT) - 1)
    assert (gap.came, lift.came) == ("kept", "kept")
    assert row(found, "control").difference is None


def test_promise_is_what_evaluate_says_of_the_log_before_the_start(kept: EventLog, found: Report) -> None:
    began = next(entry.seq for entry in kept.read(limit=10_000) if isinstance(entry.fact, ExperimentMoved))
    cut = MemoryLog()
    cut.append([Draft(entry.fact, entry.at) for entry in kept.read(limit=began)])
    said = evaluate(cut, Question(("right",), against="left", metrics=("click",)))
    one, answer = row(found, "treatment"), said.answers[0]
    assert answer.estimate is not None
    assert answer.difference is not None
    assert one.value.promised == Range(answer.estimate.value, answer.estimate.low, answer.estimate.high)
    assert one.difference is not None
    assert one.difference.promised == Range(answer.difference.value, answer.difference.low, answer.difference.high)
    assert found.promised is not None
    assert (found.promised.decisions, found.promised.estimator) == (said.decisions, said.estimator)


def test_measured_value_is_rewards_over_slates(found: Report) -> None:
    for arm in found.variants:
        measured = row(found, arm.variant).value.measured
        assert measured is not None
        assert measured.value == pytest.approx(arm.metrics[0].total / arm.decisions)


def test_what_is_not_asked_for_is_not_computed(kept: EventLog) -> None:
    assert report(kept, "x").promised is None


def test_people_who_changed_break_the_promise() -> None:
    found = report(run("changed", liked={"a": 0.3, "b": 0.3, "c": 0.9}), "x", promise=True)
    assert (row(found, "control").value.came, row(found, "treatment").value.came) == ("kept", "above")
    gap = row(found, "treatment").difference
    assert gap is not None
    assert gap.came == "above"
    assert "above" in text(found)


def daily(rule: Analysis, *, runs: int, off: float = 0.0) -> list[set[str | None]]:
    """What is said of a promise at any of thirty daily looks at 200 users a day, in each run. The promise's error is
    0.3 of that of the first day, and it is `off` by so many standard deviations of a user."""
    chance, said, z = np.random.default_rng(bits("daily", rule.method, str(off))), [], float(norm.isf(0.025))
    error = 0.3 / 200**0.5
    n = 200 * np.arange(1, 31)
    for _ in range(runs):
        value = chance.normal(off, error)
        promise = Range(value, value - z * error, value + z * error)
        means = chance.normal(0, 200**0.5, 30).cumsum() / n
        found = [Range(m, m - z / k**0.5, m + z / k**0.5) for m, k in zip(means.tolist(), n.tolist(), strict=True)]
        looks = [promises.Look(int(k), int(k), int(k), rule, 0.05) for k in n]
        said.append({promises.beside_promise(promise, *each).came for each in zip(found, looks, strict=True)})
    return said


def test_a_promise_that_was_kept_is_called_so_at_every_look_of_an_always_valid_experiment() -> None:
    runs = 300
    broken = sum(said != {"kept"} for said in daily(Analysis(units=6000), runs=runs))
    assert broken <= binom.ppf(0.999, runs, 0.05)
    once = sum(said != {"kept"} for said in daily(Analysis("fixed", units=6000), runs=runs))
    assert once > binom.ppf(0.999, runs, 0.1)  # looked at each day a fixed interval holds no level: hence the words


def test_a_promise_that_was_not_kept_is_found_at_some_look() -> None:
    # Off by 0.2 of a user's deviation: the errors of promise and measurement at the end are 0.021 and 0.013.
    assert all("below" in said and "above" not in said for said in daily(Analysis(units=6000), runs=30, off=0.2))


def test_an_always_valid_experiment_calls_nothing_before_its_sequence_begins() -> None:
    early = report(run("early", visits=150), "x", promise=True)
    one = row(early, "treatment").value
    assert one.promised is not None
    assert one.measured is not None
    assert one.came is None
    fixed = report(run("early", replace(AB, analysis=Analysis("fixed", units=400)), visits=150), "x", promise=True)
    assert row(fixed, "treatment").value.came is not None


def test_it_says_for_how_many_looks_a_promise_is_called(found: Report) -> None:
    assert "kept, above and below, by a sequence, at every look" in " ".join(text(found).split())
    fixed = report(run("once", replace(AB, analysis=Analysis("fixed", units=400)), visits=150), "x", promise=True)
    assert "kept, above and below, hold for one look: call it at the end" in " ".join(text(fixed).split())
    assert "hold for one look: call it at the end" in page(fixed)


def test_only_the_latest_decisions_promise(kept: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "MOST", 300)
    few = report(kept, "x", promise=True).promised
    assert few is not None
    assert few.decisions == 300
    assert few.since == NOON + 10 * 501


def test_draft_is_promised_by_all_that_came() -> None:
    found = report(run("draft", visits=0, start=False), "x", promise=True)
    assert holds(row(found, "treatment").value.promised, worth(RIGHT))
    assert row(found, "treatment").value.measured is None
    assert row(found, "treatment").value.came is None


def test_gate_that_withholds_says_so_in_place_of_a_number() -> None:
    found = report(run("greedy", logger="only-a"), "x", promise=True)
    one = row(found, "treatment")
    assert one.value.promised is None
    assert one.value.measured is not None
    assert "the logger could" in one.withheld
    assert "withheld" in text(found)


def test_a_learning_strategy_is_promised_by_its_weights_of_then() -> None:
    learning = replace(AB, variants=(Variant("control", "left", 0.5), Variant("treatment", "learns", 0.5)))
    untaught = row(report(run("untaught", learning), "x", promise=True), "treatment")
    assert "nothing had taught the weights 'learns'" in untaught.note
    assert holds(untaught.value.promised, sum(LIKED.values()) / 3)
    taught = row(report(run("taught", learning, logger="learns"), "x", promise=True), "treatment")
    assert "in the experiment it began with none" in taught.note
    assert taught.value.promised is not None
    assert taught.value.promised.value > 0.4  # of a, which it has found, and 0.3 at random


def test_broken_experiment_keeps_no_promise() -> None:
    sides = (Variant("control", "learns", 0.5), Variant("treatment", "learns", 0.5, {"policy": {"epsilon": 0.6}}))
    shared = replace(AB, learn_from="all", variants=sides)
    found = report(run("broken", shared, before=400, visits=200, logger="learns"), "x", promise=True)
    assert found.verdict.outcome == "broken"
    one = row(found, "treatment")
    assert one.value.measured is not None
    assert (one.value.came, one.difference and one.difference.measured) == (None, None)


def test_variants_that_tune_are_promised_as_what_ranks_with_their_parameters() -> None:
    much = {"policy": {"table": {item: [share] for item, share in RIGHT.items()}}}
    tuned = replace(AB, variants=(Variant("control", weight=0.5), Variant("treatment", weight=0.5, parameters=much)))
    found = report(run("tuned", tuned), "x", promise=True)
    assert holds(row(found, "control").value.promised, worth(LEFT))
    assert holds(row(found, "treatment").value.promised, worth(RIGHT))


def test_promise_is_of_the_audience_alone() -> None:
    found = report(run("audience", replace(AB, audience='context.device == "tv"')), "x", promise=True)
    assert row(found, "treatment").value.came == "kept"
    nobody = report(run("nobody", replace(AB, audience='context.device == "radio"')), "x", promise=True)
    assert row(nobody, "treatment").withheld == "Nobody of the experiment's audience came before it began."


def test_what_an_estimate_cannot_be_of_is_said() -> None:
    metrics = (*AB.metrics, Metric("back", kind="retention"), Metric("buys", "buy"))
    found = report(run("metrics", replace(AB, metrics=metrics)), "x", promise=True).promised
    assert found is not None
    assert {one.metric for one in found.rows} == {"clicks"}
    assert found.reason == "Not told of back, buys: no sum of rewards that had come before the start."
    for name, other, reason in (
        ("nothing", AB, "no decision metric is a sum of rewards that had come before the start"),
        ("kind", replace(AB, metrics=metrics[1:2]), "no decision metric is a sum of rewards"),
        ("trigger", replace(AB, analysis=Analysis(units=400, trigger="changed")), "only units whose slates changed"),
    ):
        said = report(run(name, other, before=0 if name == "nothing" else 50, visits=20), "x", promise=True)
        assert said.promised is not None
        assert reason in said.promised.reason
        assert reason.split()[0] in text(said)
    with pytest.raises(InputError, match="promise: an interleaved slate is of several"):
        report(run("mixed", replace(AB, method="interleave"), before=3, visits=3), "x", promise=True)


def test_figures_fit_a_terminal_and_stand_on_the_page(found: Report) -> None:
    shown = text(found)
    assert "promised and measured" in shown
    assert "clicks: 'click' per slate" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "<h2>Promised and measured</h2>" in page(found)


def test_the_command_says_it_where_it_is_asked(tmp_path: Path) -> None:
    url, made = f"sqlite:///{tmp_path}/log.db", run("command", before=400, visits=100)
    log = open_log(url)
    log.append([Draft(entry.fact, entry.at) for entry in made.read(limit=10_000)])
    log.close()
    result = CliRunner().invoke(bandstand, ["report", "x", "--database", url, "--promise"])
    assert result.exit_code == 0, result.output
    assert "Rewards per shown slate: promised by 400 decisions before the start" in result.output
