"""What a report says of frozen policies: another thing than of the run in which they learned."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console
from scipy.stats import binom

from bandstand.chance import uniform
from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine
from bandstand.events import Decided, Draft, ExperimentPut, ItemPut, Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.freeze import FROZEN, Freeze
from bandstand.experiments.metrics import Metric
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.report import Report, digest, report
from bandstand.report.keeping import Keeping
from bandstand.report.notes import of_frozen
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.store.memory import MemoryLog, MemorySnapshots

from .logs import CLICKS, DAY, FIXED, START, At, comparison, earned, experiment, log_of, reported, saw

ITEMS = tuple(f"i{k}" for k in range(8))
CLICK = dict.fromkeys(ITEMS, 0.1) | {"i1": 0.4, "i7": 0.6}
USERS, BEFORE, AFTER = 240, 6, 3
FREEZE = Freeze(0.5, 1.0)
TRIAL = Experiment(
    "x",
    "home",
    (Variant("known", "known", 0.5), Variant("learns", "learns", 0.5)),
    metrics=(Metric("ctr", "click", kind="ratio"),),
    analysis=FIXED,
    frozen=FREEZE,
    start=True,
)
STRATEGIES = {
    "default": {},
    "known": {"policy": {"kind": "fixed", "table": {"i1": [1.0]}}},
    "learns": {"policy": {"kind": "epsilon_greedy", "epsilon": 0.1}, "learning": {"bits": 12, "rate": 0.2}},
}


@pytest.fixture(scope="module")
def world() -> MemoryLog:
    """Everybody comes six times on the first day and three times on the second. What the learner finds out is published
    at midnight, so on the first day it shows everything alike, and on the second the best item to nearly everybody."""
    log = MemoryLog()
    engine = Engine(Model(), log)
    surfaces = {"home": {"n": 1, "window_s": 60.0}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=STRATEGIES), at=START)
    engine.commit([ItemPut(item, {}) for item in ITEMS], at=START)
    engine.commit(recorded(engine.model.state, TRIAL), at=START)
    visits = [(visit, user) for visit in range(BEFORE + AFTER) for user in range(USERS)]
    for count, (visit, user) in enumerate(visits):
        at = START + 1.0 + count * DAY / (BEFORE * USERS)
        request = Request("home", at, user=f"user {user}", candidates=ITEMS)
        decided = engine.rank(request, decision=f"d{count}", at=at)
        if uniform("click", count) < CLICK[decided.picks[0].item]:
            engine.commit([engine.reward(decided.decision, "click", 1.0, position=0)], at=at)
        if (visit, user) == (BEFORE, 0):
            engine.model.publish()
    return log


def test_the_run_and_the_policies_that_it_ended_with_disagree(world: MemoryLog) -> None:
    found = report(world, "x")
    run, policies = comparison(found, "ctr"), comparison(of_frozen(found), "ctr")
    # The learner's slates: six of nine visits at random, then ε-greedily with ε = 0.1.
    alike = sum(CLICK.values()) / len(ITEMS)
    best = 0.9 * 0.6 + 0.1 * alike
    average = (BEFORE * alike + AFTER * best) / (BEFORE + AFTER)
    assert run.significant
    assert policies.significant
    assert run.low is not None
    assert run.high is not None
    assert policies.low is not None
    assert policies.high is not None
    assert run.low < average - 0.4 < run.high < 0
    assert 0 < policies.low < best - 0.4 < policies.high
    assert found.verdict.outcome == "stop"  # by the run, as was written down beforehand
    assert replay(world).divergences == []


def test_frozen_units_count_in_the_run_like_all_others(world: MemoryLog) -> None:
    found = report(world, "x")
    assert found.frozen is not None
    assert sum(arm.decisions for arm in found.variants) == USERS * (BEFORE + AFTER)
    served = [entry.fact for entry in world.read(limit=world.head()) if isinstance(entry.fact, Decided)]
    group = [fact for fact in served if fact.assignments[0].group == "frozen"]
    assert sum(arm.decisions for arm in found.frozen.variants) == len(group)
    assert sum(arm.units for arm in found.frozen.variants) == len({fact.request.user for fact in group})
    assert 0.4 < len(group) / (USERS * AFTER) < 0.6


def test_it_is_written_in_the_terminal_and_on_the_page(world: MemoryLog) -> None:
    found = report(world, "x", history=True)
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(found))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    for shown in (" ".join(text.split()), page(found)):
        assert "frozen on 1970-04-12 00:00Z: 50 % of users are served since then" in shown
        assert "the whole run is compared, they count like all others" in shown
    assert text.index("frozen policies") > text.index("learns")
    assert "<h2>Frozen policies</h2>" in page(found)
    without = replace(found, frozen=None)
    assert "rozen" not in page(without)


def frozen_experiment(*metrics: Metric, **other: Any) -> Experiment:
    return experiment(*metrics, frozen=FREEZE, **other)


def visited(variant: str, k: int, *, at: float, clicks: float, group: str = "") -> Iterator[At]:
    """A visit of the variant's user `k`, and what it earned."""
    decision, user = f"{variant}-{k}-{at}", f"{variant}-user-{k}"
    when, fact = saw(decision, variant, user, at=at)
    assert isinstance(fact, Decided)
    assigned = tuple(replace(one, group=group) for one in fact.assignments)
    yield when, replace(fact, assignments=assigned)
    if clicks:
        yield earned(decision, user, value=clicks, at=at + 1)


