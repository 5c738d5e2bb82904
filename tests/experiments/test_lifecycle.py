"""An experiment goes forward only, and does not change under way."""

from typing import Any

import pytest
from msgspec.structs import replace

from bandstand.errors import ConflictError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Metric, Variant
from bandstand.experiments.lifecycle import MOVES, as_allocated, check_change, moved, reweighed

OLD = Experiment("x", "home", (Variant("a", "default", 0.5), Variant("b", "explore", 0.5)), traffic=0.5)
BREAKING: list[dict[str, Any]] = [
    {"surface": "related"},
    {"variants": (Variant("a", "default", 0.4), Variant("b", "explore", 0.6))},
    {"variants": (Variant("a", "default", 0.5), Variant("b", "popular", 0.5))},
    {"unit": "session"},
    {"layer": "other"},
    {"traffic_from": 0.25},
    {"method": "interleave"},
    {"interleave": "balanced"},
    {"learn_from": "all"},
    {"analysis": Analysis("fixed")},
    {"salt": "new"},
    {"alpha": 0.2},
    {"traffic": 0.25},
    {"surface": None, "surfaces": ("home", "related")},
    {"audience": "context.device == 'mobile'"},
    {"hash": "growthbook"},
    {"coverage": 0.5},
    {"sticky": True},
    {"starts": 5.0},
    {"duration_days": 14.0},
    {"variants": (Variant("a", "default", 0.5, {"candidates": 50}), Variant("b", "explore", 0.5))},
    {"automatic": "ship"},
    {"allocation": "adaptive"},
    {"floor": 0.1},
    {"reweigh_hours": 1.0},
    {"metrics": (Metric("sale", "sale"),)},
    {"metrics": (Metric("click", "click"), Metric("sale", "sale", role="guardrail"))},
]


@pytest.mark.parametrize(
    ("state", "to"),
    [
        ("draft", "running"),
        ("draft", "archived"),
        ("running", "stopped"),
        ("stopped", "shipped"),
        ("stopped", "archived"),
        ("running", "shipped"),
    ],
)
def test_these_moves_are_allowed(state: str, to: str) -> None:
    assert moved("x", state, to) == to


@pytest.mark.parametrize("state", MOVES)
def test_every_other_move_is_refused_with_those_that_are_allowed(state: str) -> None:
    for to in ("draft", "running", "stopped", "shipped", "archived", "paused"):
        if to not in MOVES[state]:
            allowed = ", ".join(MOVES[state]) or "nothing"
            with pytest.raises(
                ConflictError, match=f"experiment 'x' is {state}: cannot become {to}; allowed: {allowed}"
            ):
                moved("x", state, to)


def test_starting_again_is_refused_with_the_way_to_do_it() -> None:
    with pytest.raises(ConflictError, match="to run it again, record it under a new name"):
        moved("x", "stopped", "running")


def test_archiving_what_runs_is_refused_with_what_comes_first() -> None:
    with pytest.raises(ConflictError, match="cannot become archived; allowed: stopped, shipped; stop it first"):
        moved("x", "running", "archived")


@pytest.mark.parametrize("change", BREAKING, ids=str)
def test_a_change_that_breaks_a_running_experiment_is_refused_with_the_remedy(change: dict[str, Any]) -> None:
    with pytest.raises(ConflictError, match=r"'x' is running: .*; stop it and record .* a new name") as caught:
        check_change(OLD, replace(OLD, **change), state="running")
    assert caught.value.field in change


@pytest.mark.parametrize("change", BREAKING, ids=str)
def test_anything_may_change_in_a_draft(change: dict[str, Any]) -> None:
    check_change(OLD, replace(OLD, **change), state="draft")


@pytest.mark.parametrize("state", ["running", "stopped", "shipped"])
def test_words_and_metrics_that_decide_nothing_may_change_at_any_time(state: str) -> None:
    metrics = (*OLD.metrics, Metric("sale", "sale", role="secondary"))
    new = replace(OLD, hypothesis="better", owner="me", outcome="it was", metrics=metrics)
    check_change(OLD, new, state=state)


def test_one_surface_may_be_written_as_several() -> None:
    check_change(OLD, replace(OLD, surface=None, surfaces=("home",)), state="running")


def test_weights_may_change_only_where_units_keep_their_variant() -> None:
    weighed = (Variant("a", "default", 0.2), Variant("b", "explore", 0.8))
    sticky = replace(OLD, sticky=True)
    check_change(sticky, replace(sticky, variants=weighed), state="running")
    with pytest.raises(ConflictError, match="weights cannot change, since units would go from one variant to another"):
        check_change(OLD, replace(OLD, variants=weighed), state="running")
    with pytest.raises(ConflictError, match="weights cannot change"):
        check_change(sticky, replace(sticky, variants=weighed), state="stopped")


def test_traffic_may_grow_while_it_runs_and_not_afterwards() -> None:
    wider = replace(OLD, traffic=1.0)
    check_change(OLD, wider, state="running")
    with pytest.raises(ConflictError, match="is stopped: traffic cannot change; record"):
        check_change(OLD, wider, state="stopped")


def test_an_adaptive_experiment_that_runs_keeps_the_weights_that_it_has_come_to() -> None:
    """Its file says how it began: reading it again must not put the weights back."""
    file = replace(OLD, sticky=True, allocation="adaptive")
    adapted = reweighed(file, [0.2, 0.8])
    reworded = replace(file, hypothesis="better")
    assert as_allocated(adapted, reworded, state="running") == replace(adapted, hypothesis="better")
    assert as_allocated(adapted, file, state="stopped") == adapted
    assert as_allocated(adapted, file, state="draft") == file
    assert as_allocated(replace(adapted, allocation="fixed"), OLD, state="running") == OLD
