"""The methods of inference that an experiment can name, and what each of them allows one to do."""

from io import StringIO

import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bandstand.chance import bits
from bandstand.experiments.analysis import Analysis, faults
from bandstand.experiments.definition import Variant
from bandstand.experiments.metrics import Metric
from bandstand.report.render import render
from bandstand.stats.group_sequential import group_bounds
from bandstand.stats.moments import Moments
from bandstand.stats.noninferiority import non_inferior
from bandstand.stats.sequences import difference_sequence

from .logs import CLICKS, START, At, comparison, experiment, reported, users


def drawn(name: str, mean: float, size: int = 400) -> np.ndarray:
    return np.random.default_rng(bits(name)).poisson(mean, size).astype(float)


CONTROL, TREATMENT = drawn("control", 2.0), drawn("treatment", 2.5)
FACTS = users("control", CONTROL) + users("treatment", TREATMENT)
ALWAYS = Analysis("always-valid", units=1000)


def test_the_default_is_a_confidence_sequence() -> None:
    one = comparison(reported(experiment(analysis=Analysis()), FACTS))
    expected = difference_sequence(Moments.of(TREATMENT), Moments.of(CONTROL), horizon=5000)
    assert (one.low, one.high, one.p_value) == pytest.approx((expected.low, expected.high, expected.p_value))


def test_a_confidence_sequence_waits_for_a_hundred_units_in_each_arm() -> None:
    one = comparison(
        reported(experiment(analysis=ALWAYS), users("control", CONTROL) + users("treatment", TREATMENT[:99]))
    )
    assert one.difference is None
    assert "99 units in the smaller arm, an always-valid interval begins at 100" in (one.reason or "")


def test_a_confidence_sequence_waits_for_some_units_with_a_value() -> None:
    rare = np.r_[np.ones(12), np.zeros(388)]
    one = comparison(reported(experiment(analysis=ALWAYS), users("control", rare) + users("treatment", rare)))
    assert "24 units with a value" in (one.reason or "")


def test_a_posterior_tells_the_chance_to_win_and_the_expected_loss() -> None:
    found = reported(experiment(analysis=Analysis("bayesian", prior_std=1e6)), FACTS)
    one = comparison(found)
    assert one.p_value is None
    assert one.lift is not None
    assert one.lift_high is not None
    std = (one.lift_high - one.lift) / stats.norm.isf(0.025)
    assert one.chance_to_win == pytest.approx(stats.norm.cdf(one.lift / std))
    lifts = np.random.default_rng(1).normal(one.lift, std, 400_000)
    assert one.risk == pytest.approx(np.maximum(-lifts, 0).mean(), abs=1e-5)
    assert (found.verdict.outcome, found.verdict.variant) == ("ship", "treatment")
    assert f"expected loss {'< 0.01' if one.risk < 1e-4 else f'{100 * one.risk:.2g}'} %" in found.verdict.text


def test_chances_to_win_fit_the_terminal_and_are_never_rounded_to_certainty() -> None:
    sure = users("control", [1.0, 2.0] * 100) + users("treatment", [3.0, 4.0] * 100)
    found = reported(experiment(analysis=Analysis("bayesian")), sure)
    assert (comparison(found).chance_to_win or 0.0) > 0.9999
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(found))
    table = console.export_text().partition("metric  ")[2].splitlines()
    assert table[0].split()[-1] == "wins"
    assert table[3].rstrip().endswith(" > 99.9 %")
    assert "wins > 99.9 %" in found.verdict.text
    lost = reported(experiment(Metric("clicks", "click", better="lower"), analysis=Analysis("bayesian")), sure)
    assert "wins < 0.1 %" in lost.verdict.text


def test_the_look_that_decided_is_named_since_later_units_do_not_count_in_it() -> None:
    rule = Analysis("group-sequential", units=400, looks=4)
    found = reported(experiment(analysis=rule), came(0, "control", CONTROL) + came(0, "treatment", TREATMENT))
    one = comparison(found)
    assert one.look is not None
    assert f", at look {one.look}." in found.verdict.text


