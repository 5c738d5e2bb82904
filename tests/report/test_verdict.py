"""Ship, stop, keep running or broken: the rule that was written down beforehand, applied."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from bandstand.chance import bits
from bandstand.events import Draft, ExperimentMoved
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Variant
from bandstand.experiments.metrics import Metric
from bandstand.report import Comparison, Verdict, report
from bandstand.report.notes import allowed
from bandstand.report.verdict import effect

from .logs import CLICKS, DAY, START, At, comparison, experiment, log_of, reported, users


def drawn(name: str, mean: float, size: int = 400) -> np.ndarray:
    return np.random.default_rng(bits(name)).poisson(mean, size).astype(float)


CONTROL, BETTER, ALIKE = drawn("control", 2.0), drawn("better", 2.6), drawn("alike", 2.0)
WIN = users("control", CONTROL) + users("treatment", BETTER)
DRAW = users("control", CONTROL) + users("treatment", ALIKE)
ALWAYS = Analysis(units=800)


def test_a_clear_winner_ships() -> None:
    verdict = reported(experiment(analysis=ALWAYS), WIN).verdict
    assert (verdict.outcome, verdict.variant) == ("ship", "treatment")
    assert verdict.text.startswith("Ship 'treatment': 'treatment' is ahead of 'control' on clicks: +")


def test_a_metric_of_which_less_is_better_ships_when_it_falls() -> None:
    facts = users("control", BETTER) + users("treatment", CONTROL)
    verdict = reported(experiment(Metric("clicks", "click", better="lower"), analysis=ALWAYS), facts).verdict
    assert (verdict.outcome, verdict.variant) == ("ship", "treatment")


def test_what_cannot_be_told_yet_keeps_running() -> None:
    verdict = reported(experiment(analysis=ALWAYS), DRAW).verdict
    assert verdict.outcome == "keep running"
    assert "cannot be told from" in verdict.text


def test_what_can_no_longer_reach_the_least_effect_worth_having_stops() -> None:
    rule = Analysis(units=800, minimum_effect=0.5)
    verdict = reported(experiment(analysis=rule), DRAW).verdict
    assert verdict.outcome == "stop"
    assert verdict.text.startswith("Stop, keep 'control'")


def test_a_winner_waits_until_its_guardrail_is_shown_to_be_safe() -> None:
    tight = Metric("rail", "other", role="guardrail", margin=0.01)
    others = [
        (at + 2, fact)
        for arm in ("control", "treatment")
        for at, fact in users(arm, drawn(f"rail {arm}", 2.0))
        if not hasattr(fact, "request")
    ]
    renamed = [(at, type(fact)(fact.decision, "other", fact.value, "home", 0, "i0", fact.user)) for at, fact in others]
    verdict = reported(experiment(CLICKS, tight, analysis=ALWAYS), WIN + renamed).verdict
    assert verdict.outcome == "keep running"
    assert "Guardrail rail is not yet shown to lose less than 1 %." in verdict.text


def test_a_fixed_test_gives_no_verdict_before_its_planned_end() -> None:
    # Trap: stopping at the first p < 0.05 makes 5 % false alarms into 38 % (100 looks).
    early = reported(experiment(analysis=Analysis("fixed", units=1000)), WIN)
    assert early.verdict.outcome == "keep running"
    assert "800 of the planned 1,000 users took part, and a fixed test holds for one look" in early.verdict.text
    assert reported(experiment(analysis=Analysis("fixed", units=800)), WIN).verdict.outcome == "ship"
    assert reported(experiment(analysis=Analysis("fixed", units=1000)), WIN, state="stopped").verdict.outcome == "ship"


def test_an_experiment_that_ended_without_a_winner_keeps_the_control() -> None:
    verdict = reported(experiment(analysis=ALWAYS), DRAW, state="stopped").verdict
    assert verdict.outcome == "stop"
    assert "the rule for shipping is not met" in verdict.text


def test_what_fails_a_health_check_is_broken_whatever_its_figures_say() -> None:
    verdict = reported(experiment(analysis=ALWAYS), WIN + users("treatment", np.ones(700))[800:]).verdict
    assert verdict.outcome == "broken"
    assert verdict.variant is None


RAIL = Metric("rail", "click", role="guardrail")
OTHER = Metric("orders", "order")


@pytest.mark.parametrize(
    "rule",
    [Analysis(units=800), Analysis("fixed", units=10_000), Analysis("group-sequential", units=10_000, looks=2)],
    ids=lambda rule: rule.method,
)
def test_an_alarm_does_not_wait_for_the_end_of_the_method(rule: Analysis) -> None:
    worse = users("control", drawn("control", 2.0)) + users("treatment", drawn("worse", 1.2))
    found = reported(experiment(OTHER, RAIL, analysis=rule), worse)
    assert comparison(found, "rail").alarm is True
    assert (found.verdict.outcome, "Guardrail rail" in found.verdict.text) == ("stop", True)
    better = reported(experiment(OTHER, RAIL, analysis=rule), WIN)
    assert comparison(better, "rail").alarm is False


def test_an_alarm_of_one_variant_among_others_is_no_verdict_on_them() -> None:
    three = tuple(Variant(name, "default", 1 / 3) for name in ("control", "treatment", "alike"))
    arms = users("control", CONTROL) + users("treatment", drawn("worse", 1.2)) + users("alike", ALIKE)
    found = reported(experiment(OTHER, RAIL, analysis=ALWAYS, variants=three), arms)
    assert [one.alarm for one in found.comparisons if one.metric == "rail"] == [True, False]
    assert found.verdict.outcome != "stop"


def test_a_handful_of_units_raises_no_alarm() -> None:
    few = users("control", drawn("control", 9.0, 99)) + users("treatment", drawn("worse", 1.0, 99))
    assert comparison(reported(experiment(RAIL, OTHER, analysis=ALWAYS), few), "rail").alarm is False


def test_alarms_share_the_error_rate() -> None:
    """With k guardrails each has α/k: of a difference at the edge of α the alarm is raised alone, and not among ten."""
    fell = users("control", drawn("control", 2.0)) + users("treatment", drawn("edge", 1.78))
    alone = comparison(reported(experiment(OTHER, RAIL, analysis=ALWAYS), fell), "rail")
    more = [Metric(f"other{k}", "none", role="guardrail") for k in range(9)]
    among = comparison(reported(experiment(OTHER, RAIL, *more, analysis=ALWAYS), fell), "rail")
    assert (alone.alarm, among.alarm) == (True, False)


def test_an_experiment_is_over_when_its_days_have_passed() -> None:
    # The log ends a day after everybody came, and a second more after the start.
    def told(days: float, facts: list[At] = DRAW, *, rule: Analysis = ALWAYS, **log: Any) -> Verdict:
        return reported(experiment(analysis=rule, duration_days=days), facts, **log).verdict

    assert told(2.0).outcome == "keep running"
    over = told(1.0)
    assert over.outcome == "stop"
    assert over.text.startswith("Stop, keep 'control': its 1 day is over, and the rule for shipping is not met.")
    planned = Analysis("fixed", units=5000)
    assert told(2.0, WIN, rule=planned).outcome == "keep running"
    assert told(1.0, WIN, rule=planned).outcome == "ship"
    nothing = told(0.5, users("control", [1.0, 2.0]))
    assert nothing.outcome == "stop"
    assert nothing.text.startswith("Stop, keep 'control': its 0.5 days are over, and nothing can be told. clicks, ")


def test_days_are_counted_from_when_it_was_to_start() -> None:
    later = experiment(analysis=ALWAYS, duration_days=1.0, starts=START + DAY / 2)
    assert reported(later, DRAW).verdict.outcome == "keep running"


@pytest.mark.parametrize(
    ("facts", "winner", "outcome", "text"),
    [
        (
            WIN,
            "treatment",
            "ship",
            "Shipped 'treatment', as the rule says: 'treatment' is ahead of 'control'",
        ),
        (
            WIN,
            "control",
            "ship",
            "Shipped 'control' by hand, against the rule (ship 'treatment'): 'treatment'",
        ),
        (
            DRAW,
            "treatment",
            "stop",
            "Shipped 'treatment' by hand, against the rule (stop, keep 'control'): it ended",
        ),
        (
            DRAW,
            "control",
            "ship",
            "Shipped 'control', as the rule says: it ended, and the rule for shipping is not met",
        ),
        (WIN[:900], "treatment", "broken", "Broken, no verdict, though 'treatment' was shipped: "),
    ],
)
def test_what_was_shipped_is_said_beside_what_the_rule_says(
    facts: list[At], winner: str, outcome: str, text: str
) -> None:
    log = log_of(experiment(analysis=ALWAYS), facts)
    log.append([Draft(ExperimentMoved("x", "shipped", winner), START + DAY)])
    found = report(log, "x")
    assert (found.verdict.outcome, found.verdict.text[: len(text)]) == (outcome, text)
    assert found.verdict.variant in (None, "treatment", winner)
    assert allowed(found) == "The intervals hold at every look."


def test_only_a_verdict_that_is_there_may_be_acted_upon() -> None:
    acts = "so the verdict may be acted upon at any time"
    assert acts in allowed(reported(experiment(analysis=ALWAYS), WIN))
    broken = reported(experiment(analysis=ALWAYS), WIN + users("treatment", np.ones(700))[800:])
    assert (broken.verdict.outcome, acts in allowed(broken)) == ("broken", False)


def barely() -> list[At]:
    """Two arms of 40 users that Welch's test tells apart with p = 0.049: by a lift whose interval holds 0."""
    control = np.tile([0.0, 1.0, 2.0, 3.0], 10)
    std_error = np.sqrt(2 * control.var(ddof=1) / len(control))
    shift = std_error * stats.t.isf(0.049 / 2, df=2 * len(control) - 2)
    return users("control", control, context={"device": "tv"}) + users(
        "treatment", control + shift, context={"device": "tv"}
    )


