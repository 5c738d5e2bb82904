"""The life of an experiment: draft → running → stopped → shipped or archived, and what may still change on the way.

A running experiment may be shipped at once: that ends it and makes its winner the surface's strategy in one step. There
is no way back to running: its units remember what they saw, and what was learned meanwhile stays, so a second run is a
new experiment with a new name, whose salt splits the units anew.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec.structs import replace

from bandstand.errors import ConflictError
from bandstand.experiments.definition import Experiment

Stage = Literal["draft", "running", "stopped", "shipped", "archived"]

MOVES: Final[Mapping[Stage, tuple[Stage, ...]]] = {
    "draft": ("running", "archived"),
    "running": ("stopped", "shipped"),
    "stopped": ("shipped", "archived"),
    "shipped": (),
    "archived": (),
}

# What decides who sees what, and by which rule it will be judged. Other words harm no data, and nor do metrics that
# decide nothing; those that do are named before anybody has looked.
_FIXED = (
    "unit",
    "audience",
    "layer",
    "traffic_from",
    "method",
    "interleave",
    "learn_from",
    "salt",
    "hash",
    "sticky",
    "starts",
    "duration_days",
    "alpha",
    "analysis",
    "automatic",
    "allocation",
    "floor",
    "reweigh_hours",
    "frozen",
)
_GROWING = ("traffic", "coverage")


def moved(name: str, state: Stage, to: Stage) -> Stage:
    """The state of the experiment of this name after the move; ConflictError where there is no such move."""
    if to in MOVES[state]:
        return to
    allowed = ", ".join(MOVES[state]) or "nothing"
    again = "; to run it again, record it under a new name" if to == "running" and state != "running" else ""
    first = "; stop it first" if to == "archived" and state == "running" else ""
    raise ConflictError(
        f"experiment '{name}' is {state}: cannot become {to}; allowed: {allowed}{again}{first}", field="state"
    )


def check_change(old: Experiment, new: Experiment, *, state: Stage) -> None:
    """ConflictError where the change would break what the experiment has measured, or is measuring."""
    if state == "draft":
        return
    if set(old.on) != set(new.on):
        raise _broken(old, state, "surface" if new.surface else "surfaces", "surfaces cannot change")
    if _sides(old) != _sides(new):
        raise _broken(old, state, "variants", "variants cannot change")
    if old.variants != new.variants and not (old.sticky and state == "running"):
        raise _broken(
            old,
            state,
            "variants",
            "weights cannot change, since units would go from one variant to another (where it is sticky they would "
            "not)",
        )
    for field in _FIXED:
        if getattr(old, field) != getattr(new, field):
            raise _broken(old, state, field, f"{field} cannot change")
    if _deciding(old) != _deciding(new):
        raise _broken(old, state, "metrics", "metrics that decide or guard cannot change (others may come and go)")
    for field in _GROWING:
        was, is_ = getattr(old, field), getattr(new, field)
        if state != "running" and is_ != was:
            raise _broken(old, state, field, f"{field} cannot change")
        if is_ < was:
            raise _broken(
                old, state, field, f"{field} can only grow, {was:g} to {is_:g} would drop units that take part"
            )


def weights(experiment: Experiment) -> list[float]:
    return [one.weight for one in experiment.variants]


def reweighed(experiment: Experiment, weights: Iterable[float]) -> Experiment:
    """The experiment with these weights in place of its own, in the order of its variants."""
    pairs = zip(experiment.variants, weights, strict=True)
    return replace(experiment, variants=tuple(replace(one, weight=weight) for one, weight in pairs))


def as_allocated(old: Experiment, new: Experiment, *, state: Stage) -> Experiment:
    """The new definition with the weights that an adaptive experiment has come to: a file says how it began."""
    adapted = state != "draft" and old.allocation == new.allocation == "adaptive" and _sides(old) == _sides(new)
    return reweighed(new, weights(old)) if adapted else new


def _sides(experiment: Experiment) -> list[tuple[object, ...]]:
    """The variants, whatever their weights; one that is written as it was is the same."""
    return [(one.name, one.strategy, one.parameters) for one in experiment.variants]


def _deciding(experiment: Experiment) -> list[object]:
    return [metric for metric in experiment.metrics if metric.role != "secondary"]


def _broken(experiment: Experiment, state: Stage, field: str, what: str) -> ConflictError:
    stop = "stop it and " if state == "running" else ""
    return ConflictError(
        f"experiment '{experiment.name}' is {state}: {what}; {stop}record the new definition under a new name, "
        "which splits the units anew",
        field=field,
    )
