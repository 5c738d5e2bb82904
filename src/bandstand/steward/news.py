"""What is told to those who want to know: how experiments move, and what looks at them find."""

from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import quote

import msgspec

from bandstand.events import ExperimentMoved, ExperimentPut
from bandstand.experiments.definition import Experiment
from bandstand.steward.wishes import Look
from bandstand.store import EventLog

_KINDS = ("experimentput", "experimentmoved")

What = Literal["started", "stopped", "shipped", "archived", "reweighed", "verdict", "health"]
_OF_MOVES: Mapping[str, What] = {
    "running": "started",
    "stopped": "stopped",
    "shipped": "shipped",
    "archived": "archived",
}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened to an experiment. The same event has the same `id` however often it is told, and a later one a
    greater `seq`: the log position of the fact, or the position up to which a look had read.

    `winner` was shipped, `why` is the reason where the server did it by itself or what a verdict says, `weights` are
    the new ones, `outcome` the verdict, and `failing` the health checks that do.
    """

    id: str
    event: What
    experiment: str
    at: float
    seq: int
    winner: str | None = None
    why: str | None = None
    weights: dict[str, float] | None = None
    outcome: str | None = None
    failing: tuple[str, ...] = ()


def moves(log: EventLog, *, after: int, upto: int) -> Iterator[Event]:
    """What the facts with `after < seq <= upto` say."""
    while page := log.scan(_KINDS, after=after):
        after = page[-1][0]
        for seq, at, kind, body in page:
            if seq > upto:
                return
            event = _moved(seq, at, body) if kind == "experimentmoved" else _reweighed(seq, at, body)
            if event is not None:
                yield event


def found(look: Look, before: Look | None) -> Iterator[Event]:
    """What this look found that the one before had not; without one before, only what asks for somebody to act."""
    known = "keep running" if before is None else before.outcome
    whose = quote(look.experiment, safe="")  # an id travels in a header too
    about = look.experiment, look.at, look.as_of
    if look.failing and (before is None or not before.failing):
        yield Event(f"{look.as_of}-health-{whose}", "health", *about, failing=look.failing)
    if look.outcome != known:
        id = f"{look.as_of}-verdict-{whose}"
        yield Event(id, "verdict", *about, look.variant, look.text, outcome=look.outcome)


def position(log: EventLog, at: float) -> int:
    """The last log position before this time, found by halves; 0 where all of the log is younger."""
    low, high = 0, log.head()
    while low < high:
        middle = (low + high + 1) // 2
        (entry,) = log.read(after=middle - 1, limit=1)
        low, high = (middle, high) if entry.at < at else (low, middle - 1)
    return low


def _moved(seq: int, at: float, body: str) -> Event | None:
    fact = msgspec.json.decode(body, type=ExperimentMoved)
    what = _OF_MOVES.get(fact.to)
    return None if what is None else Event(f"{seq}-{what}", what, fact.name, at, seq, fact.winner, fact.why)


def _reweighed(seq: int, at: float, body: str) -> Event | None:
    fact = msgspec.json.decode(body, type=ExperimentPut)
    if fact.phase is None:
        return None
    definition = msgspec.json.decode(fact.definition, type=Experiment)
    weights = {one.name: one.weight for one in definition.variants}
    return Event(f"{seq}-reweighed", "reweighed", fact.name, at, seq, weights=weights)
