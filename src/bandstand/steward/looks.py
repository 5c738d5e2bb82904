"""One look at every experiment that runs: its report, and what its definition asks for. This takes seconds, where no
digest is there a whole reading of the log, and the libraries of statistics: it belongs in a process of its own."""

from bandstand.experiments.definition import Experiment
from bandstand.report import report
from bandstand.report.exposure import units
from bandstand.report.gather import gather
from bandstand.report.measure import measured
from bandstand.steward.acts import act
from bandstand.steward.allotment import chances
from bandstand.steward.courses import Course, courses
from bandstand.steward.wishes import Look
from bandstand.store import EventLog, Snapshots

_HOUR_S = 3600.0


def looks(log: EventLog, snapshots: Snapshots | None = None) -> list[Look]:
    """A look at each experiment that runs. One that cannot be told does not keep the others from theirs. Digests among
    the `snapshots` save reading most of the log."""
    running = {name: course for name, course in courses(log, snapshots).items() if course.trial.stage == "running"}
    return [_look(log, name, course, snapshots) for name, course in running.items()]


def _look(log: EventLog, name: str, course: Course, snapshots: Snapshots | None) -> Look:
    definition = course.trial.definition
    try:
        found = report(log, name, snapshots=snapshots)
        due = _due(course, found.at)
        wanted = act(found, definition, chances=_chances(log, name, snapshots) if due else None)
    except Exception as error:  # whatever it is, it must not keep other experiments from being stopped
        return Look(name, error=str(error) or type(error).__name__)
    failing = tuple(f"{check.name}: {check.text}" for check in found.health if check.ok is False)
    told = found.verdict
    return Look(name, found.at, found.as_of, told.outcome, told.text, told.variant, failing, wanted)


def _due(course: Course, at: float) -> bool:
    definition = course.trial.definition
    return definition.allocation == "adaptive" and at - course.phases[-1] >= definition.reweigh_hours * _HOUR_S


def _chances(log: EventLog, name: str, snapshots: Snapshots | None) -> tuple[float, ...] | None:
    gathered = gather(log, name, snapshots)
    experiment: Experiment = gathered.life.experiment
    count = len(experiment.variants)
    seen = units(gathered, slates=gathered.each_slate(history=False))
    (metric,) = (one for one in experiment.metrics if one.role == "decision")
    return chances(measured(metric, seen, at=gathered.life.at), seen, variants=count)
