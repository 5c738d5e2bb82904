"""Keeping digests while experiments run, so that whoever asks for a report need not read the log."""

from collections.abc import Iterable
from typing import Final

from bandstand.experiments.definition import Experiment
from bandstand.report import digest
from bandstand.report.asked import asked
from bandstand.report.digest import Head
from bandstand.report.gather import STRETCH, Reading, gather
from bandstand.report.gathered import Gathered
from bandstand.report.ledger import Ledger
from bandstand.store import EventLog, Snapshots

SEQUEL: Final = 2_000
"""New entries after which a sequel is written again: a report reads as many in some hundredths of a second."""

LEAST: Final = 20_000
"""New entries after which a digest is written anew."""

SHARE: Final = 100
"""Of a long log, one entry in so many, though no more than are taken in together: whoever writes it should not be busy
with that alone."""


def step(as_of: int, *, least: int = LEAST) -> int:
    """After how many more entries a digest is written again."""
    return max(least, min(as_of // SHARE, STRETCH))


class Keeping:
    """The digests of a log's experiments."""

    def __init__(self, log: EventLog, snapshots: Snapshots, *, least: int = LEAST, sequel: int = SEQUEL) -> None:
        self._log, self._snapshots, self._least, self._sequel = log, snapshots, least, sequel
        self._heads: dict[str, Head | None] = {}
        self._hearing: dict[str, Reading] = {}
        self._tried: dict[str, int] = {}
        self._looked: dict[str, int] = {}

    def turn(self, experiments: Iterable[Experiment], *, ended: Iterable[Experiment] = ()) -> list[str]:
        """Write the digests and sequels that are due, of the `experiments`; of those that have `ended`, only where
        somebody has to be forgotten. Which digests were written."""
        head, going_on = self._log.head(), list(experiments)
        due = [one.name for one in going_on if self._old(one, head) or self._forgets(one.name, head)]
        due += [one.name for one in ended if self._forgets(one.name, head)]
        due += [one.name for one in going_on if one.name not in due and not self._continued(one.name, head)]
        for name in self._hearing.keys() - {one.name for one in going_on}:
            del self._hearing[name]
        for name in due:
            self._tried[name] = head  # if it cannot be written, not again and again
            self._hearing.pop(name, None)
            digest.put(self._snapshots, self._log, gather(self._log, name, self._snapshots))
            self._heads[name] = digest.head(self._snapshots, name)
        return due

    def _old(self, experiment: Experiment, head: int) -> bool:
        known = self._head(experiment.name)
        as_of = 0 if known is None else known.life.as_of
        since = max(as_of, self._tried.get(experiment.name, 0))
        outdated = known is not None and known.asked != asked(experiment)
        return outdated or head - since >= step(since, least=self._least)

    def _forgets(self, name: str, head: int) -> bool:
        """Whether somebody was erased whom the digest may know; each entry is looked at once."""
        known, looked = self._head(name), self._looked.get(name, 0)
        if known is None or not digest.erasures(self._log, after=max(known.life.as_of, looked)):
            self._looked[name] = head
            return False
        return True

    def _continued(self, name: str, head: int) -> bool:
        """Write what has been heard since the digest, if that has grown; False where it has to be written anew."""
        known = self._head(name)
        if known is None:
            return True
        hearing = self._hearing.get(name)
        if hearing is None:
            fresh = digest.head(self._snapshots, name) or known  # a life of its own, which goes on
            hearing = self._hearing[name] = Reading(self._log, name, Gathered(fresh.life, Ledger(known.asked)))
        life = hearing.life
        assert life is not None
        if head - life.as_of < self._sequel:
            return True
        hearing.read(settle=False)
        if hearing.stale or hearing.erased:
            return False
        digest.put_sequel(self._snapshots, name, life, hearing.heard(), base=known.life.as_of)
        return True

    def _head(self, name: str) -> Head | None:
        if name not in self._heads:
            self._heads[name] = digest.head(self._snapshots, name)
        return self._heads[name]
