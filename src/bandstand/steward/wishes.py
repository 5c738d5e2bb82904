"""What a look at an experiment saw and wishes done, and the fact that this becomes.

It knows nothing of statistics, whose libraries a server need not load.
"""

from collections.abc import Collection

import msgspec

from bandstand.combinations import check_shipped
from bandstand.configuration import raw
from bandstand.events import ExperimentMoved, ExperimentPut
from bandstand.experiments.definition import Experiment
from bandstand.experiments.lifecycle import moved, reweighed, weights
from bandstand.experiments.trial import Trial


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="act"):
    why: str


class Ship(msgspec.Struct, frozen=True, tag="ship", tag_field="act"):
    winner: str
    why: str


class Reweigh(msgspec.Struct, frozen=True, tag="reweigh", tag_field="act"):
    """`before` are the weights that were looked at: it is for these only."""

    before: tuple[float, ...]
    weights: tuple[float, ...]
    why: str


Act = Stop | Ship | Reweigh


class Look(msgspec.Struct, frozen=True, omit_defaults=True):
    """An experiment as of log position `as_of`: `outcome`, `text` and `variant` of its verdict, the health checks that
    are `failing`, and the `act` that is to be done; `error` says why nothing could be told."""

    experiment: str
    at: float = 0.0
    as_of: int = 0
    outcome: str | None = None
    text: str = ""
    variant: str | None = None
    failing: tuple[str, ...] = ()
    act: Act | None = None
    error: str | None = None


def fact(trial: Trial, wanted: Act, *, running: Collection[Experiment]) -> ExperimentMoved | ExperimentPut | None:
    """The fact that does it; None where the experiment is no longer as it was looked at.

    Its key lets the log keep one of two that leave the same state, or begin the same phase. ConflictError where one of
    those `running` would lose by the shipping what it tunes.
    """
    if trial.stage != "running":
        return None
    name = trial.definition.name
    match wanted:
        case Stop(why):
            return ExperimentMoved(name, moved(name, trial.stage, "stopped"), left=trial.stage, why=why)
        case Ship(winner, why):
            check_shipped(trial.definition, running)
            return ExperimentMoved(name, moved(name, trial.stage, "shipped"), winner, left=trial.stage, why=why)
        case Reweigh(before, after):
            if tuple(weights(trial.definition)) != before:
                return None
            return ExperimentPut(name, raw(reweighed(trial.definition, after)), phase=trial.phase + 1)
