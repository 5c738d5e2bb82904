"""Experiments whose weights change while they run: assigned as a server would, then reported from the log."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.events import Assignment, Decided, ExperimentPut
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment
from bandstand.experiments.metrics import Metric
from bandstand.experiments.trial import Trial
from bandstand.report import Report, report

from .logs import DAY, START, At, check, comparison, earned, experiment, log_of, reported, saw

Weights = Callable[[int, Sequence[float], Sequence[float]], float]
"""The treatment's weight in a wave, by its number and by what control's and treatment's units did before."""

ALWAYS = Analysis(units=2000)


def set_weights(rng: np.random.Generator) -> Weights:
    return lambda wave, a, b: float(rng.choice([0.1, 0.3, 0.5, 0.9]))


def thompson(wave: int, control: Sequence[float], treatment: Sequence[float]) -> float:
    """The chance that the treatment is better, with a floor."""
    if not wave:
        return 0.5
    a, b = (np.array([*arm, 0.0, 1.0]) for arm in (control, treatment))
    gap = (b.mean() - a.mean()) / np.sqrt(a.var() / len(a) + b.var() / len(b))
    return float(np.clip(stats.norm.cdf(gap), 0.1, 0.9))


def world(
    name: str,
    *,
    weights: Weights | None = None,
    waves: int = 6,
    wave: int = 60,
    rates: Callable[[int, int], float] = lambda number, side: 0.3,
    leak: float = 0.0,
    changes: Callable[[Experiment, int], Experiment] = lambda definition, number: definition,
    **other: Any,
) -> list[At]:
    """New users in each wave, and a third of those before again, who click once or not. Of the treatment's, the share
    `leak` is lost before anything is recorded. `changes` are made to the definition beside its weights."""
    rng = np.random.default_rng(bits(name))
    follow = weights or set_weights(rng)
    trial = Trial(experiment(sticky=True, salt=name, **other), stage="running")
    facts: list[At] = []
    did: tuple[list[float], list[float]] = ([], [])
    for number in range(waves):
        start, second = START + number * DAY, follow(number, *did)
        first = trial.definition
        sides = zip(first.variants, (1 - second, second), strict=True)
        definition = changes(replace(first, variants=tuple(replace(one, weight=w) for one, w in sides)), number)
        trial.put(definition)
        facts.append((start - 0.5, ExperimentPut("x", msgspec.Raw(msgspec.json.encode(definition)))))
        old = [k for k in range(number * wave) if rng.random() < 1 / 3]
        for k in [*old, *range(number * wave, (number + 1) * wave)]:
            user, decision = f"{name}-{k}", f"{number}-{k}"
            variant = trial.variant(user)
            if variant is None or (variant.name == "treatment" and bits("leak", user) < leak * 2.0**64):
                continue
            _, fact = saw(decision, variant.name, user, at=start + k % wave)
            assert isinstance(fact, Decided)
            fact = replace(fact, assignments=(Assignment("x", variant.name, "default", trial.phase),))
            trial.saw(fact, variant.name)
            facts.append((start + k % wave, fact))
            side = int(variant.name == "treatment")
            if k >= number * wave:
                clicked = float(rng.random() < rates(number, side))
                did[side].append(clicked)
                if clicked:
                    facts.append(earned(decision, user, at=start + k % wave + 0.1))
    return facts


def found_in(name: str, *, end: float = START + 100 * DAY, **settings: Any) -> Report:
    """The definition that the world begins with has weights of one half, like that of a draft."""
    known = {key: settings[key] for key in ("analysis", "metrics") if key in settings}
    return reported(experiment(sticky=True, salt=name, **known), world(name, **settings), end=end)


def p_of(found: Report) -> float:
    ok, text = check(found, "sample ratio")
    assert ok is not None, text
    return float(re.findall(r"p = ([^)]*)\)", text)[0])