def test_where_less_is_better_the_chance_to_win_is_that_of_being_lower() -> None:
    slow = Metric("clicks", "click", better="lower")
    one = comparison(reported(experiment(slow, analysis=Analysis("bayesian")), FACTS))
    assert one.chance_to_win is not None
    assert one.chance_to_win < 0.01


def came(first: int, variant: str, values: np.ndarray) -> list[At]:
    """Users one second after the other, from `first` on; both variants in turn."""
    odd = variant == "treatment"
    facts: list[At] = []
    for k, value in enumerate(values):
        one = users(f"{variant}", [value], at=START + 2 * (first + k) + odd)
        facts += [(at, replace(fact, decision=f"{variant}{first + k}")) for at, fact in one]
    return [
        (at, replace(fact, request=replace(fact.request, user=fact.decision)) if hasattr(fact, "request") else fact)
        for at, fact in facts
    ]


def test_planned_looks_are_taken_from_the_log_however_often_the_report_is_read() -> None:
    rule = Analysis("group-sequential", units=400, looks=4)
    facts = came(0, "control", CONTROL[:150]) + came(0, "treatment", TREATMENT[:150])
    found = reported(experiment(analysis=rule), facts)
    one = comparison(found)
    # 300 of 400 units: the third look, at which exactly those 300 count, or an earlier one that decided.
    assert one.look in (1, 2, 3)
    bound = group_bounds([0.25, 0.5, 0.75, 1.0])[one.look - 1]
    n = 50 * one.look
    expected = stats.ttest_ind(TREATMENT[:n], CONTROL[:n], equal_var=False)
    assert one.p_value == pytest.approx(expected.pvalue, rel=0.2)  # the last unit's reward comes a second later
    assert one.low is not None
    assert one.difference is not None
    assert one.std_error is not None
    assert one.low == pytest.approx(one.difference - bound * one.std_error)


def test_a_planned_look_at_which_nothing_could_be_told_does_not_end_the_later_ones() -> None:
    rule = Analysis("group-sequential", units=200, looks=2)
    values = [np.r_[np.zeros(60), arm[:60]] for arm in (CONTROL, TREATMENT)]
    found = reported(experiment(analysis=rule), came(0, "control", values[0]) + came(0, "treatment", values[1]))
    assert comparison(found).look == 2
    assert comparison(found).told


@pytest.mark.parametrize(("units", "looks"), [(2, 2), (7, 5), (50, 50), (51, 50), (999, 7)])
def test_whatever_looks_are_accepted_can_be_taken(units: int, looks: int) -> None:
    rule = Analysis("group-sequential", units=units, looks=looks)
    assert list(faults(rule)) == []
    facts = came(0, "control", CONTROL[:30]) + came(0, "treatment", TREATMENT[:30])
    assert reported(experiment(analysis=rule), facts).verdict.outcome != "broken"
    assert [fault.field for fault in faults(replace(rule, looks=units + 1))] == ["looks"]


def test_before_the_first_planned_look_nothing_is_told() -> None:
    facts = came(0, "control", CONTROL[:20]) + came(0, "treatment", TREATMENT[:20])
    found = reported(experiment(analysis=Analysis("group-sequential", units=400, looks=4)), facts)
    assert "the first look is at 100 users" in (comparison(found).reason or "")
    assert found.verdict.outcome == "keep running"


