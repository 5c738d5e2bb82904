"""Policies valued on slates that others made: against truths that shares and click rates give by hand."""

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.console import Console
from scipy.stats import binom

from bandstand.chance import bits
from bandstand.cli import bandstand
from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine
from bandstand.errors import InputError
from bandstand.events import Draft, ItemPut, Request, Rewarded
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.model import Model
from bandstand.report import PolicyValue, Report, report
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.store import EventLog
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_log

NOON = 1_795_000_000.0
ITEMS = ("a", "b", "c")
LIKED = {"a": 0.6, "b": 0.3, "c": 0.1}
LEFT, RIGHT = {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.2, "b": 0.3, "c": 0.5}
TABLES = {
    "left": {"generators": {}, "policy": {"kind": "fixed", "table": {item: [share] for item, share in LEFT.items()}}},
    "right": {"generators": {}, "policy": {"kind": "fixed", "table": {item: [share] for item, share in RIGHT.items()}}},
    "twin": {"generators": {}, "policy": {"kind": "fixed", "table": {item: [share] for item, share in LEFT.items()}}},
    "only-a": {"generators": {}, "policy": {"kind": "fixed", "table": {"a": [1.0]}}},
    "learns": {"generators": {}, "policy": {"kind": "epsilon_greedy", "epsilon": 0.3}},
}
AB = Experiment(
    "x",
    "home",
    (Variant("control", "left", 0.5), Variant("treatment", "right", 0.5)),
    metrics=(Metric("clicks", "click", "ratio"),),
    analysis=Analysis(units=400),
    start=True,
)


def run(
    name: str,
    experiment: Experiment = AB,
    *beside: Experiment,
    visits: int = 400,
    n: int = 1,
    taught: int = 9999,
    paused: range = range(0),
    shown: bool = True,
) -> EventLog:
    """Visitors who click what they like, whatever stands above it but for "a", below which they click half as often."""
    engine, chance = Engine(Model(), MemoryLog()), np.random.default_rng(bits(name))
    surfaces = {"home": {"n": n, "window_s": 5, "strategy": "left"}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=TABLES), at=NOON)
    engine.commit([ItemPut(item, {"title": item}) for item in ITEMS], at=NOON)
    for one in (replace(experiment, salt=name), *beside):
        engine.commit(recorded(engine.model.state, one), at=NOON)
    for k in range(visits):
        now = NOON + 10 * (k + 1)
        request = Request("home", now, user=f"u{k % 97}", candidates=ITEMS, shown=shown)
        decided = engine.rank(request, decision=f"{name}-{k}", at=now)
        if not shown and k % 2:
            engine.commit([engine.exposure(decided.decision)], at=now)
        for at, pick in enumerate(decided.picks):
            below = 0.5 if at and decided.picks[0].item == "a" else 1.0
            if chance.random() < below * LIKED[pick.item]:
                engine.commit([engine.reward(decided.decision, "click", 1.0, position=at)], at=now + 1)
        if k % 20 == 0 and k < taught and k not in paused:
            engine.model.publish()
    return engine.log


def value(found: Report, log: str, policy: str) -> PolicyValue:
    (one,) = [one for one in found.policies if (one.log, one.policy) == (log, policy)]
    return one


def worth(shares: dict[str, float]) -> float:
    return sum(share * LIKED[item] for item, share in shares.items())


def holds(low: float | None, truth: float, high: float | None) -> bool:
    return low is not None and high is not None and low <= truth <= high


def test_each_policy_is_valued_on_the_others_slates() -> None:
    found = report(run("cross"), "x", policies=1)
    assert [(one.log, one.policy) for one in found.policies] == [("control", "treatment"), ("treatment", "control")]
    on_control, on_treatment = found.policies
    assert holds(on_control.low, worth(RIGHT), on_control.high)
    assert holds(on_treatment.low, worth(LEFT), on_treatment.high)
    assert holds(on_treatment.difference_low, worth(LEFT) - worth(RIGHT), on_treatment.difference_high)
    arms = {arm.variant: arm for arm in found.variants}
    for one in found.policies:
        assert one.slates == arms[one.log].decisions
        assert one.as_shown == pytest.approx(arms[one.log].metrics[0].total / one.slates)
        assert one.difference == pytest.approx((one.value or 0) - (one.as_shown or 0))
        assert one.frozen_at is None


