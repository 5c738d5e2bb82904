"""What the log says of an experiment: all of it, or what a digest remembers and the rest."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from bandstand.errors import UnknownError
from bandstand.events import ExperimentMoved, ExperimentPut, UserErased
from bandstand.experiments.definition import Experiment
from bandstand.report import digest
from bandstand.report.asked import Asked, asked
from bandstand.report.gathered import Gathered, Life
from bandstand.report.ledger import Ledger
from bandstand.report.stretch import KINDS, Listening, marked
from bandstand.store import EventLog, Snapshots, Written

_KINDS: Final = ("experimentput", "experimentmoved", "usererased", *KINDS)

_STRETCH: Final = 200_000
"""Entries that are taken in together: more need memory, fewer need more time for the sums."""


_PATIENCE: Final = 20
_REPLACED_S: Final = 0.5
"""How often, and how long, to wait for a digest that is being replaced: to read a log for which that takes seconds
would take minutes."""


def gather(log: EventLog, name: str, snapshots: Snapshots | None = None, *, history: bool = False) -> Gathered:
    """The experiment as last recorded, the state of its life, and what its units did up to the log's end.

    UnknownError where it was never recorded. Where `snapshots` hold a digest, only what came after it is read; where
    something else is asked than it knows, or it cannot be read, all of the log. That is read once, and again where what
    is measured was changed on the way, or begins before the experiment was recorded.
    """
    found = None if snapshots is None else _remembered(log, name, snapshots, history=history)
    return found or _whole(log, name)


def _remembered(log: EventLog, name: str, snapshots: Snapshots, *, history: bool) -> Gathered | None:
    for _ in range(_PATIENCE):
        before = digest.newest(snapshots, log, name)
        if before is None:
            return None
        try:
            found = _read(log, _Reading(name, before))
            gathered = found.gathered()
            if found.stale:
                return None
            if gathered.each_slate(history=history):
                _ = gathered.ledger.slates  # now, while it can still be read otherwise
        except digest.MissingError:
            return None
        except digest.ReplacedError:
            time.sleep(_REPLACED_S)
        else:
            return gathered
    return None


def _whole(log: EventLog, name: str) -> Gathered:
    found = _read(log, _Reading(name))
    if found.stale and found.life is not None:
        found = _read(log, _Reading(name, only=asked(found.life.experiment)))
    if found.life is None:
        known = ", ".join(sorted(found.known)) or "none"
        raise UnknownError(f"experiment '{name}' is not defined; known: {known}", field="experiment")
    return found.gathered()


class _Reading:
    """One pass over the log, or over the end of it; `stale` where what was kept lacks what came before the definition
    that is asked about now. Where it is known beforehand what will be asked, that alone counts."""

    def __init__(self, name: str, before: Gathered | None = None, *, only: Asked | None = None) -> None:
        self.known: set[str] = set()
        self.life: Life | None = None
        self.stale = False
        self._name, self._fixed, self._passed = name, only is not None, before is not None
        self._ledger: Ledger | None = None
        self._listening: Listening | None = None
        self._remembers, self._erased = before is not None, list[UserErased]()
        if before is not None:
            self.life, self._ledger = before
            self._listening = Listening(before.ledger.asked)
        elif only is not None:
            self._begin(only)

    @property
    def after(self) -> int:
        """How far the log is known already."""
        return 0 if self.life is None else self.life.as_of

    def take(self, page: Sequence[Written]) -> None:
        for seq, at, kind, body in page:
            if kind == "experimentput":
                self._defined(msgspec.json.decode(body, type=ExperimentPut))
            elif kind == "experimentmoved" and self.life is not None:
                moved = msgspec.json.decode(body, type=ExperimentMoved)
                if moved.name == self._name:
                    self.life.moved(moved, at, seq)
            elif kind == "usererased" and self._remembers:
                self._erased.append(msgspec.json.decode(body, type=UserErased))
        if self._listening is not None:
            self._listening.take(page)
            if self._listening.entries >= _STRETCH:
                self._settle()
        self._passed = True

    def gathered(self) -> Gathered:
        self._settle()
        assert self.life is not None
        assert self._ledger is not None
        return Gathered(self.life, self._ledger)

    def _defined(self, put: ExperimentPut) -> None:
        self.known.add(put.name)
        if put.name != self._name:
            return
        experiment = msgspec.json.decode(put.definition, type=Experiment)
        if self.life is None:
            self.life = Life(experiment)
        self.life.redefined(experiment)
        wanted = asked(experiment)
        if self._fixed or (self._ledger is not None and self._ledger.asked == wanted):
            return
        self._settle()
        filled = self._ledger is not None and bool(self._ledger.decided.any())
        self.stale = self.stale or filled or (self._passed and wanted.everybody)
        self._begin(wanted)

    def _begin(self, wanted: Asked) -> None:
        self._ledger, self._listening = Ledger(wanted), Listening(wanted)

    def _settle(self) -> None:
        if self._listening is not None and self._ledger is not None:
            # First those who were erased, for what was heard since has their new names already.
            forgotten = [self._ledger.forget(each) for each in self._erased]
            self.stale = self.stale or not all(forgotten)
            self._erased.clear()
            self._ledger.settle(self._listening.heard())


def _read(log: EventLog, reading: _Reading) -> _Reading:
    head, after = log.head(), reading.after
    while after < head and (page := log.scan(_KINDS, after=after)):
        after = page[-1][0]
        reading.take(page if after <= head else [each for each in page if each[0] <= head])
    marked.cache_clear()  # a server lives on, and is to forget whom it read of
    if reading.life is not None:
        (last,) = log.read(after=head - 1, limit=1)
        reading.life.as_of, reading.life.at = last.seq, last.at
    return reading
