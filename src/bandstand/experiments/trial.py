"""An experiment under way: where it stands in its life, which weights it has had, and who keeps which variant."""

from collections.abc import Mapping
from math import inf
from typing import Final

import msgspec

from bandstand.events import Decided, Request
from bandstand.experiments.assignment import assign, unit
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.freeze import frozen_at
from bandstand.experiments.lifecycle import Stage, weights

MOST_KEPT: Final = 200_000
"""How many units of a sticky experiment keep their variant by memory, at some 150 bytes each; those who come later get
theirs by the weights in force, and move when these do."""


class Trial(msgspec.Struct):
    """An experiment and where it stands in its life.

    `phase` counts how often its weights have changed since it started: figures of different phases must not be
    compared, for their days and their shares go together. `kept` is which variant (by its place) a unit had first,
    where the experiment is sticky and runs. `why` is the reason where the server itself moved it, and `since` the log
    time at which it began to run.
    """

    definition: Experiment
    stage: Stage = "draft"
    phase: int = 0
    kept: dict[str, int] = {}
    why: str | None = None
    since: float | None = None

    def put(self, definition: Experiment) -> None:
        if self.stage == "running" and weights(definition) != weights(self.definition):
            self.phase += 1
        self.definition = definition

    def moved(self, to: Stage, *, at: float, why: str | None = None) -> None:
        self.stage, self.why = to, why
        if to == "running":
            self.since = at
        self.kept = {}

    def saw(self, decided: Decided, variant: str) -> None:
        """The decision's unit got this variant, and keeps it where the experiment is sticky and this was its first."""
        who = unit(self.definition, decided.request)
        if not (self.definition.sticky and self.stage == "running") or who is None or len(self.kept) >= MOST_KEPT:
            return
        names = [one.name for one in self.definition.variants]
        if variant in names:
            self.kept.setdefault(who, names.index(variant))

    def variant(self, unit_id: str) -> Variant | None:
        """The unit's variant now; None where it does not take part."""
        found = assign(self.definition, unit_id)
        kept = self.kept.get(unit_id)
        return found if found is None or kept is None else self.definition.variants[kept]

    @property
    def freezes(self) -> float:
        """The log time at which its weights freeze; infinite where they do not."""
        freeze, since = self.definition.frozen, self.since
        if freeze is None or since is None or self.stage != "running":
            return inf
        return frozen_at(freeze, since=since, starts=self.definition.starts)

    def open(self, request: Request) -> bool:
        """Whether it is about this request's surface, and runs, and has begun."""
        definition = self.definition
        return (
            self.stage == "running"
            and request.surface in definition.on
            and (definition.starts is None or request.time >= definition.starts)
        )


def remember(trials: Mapping[str, Trial], decided: Decided) -> None:
    """Keep in mind who got which variant of a sticky experiment; a forced one is no unit's own."""
    for assignment in decided.assignments:
        trial = trials.get(assignment.experiment)
        if trial is not None and not assignment.forced:
            trial.saw(decided, assignment.variant)
