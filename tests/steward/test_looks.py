"""A look reads digests where there are any, and sees the same."""

from collections.abc import Sequence

import pytest

from bandstand.report.keeping import Keeping
from bandstand.steward.looks import looks
from bandstand.store import Written
from bandstand.store.memory import MemoryLog, MemorySnapshots

from ..report.logs import Draft, earned, experiment, log_of, saw, users


class _Watched(MemoryLog):
    """A log that remembers from where on decisions were read."""

    least = 10**9

    def scan(self, kinds: Sequence[str], *, after: int = 0, limit: int = 300) -> list[Written]:
        if "decided" in kinds:
            self.least = min(self.least, after)
        return super().scan(kinds, after=after, limit=limit)


@pytest.mark.parametrize("allocation", ["fixed", "adaptive"])
def test_a_look_reads_only_what_came_after_the_digest(allocation: str) -> None:
    definition = experiment(allocation=allocation, reweigh_hours=0.0)
    facts = users("control", [1.0, 0.0] * 60) + users("treatment", [1.0, 1.0, 0.0] * 40)
    log, snapshots, watched = log_of(definition, facts), MemorySnapshots(), _Watched()
    Keeping(log, snapshots, least=1).turn([definition])
    known = log.head()
    log.append([Draft(fact, at) for at, fact in (saw("more", "treatment", "zoe"), earned("more", "zoe"))])
    watched.append([Draft(entry.fact, entry.at) for entry in log.read()])
    seen = looks(watched, snapshots)
    assert seen == looks(log)
    assert seen[0].error is None
    assert watched.least == known