def two_days(seed: int, *, users: int = 60, lift: float = 0.0, head_start: float = 3.0) -> list[At]:
    """On the first day the treatment is far ahead, on the second, when all units are frozen, by `lift`."""
    chance = np.random.default_rng(seed)
    facts: list[At] = []
    for variant, early, late in (("control", 1.0, 1.0), ("treatment", 1.0 + head_start, 1.0 + lift)):
        for k in range(users):
            activity = chance.gamma(4.0, 0.25)
            facts += visited(variant, k, at=START + k, clicks=float(chance.poisson(activity * early)))
            later = START + DAY + k
            facts += visited(variant, k, at=later, clicks=float(chance.poisson(activity * late)), group="frozen")
    return facts


def told(facts: list[At], *metrics: Metric, **other: Any) -> Report:
    return of_frozen(reported(frozen_experiment(*metrics, **other), facts, end=START + 3 * DAY))


def test_equal_frozen_policies_are_told_apart_as_seldom_as_promised_whatever_the_run_said() -> None:
    runs = [reported(frozen_experiment(), two_days(seed), end=START + 3 * DAY) for seed in range(200)]
    assert all(comparison(run).significant for run in runs)
    alarms = sum(bool(comparison(of_frozen(run)).significant) for run in runs)
    # 5 % of 200 are expected; more than 20, or fewer than 2, in one of a thousand.
    assert binom.ppf(0.0005, 200, 0.05) <= alarms <= binom.ppf(0.9995, 200, 0.05)


def test_a_better_frozen_policy_is_found() -> None:
    found = comparison(told(two_days(1, users=200, lift=1.0)))
    assert found.significant
    # Clicks vary by 3 in the treatment and 1.25 in the control, so the standard error is 0.146; four of these.
    assert found.difference == pytest.approx(1.0, abs=0.58)


def test_what_units_did_before_the_freeze_is_no_covariate() -> None:
    """It was acted upon: by it the treatment's head start would be taken for a difference of its users."""
    adjusted = replace(CLICKS, covariates=("before",))
    facts = two_days(2)
    assert comparison(told(facts, adjusted)) == comparison(told(facts))
    assert not comparison(told(facts, adjusted)).adjusted


def test_a_request_that_speaks_of_something_frozen_is_not_of_the_group() -> None:
    facts = two_days(3)
    at, spoken = saw("spoken", "control", "someone", at=START + DAY, context={"food": "frozen"})
    assert told([*facts, (at, spoken)]).variants == told(facts).variants


def test_only_decision_metrics_are_compared() -> None:
    guard = Metric("guard", "click", role="guardrail")
    assert [one.metric for one in told(two_days(3), CLICKS, guard).comparisons] == ["clicks"]


def test_planned_looks_are_the_runs_and_frozen_policies_are_compared_at_any_time() -> None:
    facts = two_days(4)
    planned = comparison(told(facts, analysis=Analysis("group-sequential", units=100, looks=2)))
    always = comparison(told(facts, analysis=Analysis("always-valid", units=100)))
    assert planned == replace(always, p_adjusted=planned.p_adjusted, significant=planned.significant)
    assert planned.look is None


