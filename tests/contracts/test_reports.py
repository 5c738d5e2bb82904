"""A report is the same on every store, from the log and from a digest."""

import msgspec

from bandstand.erasure import erase
from bandstand.events import (
    AnyFact,
    Assignment,
    Decided,
    Draft,
    ExperimentMoved,
    ExperimentPut,
    Exposed,
    Pick,
    Request,
    Rewarded,
)
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.report import report
from bandstand.report.keeping import Keeping
from bandstand.store import EventLog, Snapshots
from bandstand.store.memory import MemoryLog

SIDES = ("control", "treatment")
EXPERIMENT = Experiment(
    "x / y",
    "home",
    tuple(Variant(name, "default", 0.5) for name in SIDES),
    metrics=(Metric("click", "click", covariates=("before",)), Metric("rate", "click", "ratio", role="secondary")),
    analysis=Analysis("fixed", units=2),
)


def visit(number: int, at: float) -> list[Draft]:
    """Of forty users, each with one variant; one in five slates waits for its exposure, one in three earns."""
    user, name = f"üser {number * 7 % 40}", f"d{number}"
    request = Request("home", at, user=user, session=f"s{number % 50}", shown=number % 5 > 0)
    picks = tuple(Pick(f"i{k}", k, 0.5, 0.0) for k in range(3))
    side = SIDES[number * 7 % 40 % 2]
    facts: list[AnyFact] = [
        Decided(name, request, "default", picks, 0, assignments=(Assignment("x / y", side, "default"),))
    ]
    if number % 5 == 0:
        facts.append(Exposed(name, (0, 2)))
    if number % 3 == 0:
        facts.append(Rewarded(name, "click", number / 7, "home", 0, "i0", user))
    return [Draft(fact, at) for fact in facts]


def begun(log: EventLog) -> None:
    put = ExperimentPut(EXPERIMENT.name, msgspec.Raw(msgspec.json.encode(EXPERIMENT)))
    log.append([Draft(put, 0.0), Draft(ExperimentMoved(EXPERIMENT.name, "running"), 0.0)])


def test_a_report_is_the_same_on_every_store_from_the_log_and_from_a_digest(
    log: EventLog, snapshots: Snapshots
) -> None:
    memory, keeping = MemoryLog(), Keeping(log, snapshots, least=300)
    begun(log)
    begun(memory)
    for number in range(400):
        for each in (log, memory):
            each.append(visit(number, 60.0 * number))
        if number % 100 == 99:
            keeping.turn([EXPERIMENT])
        if number == 250:
            for each in (log, memory):
                each.append([Draft(erase(each, "üser 7", pseudonym="erased-1"), 60.0 * number)])
    expected = report(memory, "x / y", history=True)
    assert expected.comparisons[0].told
    assert report(log, "x / y", history=True) == expected
    assert report(log, "x / y", snapshots=snapshots, history=True) == expected
    assert report(log, "x / y", snapshots=snapshots) == report(memory, "x / y")