def test_colours_and_figures_agree_with_the_interval_that_is_shown() -> None:
    rule = Analysis("fixed", units=80, segments=("device",))
    found = reported(experiment(CLICKS, analysis=rule), barely())
    one, (row,) = comparison(found), found.segments
    assert one.p_value == pytest.approx(0.049)
    assert one.lift_low is not None
    assert one.lift_low < 0 < (one.low or 0.0)  # the two intervals differ on 0, and the difference is what is tested
    assert effect(one).startswith(f"{one.difference:+.3g} [+")
    assert (one.stands, row.comparison.stands) == ("better", "better")
    assert effect(row.comparison) == effect(one)


@pytest.mark.parametrize(
    ("fields", "stands"),
    [
        ({"difference": 0.2, "low": 0.1, "high": 0.3, "significant": True}, "better"),
        ({"difference": -0.2, "low": -0.3, "high": -0.1, "significant": True}, "worse"),
        ({"difference": -0.2, "low": -0.3, "high": -0.1, "significant": True, "better": "lower"}, "better"),
        ({"difference": 0.2, "low": -0.01, "high": 0.4, "significant": True}, None),  # as of a score test at its edge
        ({"difference": 0.2, "low": 0.1, "high": 0.3, "significant": False}, None),  # as by a correction
        (
            {"role": "guardrail", "difference": -0.1, "low": -0.15, "high": -0.05, "significant": True, "safe": True},
            "better",
        ),
        ({"role": "guardrail", "difference": 0.1, "low": 0.05, "high": 0.15, "significant": True}, None),
        ({"role": "guardrail", "difference": -0.1, "low": -0.2, "high": 0.01, "harmed": True}, "worse"),
        ({}, None),
    ],
)
def test_what_a_colour_may_say(fields: dict[str, Any], stands: str | None) -> None:
    assert Comparison(**{"metric": "m", "role": "decision", "variant": "b", "control": "a"} | fields).stands == stands


def test_a_correction_that_changes_the_verdict_is_said() -> None:
    others = tuple(Metric(f"m{k}", "click") for k in range(2))
    lone = reported(experiment(CLICKS, analysis=Analysis("fixed", units=80)), barely()).verdict
    assert lone.outcome == "ship"
    both = reported(experiment(CLICKS, *others, analysis=Analysis("fixed", units=80)), barely()).verdict
    assert both.outcome == "stop"
    assert (
        "'treatment' would be ahead of 'control' on clicks if that were asked alone (p = 0.049), but not among all "
        "decision comparisons, which share α by 'holm': "
    ) in both.text
    assert "p = 0.15 (corrected)" in both.text
    unshared = Analysis("fixed", units=80, correction="none")
    assert reported(experiment(CLICKS, *others, analysis=unshared), barely()).verdict.outcome == "ship"
