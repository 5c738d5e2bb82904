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
from bandstand.report.gathered import Drafts, Gathered, Life
from bandstand.report.ledger import Ledger
from bandstand.report.listening import KINDS, Listening
from bandstand.report.marks import marked
from bandstand.report.stretch import Stretch
from bandstand.store import EventLog, Snapshots, Written

_KINDS: Final = ("experimentput", "experimentmoved", "usererased", *KINDS)

STRETCH: Final = 200_000
"""Entries that are taken in together: more need memory, fewer need more time for the sums."""

_PATIENCE: Final = 20
_REPLACED_S: Final = 0.5
"""How often, and with what pauses, to begin again where a digest was replaced while it was read: to read a log for
which that takes seconds would take minutes."""


def gather(
    log: EventLog, name: str, snapshots: Snapshots | None = None, *, group: str = "", history: bool = False
) -> Gathered:
    """The experiment as last recorded, the state of its life, and what its units did up to the log's end; what they did
    in decisions of one `group`, where one is named.

    UnknownError where it was never recorded. Where `snapshots` hold a digest, only what came after it is read; where
    something else is asked than it knows, or it cannot be read, all of the log. That is read once, and again where what
    is measured was changed on the way, or begins before the experiment was recorded.
    """
    found = None if snapshots is None else _remembered(log, name, snapshots, group=group, history=history)
    return found or _whole(log, name, group=group)


def _remembered(log: EventLog, name: str, snapshots: Snapshots, *, group: str, history: bool) -> Gathered | None:
    for _ in range(_PATIENCE):
        try:
            before = digest.newest(snapshots, log, name, group=group)
            if before is None:
                return None
            found = Reading(log, name, before, group=group)
            found.read()
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


def _whole(log: EventLog, name: str, *, group: str) -> Gathered:
    found = Reading(log, name, group=group)
    found.read()
    if found.stale and found.life is not None:
        found = Reading(log, name, group=group, only=asked(found.life.experiment, group=group))
        found.read()
    if found.life is None:
        known = ", ".join(sorted(found.known)) or "none"
        raise UnknownError(f"experiment '{name}' is not defined; known: {known}", field="experiment")
    return found.gathered()


class Reading:
    """A pass over the log, or over the end of it; `stale` where what was kept lacks what came before the definition
    that is asked about now. Where it is known beforehand what will be asked, that alone counts."""

    def __init__(
        self,
        log: EventLog,
        name: str,
        before: Gathered | None = None,
        *,
        group: str = "",
        only: Asked | None = None,
    ) -> None:
        self.known: set[str] = set()
        self.life: Life | None = None
        self.stale = False
        self.erased: list[UserErased] = []
        self._group = group
        self._drafts = Drafts()
        self._log, self._name, self._fixed, self._passed = log, name, only is not None, before is not None
        self._ledger: Ledger | None = None
        self._listening: Listening | None = None
        self._remembers = before is not None
        if before is not None:
            self.life, self._ledger, self._drafts = before
            self._listening = Listening(before.ledger.asked)
        elif only is not None:
            self._begin(only)

    def read(self, *, settle: bool = True) -> None:
        """Read on to the log's end. Unless what is heard is to `settle` in the ledger, it all stays in `heard`."""
        after = 0 if self.life is None else self.life.as_of
        head = self._log.head()
        while after < head and (page := self._log.scan(_KINDS, after=after)):
            after = page[-1][0]
            self._take(page if after <= head else [each for each in page if each[0] <= head])
            if settle and self._listening is not None and self._listening.entries >= STRETCH:
                self._settle()
        self._recall()
        if settle:
            self._settle()
        marked.cache_clear()  # a server lives on, and is to forget whom it read of
        if self.life is not None:
            (last,) = self._log.read(after=head - 1, limit=1)
            self.life.as_of, self.life.at = last.seq, last.at

    def gathered(self) -> Gathered:
        """What has settled."""
        assert self.life is not None
        assert self._ledger is not None
        return Gathered(self.life, self._ledger, self._drafts)

    def heard(self) -> Stretch:
        """What has not settled yet."""
        assert self._listening is not None
        return self._listening.heard()

    def _take(self, page: Sequence[Written]) -> None:
        for seq, at, kind, body in page:
            if kind == "experimentput":
                self._defined(msgspec.json.decode(body, type=ExperimentPut))
            elif kind == "experimentmoved" and self.life is not None:
                moved = msgspec.json.decode(body, type=ExperimentMoved)
                if moved.name == self._name:
                    self.life.moved(moved, at, seq)
            elif kind == "usererased" and self._remembers:
                self.erased.append(msgspec.json.decode(body, type=UserErased))
        if self._listening is not None:
            self._listening.take(page)
        self._passed = True

    def _defined(self, put: ExperimentPut) -> None:
        self.known.add(put.name)
        if put.name != self._name:
            return
        experiment = msgspec.json.decode(put.definition, type=Experiment)
        if self.life is None:
            self.life = Life(experiment)
        self.life.redefined(experiment)
        wanted = asked(experiment, group=self._group)
        if self._fixed or (self._ledger is not None and self._ledger.asked == wanted):
            return
        self._settle()
        filled = self._ledger is not None and bool(self._ledger.decided.any())
        self.stale = self.stale or self._remembers or filled or (self._passed and wanted.everybody)
        self._begin(wanted)

    def _begin(self, wanted: Asked) -> None:
        self._ledger, self._listening = Ledger(wanted), Listening(wanted)

    def _recall(self) -> None:
        """Who has read all of the log so far knows all decisions that there are."""
        if self._remembers and self._listening is not None:
            wanted = [f"decided/{one}" for one in self._listening.unknown()]
            self._listening.recall(self._log.under(wanted))

    def _settle(self) -> None:
        if self._listening is None or self._ledger is None:
            return
        self._recall()
        # First those who were erased, for what was heard since has their new names already.
        forgotten = [self._ledger.forget(each) for each in self.erased]
        self.stale = self.stale or not all(forgotten)
        self.erased.clear()
        self._ledger.settle(self._listening.heard())
        self._listening.begin()
