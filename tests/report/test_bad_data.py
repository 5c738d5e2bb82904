"""Data that say nothing: each time a sentence about what to do, by every method, and never p = 1."""

from typing import Any

import numpy as np
import pytest

from bandstand.chance import bits
from bandstand.experiments.analysis import Analysis, Inference
from bandstand.experiments.metrics import Metric
from bandstand.report import Comparison

from .logs import START, At, comparison, earned, experiment, reported, users

METHODS: list[Inference] = ["always-valid", "fixed", "group-sequential", "bayesian"]
CHANCE = np.random.default_rng(bits("bad data"))
SOME = CHANCE.poisson(2.0, 200)
KINDS = [
    Metric("m", "click"),
    Metric("m", "click", "proportion"),
    Metric("m", "click", "ratio"),
    Metric("m", "click", "ratio", per="view"),
    Metric("m", "click", "quantile"),
    Metric("m", kind="custom", expression="sum('click') / decisions"),
]


def compared(metric: Metric, method: Inference, facts: list[At], **fields: Any) -> Comparison:
    rule = Analysis(method, units=200, looks=2)
    return comparison(reported(experiment(metric, analysis=rule, **fields), facts), "m")


def refused(one: Comparison, *words: str) -> None:
    """A reason that names the metric and both variants, says what is wrong and what to do; and no figure at all."""
    assert one.reason is not None
    assert one.reason.startswith("m, treatment against control: ")
    assert any(word in one.reason for word in words), one.reason
    assert any(remedy in one.reason for remedy in ("wait for", "look ")), one.reason
    figures = (one.p_value, one.p_adjusted, one.significant, one.chance_to_win, one.low, one.high, one.lift)
    assert figures == (None,) * len(figures)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", KINDS, ids=lambda metric: metric.kind)
def test_one_arm_without_units(method: Inference, metric: Metric) -> None:
    refused(compared(metric, method, users("control", SOME)), "variant 'treatment' has 0 users")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", KINDS, ids=lambda metric: metric.kind)
def test_a_metric_that_is_zero_for_everybody(method: Inference, metric: Metric) -> None:
    nothing = np.zeros(200)
    facts = users("control", nothing) + users("treatment", nothing)
    said = ("do not vary", "does not vary", "with a value", "too few", "have no spread", "0", "denominator")
    refused(compared(metric, method, facts), *said)


@pytest.mark.parametrize("method", METHODS)
def test_a_metric_that_is_the_same_for_everybody(method: Inference) -> None:
    same = np.full(200, 3.0)
    for metric in (KINDS[0], KINDS[1], KINDS[2]):
        one = compared(metric, method, users("control", same) + users("treatment", same))
        refused(one, "do not vary", "does not vary")


@pytest.mark.parametrize("method", ["always-valid", "fixed", "bayesian"])
def test_a_control_of_zero_has_a_difference_and_no_lift(method: Inference) -> None:
    one = compared(KINDS[0], method, users("control", np.zeros(200)) + users("treatment", SOME))
    assert (one.lift, one.lift_low, one.lift_high) == (None, None, None)
    assert one.low is not None
    assert one.low > 0
    assert one.p_value is None or one.p_value < 0.05


def test_an_interleaving_that_nobody_rewards_is_a_sentence() -> None:
    one = comparison(reported(experiment(Metric("m", "click"), method="interleave"), []), "m")
    refused(one, "users with an interleaved slate: 0, a preference needs 2")


@pytest.mark.parametrize("method", METHODS)
def test_nobody_yet_and_a_ratio_that_is_adjusted(method: Inference) -> None:
    ratio = Metric("m", "click", "ratio", covariates=("before",))
    refused(compared(ratio, method, []), "variant 'control' has 0 users", "variant 'treatment' has 0 users")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", [KINDS[3], Metric("m", "click", covariates=("sum('view')",))], ids=["ratio", "mean"])
def test_rewards_too_large_to_be_squared(method: Inference, metric: Metric) -> None:
    views = [
        earned(f"{variant}-{k}", f"{variant}-user-{k}", value=1e300 * (k + 1), at=START + 2, name="view")
        for variant in ("control", "treatment")
        for k in range(100)
    ]
    huge = users("control", np.full(100, 1e307)) + users("treatment", 1e306 * np.arange(1, 101))
    found = compared(metric, method, huge + views)
    assert not found.significant
