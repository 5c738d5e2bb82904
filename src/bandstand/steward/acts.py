"""What a report asks for by the rule that was written down beforehand, as a pure function."""

from collections.abc import Sequence

from bandstand.experiments.definition import Experiment
from bandstand.experiments.lifecycle import weights
from bandstand.report.result import Report
from bandstand.report.verdict import harm
from bandstand.steward.allotment import allotted
from bandstand.steward.wishes import Act, Reweigh, Ship, Stop

_LEAST_MOVE = 0.01
"""A new phase for less than that would divide the data and gain nothing."""


def act(report: Report, experiment: Experiment, *, chances: Sequence[float] | None = None) -> Act | None:
    """What the experiment's definition lets the server do now, if anything.

    A guardrail's alarm stops it even where a health check fails: an experiment whose figures cannot be believed loses
    little by that, and its users may gain. Nothing else is done with such figures. `chances` are those of each variant
    to be the best, where it is time for new weights.
    """
    if report.state != "running":
        return None
    alarms = [one for one in report.comparisons if one.alarm]
    if alarms and experiment.automatic != "nothing":
        return Stop(" ".join(map(harm, alarms)))
    if any(check.ok is False for check in report.health):
        return None
    told = report.verdict
    if told.outcome == "stop" and experiment.automatic in ("stop", "ship"):
        return Stop(told.text)
    if told.outcome == "ship" and told.variant is not None and experiment.automatic == "ship":
        return Ship(told.variant, told.text)
    if chances is not None and experiment.allocation == "adaptive":
        return _reweigh(experiment, chances)
    return None


def _reweigh(experiment: Experiment, chances: Sequence[float]) -> Reweigh | None:
    before, after = tuple(weights(experiment)), allotted(chances, floor=experiment.floor)
    if max(abs(new - old) for new, old in zip(after, before, strict=True)) < _LEAST_MOVE:
        return None
    pairs = zip(experiment.variants, chances, strict=True)
    told = ", ".join(f"'{variant.name}' {chance:.1%}".replace("%", " %") for variant, chance in pairs)
    return Reweigh(before, after, f"How likely each variant is the best: {told}.")
