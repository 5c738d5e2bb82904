"""Which experiment a request takes part in, and as what: holdout first, then layers, then the variant."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bandstand.errors import InputError, UnknownError
from bandstand.events import Assignment, Request
from bandstand.experiments.assignment import held_out, unit
from bandstand.experiments.definition import Experiment, Variant, variant
from bandstand.experiments.trial import Trial

INTERLEAVED = "interleaved"


class Part(NamedTuple):
    """A request's part in an experiment. `forced` where the caller said which, to test it: nothing is made of it."""

    experiment: Experiment
    variant: Variant
    phase: int = 0
    forced: bool = False

    @property
    def mixed(self) -> bool:
        """Whether both variants are shown."""
        return self.experiment.method == "interleave" and not self.forced

    @property
    def assignment(self) -> Assignment:
        name = INTERLEAVED if self.mixed else self.variant.name
        return Assignment(self.experiment.name, name, self.experiment.layer, self.phase, self.forced)


def part(trials: Mapping[str, Trial], request: Request, *, holdout: float, fits: Callable[[str], bool]) -> Part | None:
    """The one experiment that the request takes part in, or None.

    `holdout` is the share of people in none at all; `fits` says whether the request fits an audience. InputError where
    an experiment is forced that is over or about another surface, UnknownError where there is none of that name.
    """
    for name, side in request.force.items():
        return _forced(trials, request, name, side)
    if holdout and held_out(holdout, request):
        return None
    for trial in trials.values():
        if trial.open(request):
            who = unit(trial.definition, request)
            found = None if who is None else trial.variant(who)
            if found is not None and (not trial.definition.audience or fits(trial.definition.audience)):
                return Part(trial.definition, found, trial.phase)
    return None


def _forced(trials: Mapping[str, Trial], request: Request, name: str, side: str) -> Part:
    trial = trials.get(name)
    if trial is None:
        known = ", ".join(sorted(trials)) or "none"
        raise UnknownError(f"force: experiment {name!r} is not defined; known: {known}", field="force")
    if trial.stage not in ("draft", "running"):
        raise InputError(f"force: experiment {name!r} is {trial.stage}, must be a draft or running", field="force")
    if request.surface not in trial.definition.on:
        raise InputError(
            f"force: experiment {name!r} is not about surface {request.surface!r}; ask for "
            f"{' or '.join(map(repr, trial.definition.on))}",
            field="force",
        )
    return Part(trial.definition, variant(trial.definition, side), trial.phase, forced=True)
