"""The life of an experiment: draft → running → stopped → shipped, and what may still change on the way.

A running experiment may be shipped at once: that ends it and makes its winner the surface's strategy in one step. There
is no way back to running: its units remember what they saw, and what was learned meanwhile stays, so a second run is a
new experiment with a new name, whose salt splits the units anew.
"""

from collections.abc import Mapping
from typing import Final, Literal

from bandstand.errors import ConflictError
from bandstand.experiments.definition import Experiment

Stage = Literal["draft", "running", "stopped", "shipped"]

MOVES: Final[Mapping[Stage, tuple[Stage, ...]]] = {
    "draft": ("running",),
    "running": ("stopped", "shipped"),
    "stopped": ("shipped",),
    "shipped": (),
}

# What decides who sees what, and by which rule it will be judged. Another hypothesis, owner or metric harms no data.
_FIXED = (
    "surface",
    "variants",
    "unit",
    "layer",
    "traffic_from",
    "method",
    "learn_from",
    "salt",
    "alpha",
    "analysis",
)


def moved(state: Stage, to: Stage) -> Stage:
    """The state after the move; ConflictError where there is no such move."""
    if to in MOVES[state]:
        return to
    allowed = ", ".join(MOVES[state]) or "nothing"
    again = "; to run it again, record it under a new name" if to == "running" and state != "running" else ""
    raise ConflictError(f"experiment is {state}: cannot become {to}; allowed: {allowed}{again}", field="state")


def check_change(old: Experiment, new: Experiment, *, state: Stage) -> None:
    """ConflictError where the change would break what the experiment has measured, or is measuring."""
    if state == "draft":
        return
    for field in _FIXED:
        if getattr(old, field) != getattr(new, field):
            raise _broken(old, state, field, f"{field} cannot change")
    if state != "running" and new.traffic != old.traffic:
        raise _broken(old, state, "traffic", "traffic cannot change")
    if new.traffic < old.traffic:
        raise _broken(
            old,
            state,
            "traffic",
            f"traffic can only grow, {old.traffic:g} to {new.traffic:g} would drop units that take part",
        )


def _broken(experiment: Experiment, state: Stage, field: str, what: str) -> ConflictError:
    stop = "stop it and " if state == "running" else ""
    return ConflictError(
        f"experiment '{experiment.name}' is {state}: {what}; {stop}record the new definition under a new name, "
        "which splits the units anew",
        field=field,
    )
