"""Following a log that somebody else writes: learn from it, and publish what was learned as snapshots."""

import logging
import time
from collections.abc import Callable

import msgspec

from bandstand.errors import StoreError
from bandstand.events import UserErased
from bandstand.model import Model, Published
from bandstand.packing import pack, unpack
from bandstand.store import EventLog, Snapshot, Snapshots

_log = logging.getLogger("bandstand")


def newest_model(snapshots: Snapshots, log: EventLog, *, learning: bool) -> Model:
    """The model of the newest snapshot that can be read and is of this log, or a fresh one: the log makes up for it."""
    try:
        snapshot = snapshots.newest("model")
        if snapshot is None:
            return Model(learning=learning)
        model = Model.load(snapshot.body, learning=learning)
        first = log.read(limit=1)
        if model.state.seq > log.head() or not first or first[0].at != model.state.origin:
            raise StoreError("snapshot: it was made from another log")
    except StoreError as error:
        _log.warning("the model is made from the log: %s", error)
        return Model(learning=learning)
    return model


def newest_weights(snapshots: Snapshots, after: int) -> Published | None:
    """Weights published after log position `after`."""
    snapshot = snapshots.newest("weights", after=after)
    try:
        return None if snapshot is None else unpack(snapshot.body, Published)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreError(f"weights at {after}: the snapshot cannot be read ({error})") from error


class Follower:
    """The learner beside the servers: folds the log, publishes weights often and whole models now and then."""

    def __init__(
        self,
        model: Model,
        log: EventLog,
        snapshots: Snapshots,
        *,
        weights_every_s: float = 0.5,
        model_every_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self._log = log
        self._snapshots = snapshots
        self._weights_every_s = weights_every_s
        self._model_every_s = model_every_s
        self._clock = clock
        self._published_at = self._saved_at = clock()
        self._published_learned = -1
        self._saved_seq = model.state.seq
        self._erased = False

    def turn(self) -> int:
        """Read the next page of the log, learn, and publish what is due; the number of entries read."""
        entries = self._log.read(after=self.model.state.seq)
        for entry in entries:
            self.model.step(entry)
            self._erased = self._erased or isinstance(entry.fact, UserErased)
        now = self._clock()
        if now - self._published_at >= self._weights_every_s:
            self.publish()
            self._published_at = now
        if self._erased or now - self._saved_at >= self._model_every_s:
            self.save()
            self._saved_at = now
        return len(entries)

    def publish(self) -> None:
        """Make new weights known to the servers, where anything was learned since the last time."""
        if self.model.learned != self._published_learned:
            published = self.model.publish()
            self._snapshots.put("weights", Snapshot(published.seq, pack(published)))
            self._published_learned = self.model.learned

    def save(self) -> None:
        """Write the whole model down, so that the next start need not fold the log again."""
        if self.model.state.seq != self._saved_seq:
            snapshot = Snapshot(self.model.state.seq, self.model.dump())
            # Those from before an erasure still know who was erased.
            self._snapshots.put("model", snapshot, alone=self._erased)
            self._saved_seq, self._erased = snapshot.seq, False
