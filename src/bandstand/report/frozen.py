"""The policies that variants had come to when their weights were frozen, compared on the units that these serve.

The report's other figures are of the run, in which variants learn. A frozen policy is the same one for everybody whom
it serves, so that here a plain comparison of units is about policies.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec.structs import replace

from bandstand.experiments.definition import Experiment
from bandstand.experiments.freeze import FROZEN, Freeze, frozen_at
from bandstand.report.compare import arms, differences
from bandstand.report.exposure import units
from bandstand.report.gather import gather
from bandstand.report.gathered import Gathered, Life
from bandstand.report.health import checks
from bandstand.report.measure import table
from bandstand.report.result import Check, Frozen
from bandstand.report.withheld import undecided
from bandstand.store import EventLog, Snapshots


def frozen(log: EventLog, gathered: Gathered, snapshots: Snapshots | None) -> Frozen | None:
    """None where the experiment freezes nothing, or has not been started. The log is read once more, or the group's own
    digest."""
    life = gathered.life
    freeze, since = life.experiment.frozen, life.since
    if freeze is None or since is None:
        return None
    at = frozen_at(freeze, since=since, starts=life.experiment.starts)
    judged = _judged(life.experiment, freeze)
    group = gather(log, life.experiment.name, snapshots, group=FROZEN, history=True)
    seen = units(group, slates=True)
    found = Frozen(at, freeze.share, _told(life, freeze, at=at, units=len(seen)))
    if seen.chances is not None:
        return replace(found, text=f"{found.text}; not compared, for the weights of variants changed while it ran")
    if not len(seen):
        return found
    now = table(judged.metrics, seen, at=life.at)
    sides = arms(judged, seen, now)
    health = tuple(_asked(checks(judged, seen, sides, now, shared=False, at=life.at)))
    comparisons = differences(judged, seen, now)
    if any(check.ok is False for check in health):
        comparisons = tuple(map(undecided, comparisons))
    return replace(found, health=health, variants=sides, comparisons=comparisons)


def _judged(experiment: Experiment, freeze: Freeze) -> Experiment:
    """The experiment as its frozen group is judged: by the decision metrics, without what units did before, which is no
    covariate any more once variants have acted on it; at any time where looks were planned, which are the run's."""
    metrics = tuple(replace(one, covariates=()) for one in experiment.metrics if one.role == "decision")
    rule = replace(experiment.analysis, units=max(2, round(freeze.share * experiment.analysis.units)))
    if rule.method == "group-sequential":
        rule = replace(rule, method="always-valid")
    return replace(experiment, metrics=metrics, analysis=rule)


def _asked(found: tuple[Check, ...]) -> Iterator[Check]:
    """Whether the group splits as it should, and whatever else is wrong with it."""
    return (check for check in found if check.name == "sample ratio" or check.ok is False)


def _told(life: Life, freeze: Freeze, *, at: float, units: int) -> str:
    share = f"{100 * freeze.share:.3g} % of {life.experiment.unit}s"
    when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}Z"
    if life.until is not None and life.until <= at:
        return f"it ended before its weights were to be frozen, on {when}"
    if life.at < at:
        return f"from {when} on {share} are served by the weights of that moment"
    if not units:
        return f"frozen on {when}: none of the {share} that are served by the weights of that moment has come since"
    return (
        f"frozen on {when}: {share} are served since then by what their variant had learned, and teach nothing; above, "
        "where the whole run is compared, they count like all others"
    )