def test_what_is_not_asked_for_is_not_computed() -> None:
    assert report(run("unasked", visits=20), "x").policies == ()


def test_positions_count_down_to_the_depth_that_was_asked_for() -> None:
    log = run("slates", n=2)
    whole, top = (report(log, "x", policies=depth) for depth in (2, 1))

    def expected(shares: dict[str, float]) -> float:
        """Of both positions: the second is drawn from the shares left, and clicked half as often below "a"."""
        return worth(shares) + sum(
            shares[i] * shares[j] / (1 - shares[i]) * (0.5 if i == "a" else 1.0) * LIKED[j]
            for i in ITEMS
            for j in ITEMS
            if i != j
        )

    both, first = value(whole, "control", "treatment"), value(top, "control", "treatment")
    assert holds(both.low, expected(RIGHT), both.high)
    assert holds(first.low, worth(RIGHT), first.high)
    assert both.value is not None
    assert first.value is not None
    assert both.value > first.value


LEARNS = replace(AB, variants=(Variant("control", "left", 0.5), Variant("treatment", "learns", 0.5)))


def test_a_learning_arm_is_frozen_halfway_and_asked_about_the_later_half() -> None:
    found = report(run("frozen", LEARNS), "x", policies=1)
    one = value(found, "treatment", "treatment")
    slates = next(arm.decisions for arm in found.variants if arm.variant == "treatment")
    assert slates // 2 <= one.slates <= slates // 2 + 1
    assert one.frozen_at is not None
    assert NOON + 1500 < one.frozen_at < NOON + 2500
    assert [(each.log, each.policy) for each in found.policies if each.log == each.policy] == [
        ("treatment", "treatment")
    ]
    assert one.ess is not None
    assert one.ess > 0.5 * one.slates


@pytest.fixture(scope="module")
def still() -> Report:
    """Of a bandit whose weights stay as they were after a hundred visits."""
    return report(run("words", LEARNS, visits=440, taught=100), "x", policies=1)


def test_frozen_and_shown_are_the_same_where_nothing_was_learned_any_more(still: Report) -> None:
    one = value(still, "treatment", "treatment")
    assert (one.value, one.difference, one.p_value) == (one.as_shown, 0.0, 1.0)
    assert one.ess == pytest.approx(one.slates)


def test_a_frozen_policy_is_valued_though_it_was_at_first_the_same_for_long() -> None:
    # Weights come seldom where traffic is heavy: a hundred slates after the freeze differ in nothing.
    def frozen(until: int) -> PolicyValue:
        log = run("same", LEARNS, visits=800, paused=range(until))
        return value(report(log, "x", policies=1), "treatment", "treatment")

    one, few = frozen(630), frozen(780)
    assert one.reason is None
    assert one.difference != 0
    assert few.reason is not None
    assert re.fullmatch(r"It differs on \d+ slates, this begins at 25; wait for more data.", few.reason)


def test_a_report_says_in_words_and_on_the_page_what_policies_are_worth(still: Report) -> None:
    out = StringIO()
    Console(file=out, width=80).print(render(still))
    text = out.getvalue()
    assert "'click' per slate on the first position, by the log's propensities" in text
    assert "slates of control\n  as shown" in text
    assert re.search(r"policy of treatment +0\.\d+ +[+-]0\.\d+ \[", text)
    assert re.search(r"itself, frozen 2026-11-18 \d\d:\d\dZ\n +0\.\d+  the same", text)
    html = page(still)
    assert "<h2>Policies</h2>" in html
    assert html.index("<h2>Metrics</h2>") < html.index("<h2>Policies</h2>")


def test_a_frozen_policy_is_said_to_be_another_one_at_each_look(still: Report) -> None:
    out = StringIO()
    Console(file=out, width=80).print(render(still))
    assert "its figures are of another policy and other slates each time" in " ".join(out.getvalue().split())
    assert "they hold for one look" in page(still)
    calm = report(run("nothing frozen", visits=20), "x", policies=1)
    assert "frozen" not in page(calm)
    early, late = (report(run("moves", LEARNS, visits=visits), "x", policies=1) for visits in (240, 400))
    moments = [value(each, "treatment", "treatment").frozen_at or 0.0 for each in (early, late)]
    assert moments[0] < moments[1]


