"""What an interleaving would not heed is refused before it starts."""

from typing import Any

import pytest

from bandstand.errors import InputError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.experiments.mixed import check, problems

SIDES = (Variant("a", "default", 0.5), Variant("b", "random", 0.5))
CLICK = Metric("c", "click")


def mixed(*metrics: Metric, **fields: Any) -> Experiment:
    return Experiment("x", "home", SIDES, method="interleave", metrics=(CLICK, *metrics), **fields)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        (
            {"reward": "hide", "role": "guardrail", "margin": 0.02},
            "margin",
            "margin is 0.02, an interleaving tells whom the rewards speak for, not how much a metric moves; leave it "
            "out, or compare by method 'ab'",
        ),
        ({"reward": "sale", "cap": 0.99}, "cap", "cap is 0.99, an interleaving tells"),
        ({"reward": "sale", "window_s": 60.0}, "window_s", "window_s is 60, an interleaving tells"),
        ({"reward": "sale", "covariates": ("before",)}, "covariates", "covariates is ['before'], an interleaving"),
        ({"reward": "sale", "kind": "ratio", "per": "click"}, "per", "per is 'click', an interleaving tells"),
        (
            {"kind": "retention"},
            "kind",
            "kind is 'retention', an interleaving tells whom the rewards speak for; take kind 'mean' with a reward, or "
            "compare by method 'ab'",
        ),
        ({"kind": "custom", "expression": "picks"}, "kind", "kind is 'custom', an interleaving tells"),
        ({"reward": "sale", "kind": "quantile"}, "kind", "kind is 'quantile', an interleaving tells"),
        ({"reward": "sale", "kind": "proportion"}, "kind", "kind is 'proportion', an interleaving tells"),
    ],
)
def test_what_a_metric_cannot_have_is_named_with_the_remedy(fields: dict[str, Any], field: str, message: str) -> None:
    (found,) = problems(mixed(Metric("m", **fields)))
    assert found.field == f"metrics[1].{field}"
    assert found.message.startswith(f"experiment 'x': metric 'm': {message}")


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ({"minimum_effect": 0.01}, "minimum_effect is 0.01"),
        ({"segments": ("device",)}, "segments is ['device']"),
        ({"trigger": "changed"}, "trigger is 'changed'"),
    ],
)
def test_what_its_rule_cannot_have_is_named_too(rule: dict[str, Any], shown: str) -> None:
    with pytest.raises(InputError) as caught:
        check(mixed(analysis=Analysis(**rule)))
    assert str(caught.value) == (
        f"experiment 'x': analysis: {shown}, which no interleaving is judged by; leave it out, or compare by method "
        "'ab'"
    )
    assert caught.value.field == f"analysis.{next(iter(rule))}"


def test_all_else_and_every_ab_is_accepted() -> None:
    guard = Metric("g", "hide", "ratio", "guardrail", better="lower")
    assert problems(mixed(guard, analysis=Analysis("fixed", units=200, correction="hochberg"))) == []
    assert problems(Experiment("x", "home", SIDES, metrics=(Metric("m", "sale", cap=0.9, window_s=60.0),))) == []
