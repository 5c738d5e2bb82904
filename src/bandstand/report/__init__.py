"""What came of an experiment, from the log alone: health first, then figures with intervals, then a verdict."""

from functools import partial

from bandstand.report.collect import Collected, collect
from bandstand.report.compare import arm, differences, preferences
from bandstand.report.health import checks
from bandstand.report.result import Arm, Check, Comparison, Report, Value, Verdict, Votes
from bandstand.report.tally import contests, split, teams
from bandstand.report.verdict import verdict
from bandstand.store import EventLog

__all__ = ["Arm", "Check", "Comparison", "Report", "Value", "Verdict", "Votes", "report", "reported"]


def report(log: EventLog, name: str) -> Report:
    """The experiment's result as of the log's end; UnknownError where it was never recorded.

    A reward counts for the variant that made its decision, however late it comes. What cannot be computed is a
    sentence in the result, not an error.
    """
    return reported(collect(log, name))


def reported(collected: Collected) -> Report:
    experiment = collected.experiment
    slates = [slate for slate in collected.slates.values() if slate.shown]
    if experiment.method == "interleave":
        variants, crossed = teams(experiment, slates), 0
        comparisons = preferences(experiment, partial(contests, experiment, slates=slates))
    else:
        variants, crossed = split(experiment, slates)
        comparisons = differences(experiment, variants)
    arms = tuple(arm(experiment, variant, variants[variant.name]) for variant in experiment.variants)
    health = checks(collected, arms, crossed=crossed)
    return Report(
        experiment=experiment.name,
        hypothesis=experiment.hypothesis,
        surface=", ".join(experiment.on),
        method=experiment.method,
        unit=experiment.unit,
        alpha=experiment.alpha,
        state=collected.state,
        winner=collected.winner,
        since=collected.since,
        until=collected.until,
        at=collected.at,
        as_of=collected.as_of,
        health=health,
        variants=arms,
        comparisons=comparisons,
        verdict=verdict(experiment, collected.state, health, comparisons),
    )