def test_units_are_judged_by_the_weights_when_they_were_first_assigned() -> None:
    found = found_in("first", weights=lambda wave, a, b: 0.1 if wave < 3 else 0.9)
    counts = [arm.units for arm in found.variants]
    assert sum(counts) == 360
    ok, text = check(found, "sample ratio")
    assert ok
    assert text.startswith(f"{counts[0]} : {counts[1]} users, each under the weights when it was first assigned, fit")
    # By the last weights, nine tenths of all should have had the treatment; and by Pearson's test of those they do not.
    assert stats.chisquare(counts, [36, 324]).pvalue < 1e-9


def test_all_count_who_took_part_also_those_that_saw_both_sides() -> None:
    facts = world("crossed", weights=lambda wave, a, b: 0.1 if wave < 3 else 0.9)
    strays = [f"crossed-{k}" for k in range(4)]
    for user in strays:  # somewhere else they come as the other side
        first = next(fact for _, fact in facts if isinstance(fact, Decided) and fact.request.user == user)
        other = {"control": "treatment", "treatment": "control"}[first.assignments[0].variant]
        facts.append(saw(f"stray-{user}", other, user, at=START + 50 * DAY))
    found = reported(experiment(sticky=True, salt="crossed"), facts, end=START + 60 * DAY)
    assert sum(arm.units for arm in found.variants) == 356
    left, right = map(int, check(found, "sample ratio")[1].split(" users")[0].split(" : "))
    assert left + right == 360


def test_weights_that_moved_units_to_the_other_side_make_the_figures_unfair() -> None:
    found = reported(experiment(salt="loose"), world("loose"), end=START + 60 * DAY)
    definition = replace(experiment(salt="loose"), sticky=False)
    facts = [
        (at, ExperimentPut("x", msgspec.Raw(msgspec.json.encode(replace(definition, variants=_of(fact))))))
        if isinstance(fact, ExperimentPut)
        else (at, fact)
        for at, fact in world("loose")
    ]
    found = reported(definition, facts, end=START + 60 * DAY)
    ok, text = check(found, "sample ratio")
    assert ok is False
    assert "not sticky, so units went from one variant to another" in text
    assert found.verdict.outcome == "broken"


def _of(put: ExperimentPut) -> tuple[Any, ...]:
    return msgspec.json.decode(put.definition, type=Experiment).variants


def test_a_phase_that_the_log_does_not_know_is_an_error() -> None:
    facts = world("cut")
    facts = [one for one in facts if not (isinstance(one[1], ExperimentPut) and one[0] > START + 1.5 * DAY)]
    with pytest.raises(InputError, match=r"the log knows the weights of \d; read it"):
        reported(experiment(sticky=True, salt="cut"), facts, end=START + 60 * DAY)


def drifting(number: int, side: int) -> float:
    """Everybody clicks ever more, under either variant alike."""
    return 0.05 + 0.1 * number


def favoured(wave: int, control: Sequence[float], treatment: Sequence[float]) -> float:
    return 0.1 if wave < 3 else 0.9


def test_phases_are_not_pooled_whatever_the_method_and_welch_is_refused_in_words() -> None:
    for analysis in (ALWAYS, Analysis("fixed", units=600), Analysis("bayesian", units=600)):
        found = found_in("simpson", weights=favoured, rates=drifting, wave=100, analysis=analysis)
        one = comparison(found)
        assert one.reason is None
        assert (one.low or 0) < 0 < (one.high or 0)
        assert not one.significant
        ok, text = check(found, "weights")
        assert ok is None
        assert "a Welch test of plain means is refused" in text
        # What arms show are their values among all users; the plain means of their own are far apart.
        values = [arm.metrics[0].value for arm in found.variants]
        assert values[1] - values[0] == pytest.approx(one.difference if analysis.method != "bayesian" else 0, abs=0.1)
        totals = [arm.metrics[0].total / arm.units for arm in found.variants]
        assert totals[1] - totals[0] > 0.2


def test_planned_looks_become_a_sequence_where_weights_changed() -> None:
    found = found_in("looks", weights=thompson, wave=100, analysis=Analysis("group-sequential", units=600, looks=3))
    assert comparison(found).p_value is not None
    assert "in place of the planned ones" in check(found, "weights")[1]