def test_the_command_says_them_where_it_is_asked(tmp_path: Path) -> None:
    url, made = f"sqlite:///{tmp_path}/log.db", run("command", visits=230)
    log = open_log(url)
    log.append([Draft(entry.fact, entry.at) for entry in made.read(limit=10_000)])
    log.close()
    asked = ["report", "x", "--database", url, "--policies", "1"]
    result = CliRunner().invoke(bandstand, asked)
    assert result.exit_code == 0, result.output
    assert "policy of treatment" in result.output
    refused = CliRunner().invoke(bandstand, [*asked[:-1], "0"])
    assert refused.exit_code == 2


def test_a_log_without_chance_says_nothing_of_other_policies() -> None:
    certain = replace(AB, variants=(Variant("control", "only-a", 0.5), Variant("treatment", "left", 0.5)))
    found = report(run("certain", certain), "x", policies=1)
    blind = value(found, "control", "treatment")
    assert blind.value is None
    assert blind.reason is not None
    assert "the logger could show all that the strategy shows" in blind.reason
    seeing = value(found, "treatment", "control")
    assert holds(seeing.low, LIKED["a"], seeing.high)


def test_policies_are_asked_as_other_experiments_had_tuned_them_then() -> None:
    sides = (Variant("little", weight=0.5), Variant("much", weight=0.5, parameters={"policy": {"table": {"c": [0.9]}}}))
    tuner = Experiment("y", "home", sides, layer="other", metrics=AB.metrics, start=True)
    twins = replace(AB, variants=(Variant("control", "left", 0.5), Variant("treatment", "twin", 0.5)))
    log = run("tuned", twins, tuner)
    for one in report(log, "x", policies=1).policies:
        assert (one.value, one.difference, one.ess) == pytest.approx((one.as_shown, 0.0, one.slates))
    much, little = (value(report(log, "y", policies=1), *pair) for pair in (("little", "much"), ("much", "little")))
    assert much.value is not None
    assert much.as_shown is not None
    assert much.value < much.as_shown
    assert "the logger could show all" in (little.reason or "") or little.value is not None


def test_slates_that_nobody_was_shown_do_not_count() -> None:
    found = report(run("late", shown=False), "x", policies=1)
    assert [one.slates for one in found.policies] == [arm.decisions for arm in found.variants]
    assert 150 < sum(one.slates for one in found.policies) <= 200


def test_an_interleaving_has_no_policy_of_its_own() -> None:
    mixed = replace(AB, method="interleave")
    with pytest.raises(InputError, match="an interleaved slate is of several"):
        report(run("mixed", mixed, visits=3), "x", policies=1)


def test_too_few_slates_and_impossible_questions_say_so() -> None:
    log = run("few", visits=100)
    assert "this begins at 100" in (report(log, "x", policies=1).policies[0].reason or "")
    with pytest.raises(InputError, match="policies is -1, must be from 1 to 100"):
        report(log, "x", policies=-1)
    retention = replace(AB, metrics=(Metric("back", kind="retention"),))
    with pytest.raises(InputError, match="no decision metric is a sum of rewards"):
        report(run("kinds", retention, visits=20), "x", policies=1)


def test_rewards_without_a_position_count_where_the_whole_slate_does() -> None:
    log = run("whole", n=2)
    for k in range(400):
        log.append([Draft(Rewarded(f"whole-{k}", "click", 1.0, "home"), NOON + 5000)])
    whole, top = (value(report(log, "x", policies=depth), "control", "treatment") for depth in (2, 1))
    before = value(report(run("whole", n=2), "x", policies=2), "control", "treatment")
    assert (whole.as_shown or 0) == pytest.approx((before.as_shown or 0) + 1)
    assert (top.as_shown or 9) < 1


@pytest.mark.calibration
def test_intervals_of_policies_hold_the_truth_at_every_look() -> None:
    runs, missed = 150, 0
    for k in range(runs):
        log = run(f"cover {k}", visits=400)
        found = report(log, "x", policies=1)
        one = value(found, "treatment", "control")
        missed += one.value is not None and not holds(one.low, worth(LEFT), one.high)
    assert missed <= binom.ppf(0.999, runs, 0.05)
