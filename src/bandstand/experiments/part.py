"""Which experiments a request takes part in, and as what: holdout first, then layers, then the variant."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from bandstand.errors import InputError, UnknownError
from bandstand.events import Assignment, Request
from bandstand.experiments.assignment import frozen, held_out, unit
from bandstand.experiments.definition import Experiment, Variant, clash, variant
from bandstand.experiments.freeze import FROZEN
from bandstand.experiments.trial import Trial

INTERLEAVED = "interleaved"


class Part(NamedTuple):
    """A request's part in an experiment. `forced` where the caller said which, to test it: nothing is made of it;
    `frozen` where weights serve it that learn no more."""

    experiment: Experiment
    variant: Variant
    phase: int = 0
    forced: bool = False
    frozen: bool = False

    @property
    def mixed(self) -> bool:
        """Whether both variants are shown."""
        return self.experiment.method == "interleave" and not self.forced

    @property
    def tunes(self) -> bool:
        return self.experiment.tunes

    @property
    def assignment(self) -> Assignment:
        name = INTERLEAVED if self.mixed else self.variant.name
        group = FROZEN if self.frozen else ""
        return Assignment(self.experiment.name, name, self.experiment.layer, self.phase, self.forced, group)


def parts(
    trials: Mapping[str, Trial],
    request: Request,
    *,
    holdout: float,
    fits: Callable[[str], bool],
    froze: Collection[str] = (),
) -> list[Part]:
    """The experiments that the request takes part in: one at most that says what ranks, and any that tune it.

    `holdout` is the share of people in none at all; `fits` says whether the request fits an audience; `froze` are the
    experiments whose weights have been frozen. InputError where an experiment is forced that is over or about another
    surface, UnknownError where there is none of that name.
    """
    if request.force:
        return _together([_forced(trials, request, name, side) for name, side in request.force.items()])
    if holdout and held_out(holdout, request):
        return []
    found: list[Part] = []
    for trial in trials.values():
        mine = _part(trial, request, fits, froze)
        # That no two say what ranks is seen to where they are started; a log of before may know better.
        if mine is not None and (mine.tunes or all(one.tunes for one in found)):
            found.append(mine)
    return found


def _part(trial: Trial, request: Request, fits: Callable[[str], bool], froze: Collection[str]) -> Part | None:
    if not trial.open(request):
        return None
    who = unit(trial.definition, request)
    variant_now = None if who is None else trial.variant(who)
    if who is None or variant_now is None or (trial.definition.audience and not fits(trial.definition.audience)):
        return None
    still = trial.definition.name in froze and frozen(trial.definition, who)
    return Part(trial.definition, variant_now, trial.phase, frozen=still)


def _together(forced: list[Part]) -> list[Part]:
    """InputError where no request could take part in all of them."""
    for one in forced:
        for other in forced:
            fault = clash(one.experiment, other.experiment) if one is not other else None
            if fault is not None:
                raise InputError(f"force: {fault}; force one of them", field="force")
    return forced


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
