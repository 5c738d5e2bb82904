"""Keeping digests while experiments run, so that whoever asks for a report need not read the log."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from bandstand.experiments.definition import Experiment
from bandstand.experiments.freeze import FROZEN
from bandstand.report import digest
from bandstand.report.asked import asked
from bandstand.report.digest import Head
from bandstand.report.gather import STRETCH, Reading, gather
from bandstand.report.gathered import Gathered
from bandstand.report.interleaved import drafts
from bandstand.report.ledger import Ledger
from bandstand.report.recorded import keep
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


class Of(NamedTuple):
    """What a digest is of: an experiment, or a group of its decisions that is looked at by itself."""

    experiment: Experiment
    group: str = ""

    @property
    def name(self) -> tuple[str, str]:
        return self.experiment.name, self.group


class Keeping:
    """The digests of a log's experiments."""

    def __init__(self, log: EventLog, snapshots: Snapshots, *, least: int = LEAST, sequel: int = SEQUEL) -> None:
        self._log, self._snapshots, self._least, self._sequel = log, snapshots, least, sequel
        self._heads: dict[tuple[str, str], Head | None] = {}
        self._hearing: dict[tuple[str, str], Reading] = {}
        self._tried: dict[tuple[str, str], int] = {}
        self._looked: dict[tuple[str, str], int] = {}
        self._recorded = 0

    def turn(self, experiments: Iterable[Experiment], *, ended: Iterable[Experiment] = ()) -> list[str]:
        """Write the digests and sequels that are due, of the `experiments`; of those that have `ended`, only where
        somebody has to be forgotten. Of which experiments digests were written."""
        head, going_on = self._log.head(), [one for each in experiments for one in _digests(each)]
        if head - self._recorded >= self._sequel:
            self._recorded = keep(self._log, self._snapshots)
        due = [one for one in going_on if self._old(one, head) or self._forgets(one, head)]
        due += [one for each in ended for one in _digests(each) if self._forgets(one, head)]
        due += [one for one in going_on if one not in due and not self._continued(one, head)]
        for name in self._hearing.keys() - {one.name for one in going_on}:
            del self._hearing[name]
        for one in due:
            self._write(one, head)
        return list(dict.fromkeys(one.experiment.name for one in due))

    def _write(self, of: Of, head: int) -> None:
        self._tried[of.name] = head  # if it cannot be written, not again and again
        self._hearing.pop(of.name, None)
        gathered = gather(self._log, of.experiment.name, self._snapshots, group=of.group)
        if gathered.life.experiment.method == "interleave":
            gathered = gathered._replace(drafts=drafts(self._log, gathered))
        digest.put(self._snapshots, self._log, gathered)
        self._heads[of.name] = self._read(of)

    def _old(self, of: Of, head: int) -> bool:
        known = self._head(of)
        as_of = 0 if known is None else known.life.as_of
        since = max(as_of, self._tried.get(of.name, 0))
        outdated = known is not None and known.asked != asked(of.experiment, group=of.group)
        return outdated or head - since >= step(since, least=self._least)

    def _forgets(self, of: Of, head: int) -> bool:
        """Whether somebody was erased whom the digest may know; each entry is looked at once."""
        known, looked = self._head(of), self._looked.get(of.name, 0)
        if known is None or not digest.erasures(self._log, after=max(known.life.as_of, looked)):
            self._looked[of.name] = head
            return False
        return True

    def _continued(self, of: Of, head: int) -> bool:
        """Write what has been heard since the digest, if that has grown; False where it has to be written anew."""
        known = self._head(of)
        if known is None:
            return True
        hearing = self._hearing.get(of.name)
        if hearing is None:
            fresh = self._read(of) or known  # a life of its own, which goes on
            before = Gathered(fresh.life, Ledger(known.asked))
            hearing = self._hearing[of.name] = Reading(self._log, of.experiment.name, before, group=of.group)
        life = hearing.life
        assert life is not None
        if head - life.as_of < self._sequel:
            return True
        hearing.read(settle=False)
        if hearing.stale or hearing.erased:
            return False
        base = known.life.as_of
        digest.put_sequel(self._snapshots, of.experiment.name, life, hearing.heard(), base=base, group=of.group)
        return True

    def _head(self, of: Of) -> Head | None:
        if of.name not in self._heads:
            self._heads[of.name] = self._read(of)
        return self._heads[of.name]

    def _read(self, of: Of) -> Head | None:
        return digest.head(self._snapshots, of.experiment.name, group=of.group)


def _digests(experiment: Experiment) -> list[Of]:
    whole = Of(experiment)
    return [whole] if experiment.frozen is None else [whole, Of(experiment, FROZEN)]