def test_ratios_guardrails_and_covariates_are_weighed_and_quantiles_say_why_not() -> None:
    metrics = (
        Metric("rate", "click", "ratio"),
        Metric("harm", "click", role="guardrail", margin=0.9),
        Metric("fewer", "click", role="guardrail", better="lower"),
        Metric("median", "click", "quantile", role="secondary"),
        Metric("known", "click", covariates=("before",), role="secondary"),
    )
    rates = {0: 0.6, 1: 0.1}
    found = found_in("kinds", weights=set_weights(np.random.default_rng(3)), wave=150, metrics=metrics,
                     rates=lambda number, side: rates[side], analysis=ALWAYS)  # fmt: skip
    rate, harm, fewer = (comparison(found, name) for name in ("rate", "harm", "fewer"))
    assert rate.significant
    assert (rate.difference or 0) < 0
    assert (harm.harmed, harm.safe, fewer.harmed) == (False, False, False)
    assert "a quantile is not told where weights changed" in (comparison(found, "median").reason or "")
    assert comparison(found, "known").difference == pytest.approx(-0.5, abs=0.1)


def test_an_arm_with_few_units_waits() -> None:
    found = found_in("few", wave=20, analysis=ALWAYS)
    assert "an always-valid interval begins at 100" in (comparison(found).reason or "")


def ramp(definition: Experiment, number: int) -> Experiment:
    return replace(definition, traffic=min(1.0, 0.2 * (number + 1)))


@pytest.mark.calibration
@pytest.mark.parametrize("follow", ["set", "thompson", "ramp"])
def test_fair_splits_under_changing_weights_alarm_in_one_of_a_hundred_at_most_at_alpha_one_percent(follow: str) -> None:
    worlds = 400
    settings: dict[str, Any] = {"weights": thompson} if follow == "thompson" else {}
    if follow == "ramp":
        settings["changes"] = ramp
    p_values = [p_of(found_in(f"fair {follow} {k}", **settings)) for k in range(worlds)]
    assert sum(p < 0.01 for p in p_values) <= stats.binom.ppf(0.999, worlds, 0.01)
    assert sum(p < 0.1 for p in p_values) >= stats.binom.ppf(0.001, worlds, 0.1)  # nor is it blind


@pytest.mark.calibration
@pytest.mark.parametrize("follow", ["set", "thompson"])
def test_a_leak_of_fifteen_percent_is_found(follow: str) -> None:
    # X² is 0.15² Σ p (1 - p) with such a leak, so 9,000 users with weights of 0.1 and 0.9 at worst are about enough.
    worlds, found = 10, 0
    settings: dict[str, Any] = {"weights": thompson} if follow == "thompson" else {}
    for k in range(worlds):
        one = found_in(f"leak {follow} {k}", wave=1500, leak=0.15, **settings)
        found += p_of(one) < 0.01
        if p_of(one) < 0.001:
            assert one.verdict.outcome == "broken"
            assert "find lost exposures before reading the results" in one.verdict.text
    assert found >= worlds - 1


@pytest.mark.calibration
def test_alike_variants_under_thompson_sampling_and_drift_differ_at_any_look_as_seldom_as_alpha_says() -> None:
    times, alarms, naive = 120, 0, 0
    for k in range(times):
        name = f"looks {k}"
        facts = world(name, weights=thompson, rates=drifting, wave=100, analysis=ALWAYS)
        definition = experiment(sticky=True, salt=name, analysis=ALWAYS)
        found = [
            report(log_of(definition, [one for one in facts if one[0] < end], end=end), "x")
            for end in (START + day * DAY - 1 for day in (3, 4, 5, 6))
        ]
        alarms += any(comparison(one).significant for one in found)
        did: tuple[list[float], list[float]] = ([], [])
        clicks = {fact.decision for _, fact in facts if hasattr(fact, "value")}
        for _, fact in facts:
            if isinstance(fact, Decided) and int(fact.decision.split("-")[1]) // 100 == int(fact.decision[0]):
                did[fact.assignments[0].variant == "treatment"].append(float(fact.decision in clicks))
        naive += stats.ttest_ind(*did, equal_var=False).pvalue < 0.05
    assert alarms <= stats.binom.ppf(0.999, times, 0.05)
    assert naive > stats.binom.ppf(0.9999, times, 0.05)
