"""Logs of an experiment, made by hand: who saw what when, and what came of it."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from bandstand.events import (
    AnyFact,
    Assignment,
    Decided,
    Draft,
    ExperimentMoved,
    ExperimentPut,
    Interacted,
    Pick,
    Request,
    Rewarded,
)
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.report import Comparison, Report, report
from bandstand.store.memory import MemoryLog

DAY = 86_400.0
START = 100 * DAY
CLICKS = Metric("clicks", "click")
FIXED = Analysis("fixed", units=2)
TWO = (Variant("control", "popular", 0.5), Variant("treatment", "default", 0.5))
At = tuple[float, AnyFact]


def experiment(*metrics: Metric, analysis: Analysis = FIXED, **other: Any) -> Experiment:
    return replace(Experiment("x", "home", TWO, metrics=metrics or (CLICKS,), analysis=analysis), **other)


def saw(decision: str, variant: str, user: str, *, at: float = START, n: int = 5, **request: Any) -> At:
    picks = tuple(Pick(f"i{k}", k, 0.2, 0.0) for k in range(n))
    assigned = (Assignment("x", variant, "default"),)
    return at, Decided(decision, Request("home", at, user=user, **request), "default", picks, 0, assignments=assigned)


def earned(decision: str, user: str, *, value: float = 1.0, at: float = START, name: str = "click") -> At:
    return at, Rewarded(decision, name, value, "home", 0, "i0", user)


def did(user: str, name: str, *, at: float, value: float = 1.0) -> At:
    return at, Interacted("i", name, user, value=value)


def log_of(
    definition: Experiment, facts: Iterable[At], *, end: float = START + DAY, state: str = "running"
) -> MemoryLog:
    """The experiment from START - 1 on, and the facts in the order of their times."""
    put = ExperimentPut(definition.name, msgspec.Raw(msgspec.json.encode(definition)))
    marker = Interacted("i", "end of the log")
    whole: list[At] = [(START - 1, put), (START - 1, ExperimentMoved("x", "running")), *facts, (end, marker)]
    whole.sort(key=lambda one: one[0])
    if state != "running":
        whole.append((end, ExperimentMoved("x", "stopped")))
    log = MemoryLog()
    log.append([Draft(fact, at) for at, fact in whole])
    return log


def users(variant: str, values: Iterable[float], *, at: float = START, **request: Any) -> list[At]:
    """One user after the other with one slate of five picks, and one reward where there is a value."""
    facts: list[At] = []
    for k, value in enumerate(values):
        decision = f"{variant}-{k}"
        facts.append(saw(decision, variant, f"{variant}-user-{k}", at=at, **request))
        if value:
            facts.append(earned(decision, f"{variant}-user-{k}", value=float(value), at=at + 1))
    return facts


def reported(definition: Experiment, facts: Iterable[At], **log: Any) -> Report:
    return report(log_of(definition, facts, **log), "x")


def comparison(found: Report, metric: str = "clicks") -> Comparison:
    (one,) = [one for one in found.comparisons if one.metric == metric]
    return one


def check(found: Report, name: str) -> tuple[bool | None, str]:
    (one,) = [one for one in found.health if one.name == name]
    return one.ok, one.text
