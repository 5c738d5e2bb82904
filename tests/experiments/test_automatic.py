"""What an experiment may let the server do by itself, and what is said where it may not."""

from typing import Any

import pytest

from bandstand.experiments.analysis import Analysis
from bandstand.experiments.automatic import problems
from bandstand.experiments.definition import Experiment, Metric, Variant

HALVES = (Variant("control", "default", 0.5), Variant("treatment", "explore", 0.5))
ADAPTIVE: dict[str, Any] = {"allocation": "adaptive", "sticky": True}


def complaints(**fields: Any) -> list[tuple[str, str]]:
    given = Experiment(**{"name": "x", "surface": "home", "variants": HALVES} | fields)
    return [(one.field, one.message) for one in problems(given)]


@pytest.mark.parametrize(
    "fields",
    [
        {"automatic": "nothing"},
        {"automatic": "ship"},
        {"automatic": "ship", "analysis": Analysis("fixed")},
        {"automatic": "stop", "analysis": Analysis("group-sequential")},
        {"automatic": "ship", "method": "interleave"},
        {"automatic": "harm", "analysis": Analysis("bayesian"), "learn_from": "all"},
        ADAPTIVE,
        ADAPTIVE | {"automatic": "ship"},
        ADAPTIVE | {"floor": 0.5 - 1e-9, "reweigh_hours": 0.5},
        {"floor": 0.9},  # says nothing where the weights are fixed
    ],
    ids=str,
)
def test_what_can_be_done_safely_is_accepted(fields: dict[str, Any]) -> None:
    assert complaints(**fields) == []


@pytest.mark.parametrize(
    ("fields", "field", "part"),
    [
        ({"automatic": "ship", "analysis": Analysis("bayesian")}, "automatic", "must not be looked at all the time"),
        (
            {"automatic": "stop", "method": "interleave", "analysis": Analysis("fixed")},
            "automatic",
            "an interleaving by 'fixed' must not be looked at all the time; take analysis.method 'always-valid'",
        ),
        (
            {"automatic": "ship", "method": "interleave", "interleave": "balanced"},
            "automatic",
            "can prefer a side where nobody does; take interleave 'team_draft'",
        ),
        ({"automatic": "stop", "learn_from": "all"}, "automatic", "are never compared; take learn_from 'own'"),
        (ADAPTIVE | {"hash": "growthbook", "coverage": 0.5}, "coverage", "give the share in traffic"),
        ({"allocation": "adaptive"}, "sticky", "set sticky = true"),
        (ADAPTIVE | {"sticky": False, "method": "interleave"}, "allocation", "shows every variant to everybody"),
        (ADAPTIVE | {"learn_from": "all"}, "learn_from", "cannot be told apart"),
        (
            ADAPTIVE | {"metrics": (Metric("a", "a"), Metric("b", "b"))},
            "metrics",
            "which follows one decision metric, not 2 (a, b); make the others secondary",
        ),
        (ADAPTIVE | {"metrics": (Metric("a", "a", "quantile"),)}, "metrics", "a quantile cannot be told"),
        (ADAPTIVE | {"floor": 0.5}, "floor", "floor is 0.5, must be above 0 and below 0.5"),
        (ADAPTIVE | {"floor": 0.0}, "floor", "must be above 0"),
        (ADAPTIVE | {"floor": float("nan")}, "floor", "floor is nan, must be above 0"),
        (
            ADAPTIVE | {"variants": (Variant("control", "default", 0.99), Variant("treatment", "explore", 0.01))},
            "variants",
            "variant 'treatment': weight is 0.01, must be at least the floor, 0.05",
        ),
        (ADAPTIVE | {"reweigh_hours": 0.0}, "reweigh_hours", "must be above 0"),
        (ADAPTIVE | {"reweigh_hours": float("inf")}, "reweigh_hours", "must be above 0"),
    ],
    ids=lambda given: str(given)[:60],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(fields: dict[str, Any], field: str, part: str) -> None:
    ((where, message),) = complaints(**fields)
    assert where == field
    assert message.startswith("experiment 'x': ")
    assert part in message