def test_a_group_that_lost_units_of_one_side_says_nothing() -> None:
    facts = [
        (at, fact)
        for at, fact in two_days(5, users=200, lift=1.0)
        if not (isinstance(fact, Decided) and at > START + DAY and fact.decision.startswith("control-1"))
    ]
    run = reported(frozen_experiment(), facts, end=START + 3 * DAY)
    group = of_frozen(run)
    assert [check.ok for check in run.health if check.name == "sample ratio"] == [True]
    assert [check.ok for check in group.health] == [False]
    assert comparison(group).significant is None
    assert comparison(run).significant


def test_frozen_policies_are_not_compared_where_weights_changed_on_the_way() -> None:
    trial = frozen_experiment(sticky=True)
    log = log_of(trial, two_days(8), end=START + 3 * DAY)
    weighed = (replace(trial.variants[0], weight=0.3), replace(trial.variants[1], weight=0.7))
    put = ExperimentPut("x", msgspec.Raw(msgspec.json.encode(replace(trial, variants=weighed))))
    log.append([Draft(put, START + 3 * DAY)])
    found = report(log, "x").frozen
    assert found is not None
    assert found.text.endswith("not compared, for the weights of variants changed while it ran")
    assert found.comparisons == ()


def test_a_report_that_is_broken_decides_nothing_of_frozen_policies_either() -> None:
    facts = two_days(6, users=200, lift=1.0)
    crossed = [fact for k in range(40) for fact in visited("treatment", k, at=START, clicks=0.0)]
    other = [(at, _of(fact, "control")) for at, fact in crossed]
    run = reported(frozen_experiment(), facts + other, end=START + 3 * DAY)
    assert run.verdict.outcome == "broken"
    assert comparison(of_frozen(run)).significant is None


def _of(fact: Any, variant: str) -> Any:
    assigned = tuple(replace(one, variant=variant) for one in fact.assignments)
    return replace(fact, decision=f"{fact.decision} again", assignments=assigned)


def test_variants_that_learned_from_each_other_are_compared_once_they_are_frozen() -> None:
    facts = [
        (at, replace(fact, teaches=("x/control", "x/treatment")))
        if isinstance(fact, Decided) and at < START + DAY
        else (at, fact)
        for at, fact in two_days(7, lift=1.0, users=200)
    ]
    run = reported(frozen_experiment(learn_from="all"), facts, end=START + 3 * DAY)
    assert "learned from each other" in str(comparison(run).reason)
    group = of_frozen(run)
    assert comparison(group).told
    assert [check.ok for check in group.health] == [True]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ({"end": START + DAY / 2}, "from 1970-04-11 23:59Z on 50 % of users are served by the weights of that moment"),
        ({"end": START + 2 * DAY}, "none of the 50 % of users that are served by the weights of that moment has come"),
        ({"end": START + DAY / 2, "state": "stopped"}, "it ended before its weights were to be frozen, on 1970-04-11"),
    ],
)
def test_it_says_how_far_it_has_come(log: dict[str, Any], said: str) -> None:
    facts = list(visited("control", 1, at=START, clicks=1.0))
    found = reported(frozen_experiment(), facts, **log)
    assert found.frozen is not None
    assert said in found.frozen.text
    assert found.frozen.comparisons == ()
    assert reported(experiment(), facts, **log).frozen is None


def test_frozen_policies_from_a_digest_are_those_from_the_log(world: MemoryLog) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    for entry in world.read(limit=100_000):
        log.append([Draft(entry.fact, entry.at)])
        if entry.seq == world.head() * 9 // 10:
            Keeping(log, snapshots, least=1).turn([TRIAL])
    assert digest.newest(snapshots, log, "x", group=FROZEN) is not None
    found = report(log, "x", snapshots=snapshots)
    assert found.frozen is not None
    assert found.frozen.comparisons[0].told
    assert found == report(log, "x") == report(world, "x")
    assert Keeping(log, snapshots, sequel=1).turn([TRIAL]) == []
    assert report(log, "x", snapshots=snapshots) == found
