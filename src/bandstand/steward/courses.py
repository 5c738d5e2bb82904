"""Where each experiment of a log stands, and since when it has had its weights; read without folding the rest."""

from typing import NamedTuple

import msgspec

from bandstand.events import ExperimentMoved, ExperimentPut
from bandstand.experiments.definition import Experiment
from bandstand.experiments.trial import Trial
from bandstand.report.recorded import recorded
from bandstand.store import EventLog, Snapshots


class Course(NamedTuple):
    """`phases` is when each phase began, in log time; none before the experiment is started."""

    trial: Trial
    phases: list[float]


def courses(log: EventLog, snapshots: Snapshots | None = None) -> dict[str, Course]:
    """All experiments by name, as of the log's end."""
    found: dict[str, Course] = {}
    for _, at, kind, body in recorded(log, snapshots):
        if kind == "experimentput":
            _put(found, msgspec.json.decode(body, type=ExperimentPut), at)
        else:
            moved = msgspec.json.decode(body, type=ExperimentMoved)
            course = found[moved.name]
            course.trial.moved(moved.to, at=at, why=moved.why)
            if moved.to == "running":
                course.phases.append(at)
    return found


def _put(found: dict[str, Course], put: ExperimentPut, at: float) -> None:
    definition = msgspec.json.decode(put.definition, type=Experiment)
    course = found.setdefault(put.name, Course(Trial(definition), []))
    phase = course.trial.phase
    course.trial.put(definition)
    if course.trial.phase > phase:
        course.phases.append(at)
