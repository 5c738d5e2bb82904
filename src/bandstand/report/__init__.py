"""What came of an experiment, from the log alone: health first, then figures with intervals, then a verdict."""

from msgspec.structs import replace

from bandstand.errors import InputError
from bandstand.replay import Progress
from bandstand.report.compare import arms, differences
from bandstand.report.exposure import units
from bandstand.report.frozen import frozen
from bandstand.report.gather import gather
from bandstand.report.gathered import Gathered
from bandstand.report.health import checks
from bandstand.report.interactions import Other, beside, interactions
from bandstand.report.interleaved import interleaved
from bandstand.report.measure import table
from bandstand.report.novelty import novelty
from bandstand.report.policy_value import policy_values
from bandstand.report.promise import promised
from bandstand.report.result import Arm, Check, Comparison, Interaction, PolicyValue, Report, Value, Verdict, Votes
from bandstand.report.segments import segments
from bandstand.report.timeline import entered, timeline
from bandstand.report.verdict import concluded
from bandstand.report.withheld import withheld
from bandstand.store import EventLog, Snapshots

__all__ = ["Arm", "Check", "Comparison", "Interaction", "PolicyValue", "Report", "Value", "Verdict", "Votes", "report"]


def report(
    log: EventLog,
    name: str,
    *,
    snapshots: Snapshots | None = None,
    history: bool = False,
    pairs: bool = False,
    policies: int = 0,
    promise: bool = False,
    progress: Progress | None = None,
) -> Report:
    """The experiment's result as of the log's end; UnknownError where it was never recorded.

    A reward counts for the variant that made its decision, however late it comes. What cannot be computed is a
    sentence in the result, not an error. With `history` it says as well how units and figures came to be what they are,
    with `pairs` whether experiments that ran beside it change it, for which the log is read once more for each, and
    with `policies` what each variant's policy would have earned on the first so many positions of others' slates,
    for which every decision is made again; with `promise` what the log before its start had promised of each variant,
    for which the latest decisions from there are, as `progress` is told. A digest among the `snapshots` saves reading
    most of the log, and changes nothing else.
    """
    gathered = gather(log, name, snapshots, history=history)
    if gathered.life.experiment.method == "interleave":
        for asked, field in ((policies, "policies"), (promise, "promise")):
            if asked:
                raise InputError(f"{field}: an interleaved slate is of several; ask it of an A/B", field=field)
        return withheld(interleaved(log, gathered, history=history))
    found = replace(_split(gathered, history=history), frozen=frozen(log, gathered, snapshots))
    if promise:
        found = replace(found, promised=promised(log, gathered, progress=progress))
    found = withheld(found)
    if pairs:
        found = replace(found, interactions=_interactions(log, gathered, snapshots))
    return replace(found, policies=policy_values(log, gathered.life, depth=policies)) if policies else found


def _interactions(log: EventLog, gathered: Gathered, snapshots: Snapshots | None) -> tuple[Interaction, ...]:
    life = gathered.life
    seen = units(gathered, slates=gathered.each_slate(history=False))
    others = []
    for name in beside(log, life):
        other = gather(log, name, snapshots)
        others.append(Other(other.life.experiment, units(other, slates=other.each_slate(history=False))))
    now = [] if gathered.ledger.shared else table(life.experiment.metrics, seen, at=life.at)
    return interactions(life.experiment, seen, now, others)


def _split(gathered: Gathered, *, history: bool) -> Report:
    life = gathered.life
    experiment = life.experiment
    shared = gathered.ledger.shared
    seen = units(gathered, slates=gathered.each_slate(history=history))
    now = table(experiment.metrics, seen, at=life.at)
    sides = arms(experiment, seen, now)
    comparisons = differences(experiment, seen, now, shared=shared)
    health = checks(experiment, seen, sides, now, shared=shared, at=life.at)
    return replace(
        concluded(life, health, sides, comparisons, units=len(seen)),
        segments=() if shared else segments(experiment, seen, now),
        timeline=timeline(experiment, seen, life) if history and not shared else (),
        entered=entered(experiment, seen, life) if history else (),
        novelty=novelty(experiment, seen, until=life.until or life.at) if history and not shared else (),
    )
