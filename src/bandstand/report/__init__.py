"""What came of an experiment, from the log alone: health first, then figures with intervals, then a verdict."""

from bandstand.report.compare import arm, differences, table
from bandstand.report.exposure import units
from bandstand.report.gather import gather
from bandstand.report.gathered import Gathered
from bandstand.report.health import checks
from bandstand.report.interleaved import interleaved
from bandstand.report.result import Arm, Check, Comparison, Report, Value, Verdict, Votes
from bandstand.report.segments import segments
from bandstand.report.timeline import entered, timeline
from bandstand.report.verdict import verdict
from bandstand.store import EventLog

__all__ = ["Arm", "Check", "Comparison", "Report", "Value", "Verdict", "Votes", "report"]


def report(log: EventLog, name: str, *, history: bool = False) -> Report:
    """The experiment's result as of the log's end; UnknownError where it was never recorded.

    A reward counts for the variant that made its decision, however late it comes. What cannot be computed is a
    sentence in the result, not an error. With `history` it says as well how units and figures came to be what they are.
    """
    gathered = gather(log, name)
    if gathered.life.experiment.method == "interleave":
        return interleaved(log, gathered.life)
    return _split(gathered, history=history)


def _split(gathered: Gathered, *, history: bool) -> Report:
    life = gathered.life
    experiment = life.experiment
    seen = units(gathered, variants=len(experiment.variants))
    now = table(experiment, seen, at=life.at)
    arms = tuple(arm(experiment, index, seen, now) for index in range(len(experiment.variants)))
    comparisons = differences(experiment, seen, now, shared=gathered.shared)
    health = checks(experiment, seen, arms, now, shared=gathered.shared, reweighted=life.reweighted, at=life.at)
    return Report(
        experiment=experiment.name,
        hypothesis=experiment.hypothesis,
        surface=", ".join(experiment.on),
        method=experiment.method,
        unit=experiment.unit,
        alpha=experiment.alpha,
        analysis=experiment.analysis,
        state=life.state,
        winner=life.winner,
        since=life.since,
        until=life.until,
        at=life.at,
        as_of=life.as_of,
        verdict=verdict(experiment, life.state, health, comparisons, units=len(seen)),
        health=health,
        variants=arms,
        comparisons=comparisons,
        segments=() if gathered.shared else segments(experiment, seen, now),
        timeline=timeline(experiment, seen, life) if history and not gathered.shared else (),
        entered=entered(experiment, seen, life) if history else (),
    )
