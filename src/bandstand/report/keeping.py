"""Keeping digests while experiments run, so that whoever asks for a report need not read the log."""

from collections.abc import Iterable

from bandstand.experiments.definition import Experiment
from bandstand.report import digest
from bandstand.report.asked import asked
from bandstand.report.gather import gather
from bandstand.store import EventLog, Snapshots

LEAST = 20_000
"""New entries after which a digest is written again: a report reads as many in a fraction of a second."""

SHARE = 400
"""Of a long log, one entry in so many: whoever writes it should not be busy with that alone."""


def step(as_of: int, *, least: int = LEAST) -> int:
    """After how many more entries a digest is written again."""
    return max(least, as_of // SHARE)


class Keeping:
    """The digests of a log's experiments."""

    def __init__(self, log: EventLog, snapshots: Snapshots, *, least: int = LEAST) -> None:
        self._log, self._snapshots, self._least = log, snapshots, least
        self._known: dict[str, digest.Known] = {}
        self._tried: dict[str, int] = {}
        self._looked: dict[str, int] = {}

    def turn(self, experiments: Iterable[Experiment], *, ended: Iterable[Experiment] = ()) -> list[str]:
        """Write the digests that are due, of the `experiments`; of those that have `ended`, only where somebody has to
        be forgotten. Which were written."""
        head = self._log.head()
        due = [each.name for each in experiments if self._old(each, head) or self._forgets(each.name, head)]
        due += [each.name for each in ended if self._forgets(each.name, head)]
        for name in due:
            self._tried[name] = head  # if it cannot be written, not again and again
            digest.put(self._snapshots, self._log, gather(self._log, name, self._snapshots))
            self._known[name] = digest.known(self._snapshots, name)
        return due

    def _old(self, experiment: Experiment, head: int) -> bool:
        known = self._about(experiment.name)
        since = max(known.as_of, self._tried.get(experiment.name, 0))
        outdated = known.as_of > 0 and known.asked != asked(experiment)
        return outdated or head - since >= step(since, least=self._least)

    def _forgets(self, name: str, head: int) -> bool:
        """Whether somebody was erased whom the digest may know; each entry is looked at once."""
        known, looked = self._about(name), self._looked.get(name, 0)
        if not known.as_of or not digest.erasures(self._log, after=max(known.as_of, looked)):
            self._looked[name] = head
            return False
        return True

    def _about(self, name: str) -> digest.Known:
        if name not in self._known:
            self._known[name] = digest.known(self._snapshots, name)
        return self._known[name]