@pytest.mark.parametrize(
    ("correction", "theirs"),
    [
        ("holm", "holm"),
        ("hochberg", "simes-hochberg"),
        ("benjamini-hochberg", "fdr_bh"),
        ("benjamini-yekutieli", "fdr_by"),
    ],
)
def test_decision_metrics_share_the_error_rate_by_the_named_method(correction: str, theirs: str) -> None:
    four = tuple(Variant(name, "default", 0.25) for name in ("control", "a", "b", "c"))
    arms = {name: drawn(name, mean) for name, mean in (("control", 2.0), ("a", 2.2), ("b", 2.25), ("c", 2.1))}
    rule = Analysis("fixed", units=2, correction=correction)  # type: ignore[arg-type]
    facts = [fact for name, values in arms.items() for fact in users(name, values)]
    found = reported(experiment(CLICKS, analysis=rule, variants=four), facts)
    plain = [stats.ttest_ind(arms[name], arms["control"], equal_var=False).pvalue for name in "abc"]
    assert [one.p_adjusted for one in found.comparisons] == pytest.approx(multipletests(plain, method=theirs)[1])


def test_a_guardrail_with_a_margin_must_be_shown_to_lose_less() -> None:
    for margin in (0.05, 0.5):
        rail = Metric("rail", "click", role="guardrail", margin=margin)
        one = comparison(reported(experiment(CLICKS, rail), FACTS[::-1]), "rail")
        expected = non_inferior(Moments.of(TREATMENT), Moments.of(CONTROL), margin=margin, share=True)
        assert (one.safe, one.harmed) == (expected.ok, False)


def test_a_guardrail_of_which_less_is_better_is_harmed_when_it_rises() -> None:
    rail = Metric("rail", "click", role="guardrail", better="lower", margin=0.02)
    found = reported(experiment(CLICKS, rail), FACTS)
    assert (comparison(found, "rail").harmed, comparison(found, "rail").safe) == (True, False)
    assert found.verdict.outcome == "stop"
    assert "Guardrail rail rose with 'treatment'" in found.verdict.text


def test_planned_looks_at_a_guardrail_share_its_error_rate() -> None:
    # By a one-sided test alone the first of four looks would find harm, or safety, at p = 0.03.
    rule = Analysis("group-sequential", units=400, looks=4)
    values = np.tile([5.0, 6.0, 7.0, 8.0, 9.0], 10)
    std_error = np.sqrt(2 * values.var(ddof=1) / len(values))
    bound = group_bounds([0.25, 0.5, 0.75, 1.0], alpha=0.1)[0]
    rail = Metric("rail", "click", role="guardrail")
    for z, harmed in ((stats.norm.isf(0.03), False), (1.05 * bound, True)):
        facts = came(0, "control", values + z * std_error) + came(0, "treatment", values)
        one = comparison(reported(experiment(CLICKS, rail, analysis=rule), facts), "rail")
        assert (one.look, one.harmed) == (1, harmed)


def test_a_guardrail_that_was_safe_at_one_planned_look_stays_so() -> None:
    rule = Analysis("group-sequential", units=400, looks=4)
    rail = Metric("rail", "click", role="guardrail", margin=0.9)
    values = np.tile([3.0, 4.0, 5.0], 50)
    first = came(0, "control", values[:60]) + came(0, "treatment", values[:60])
    later = came(60, "control", values[:140]) + came(60, "treatment", np.full(140, 0.01))
    for facts in (first, first + later):
        found = comparison(reported(experiment(CLICKS, rail, analysis=rule), facts), "rail")
        assert (found.look, found.safe, found.harmed) == (1, True, False)


@pytest.mark.calibration
def test_a_guardrail_that_nothing_harms_is_called_harmed_at_any_planned_look_in_five_percent() -> None:
    times, rule = 200, Analysis("group-sequential", units=200, looks=5)
    rail = Metric("rail", "click", role="guardrail")
    harmed = 0
    for world in range(times):
        control, treatment = (drawn(f"{world} {side}", 2.0, 100) for side in ("left", "right"))
        facts = came(0, "control", control) + came(0, "treatment", treatment)
        harmed += bool(comparison(reported(experiment(CLICKS, rail, analysis=rule), facts), "rail").harmed)
    low, high = stats.binom.interval(0.999, times, 0.05)
    assert low <= harmed <= high
