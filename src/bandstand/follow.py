"""Following a log that somebody else writes: learn from it, and publish what was learned as snapshots."""

import logging
import math
import threading
import time
from collections.abc import Callable

import msgspec

from bandstand.candidates import fits
from bandstand.candidates.fits import Fits
from bandstand.errors import StoreError
from bandstand.events import UserErased
from bandstand.model import Model, Published
from bandstand.packing import pack, unpack
from bandstand.recipe import wanted_fits
from bandstand.state import State
from bandstand.store import EventLog, Snapshot, Snapshots
from bandstand.store.mapped import mapped

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


def shared(published: Published) -> Published:
    """The same weights, in memory that all servers of this machine have in common."""
    weights = {
        name: msgspec.structs.replace(each, table=mapped(each.table)) for name, each in published.weights.items()
    }
    return msgspec.structs.replace(published, weights=weights)


def newest_fits(snapshots: Snapshots, after: int) -> Fits | None:
    """Fitted generators made after log position `after`."""
    snapshot = snapshots.newest("fits", after=after)
    try:
        return None if snapshot is None else fits.load(snapshot.body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreError(f"fits at {after}: the snapshot cannot be read ({error})") from error


class Fitting:
    """Fitted generators in the making, from what the state knows now. A learner that is about to end does not wait."""

    def __init__(self, state: State) -> None:
        self.made: Fits | None = None
        self._names = wanted_fits(state)
        self._evidence = state.evidence()
        self._place = (state.seq, state.origin, state.told)
        self._thread = threading.Thread(target=self._make, name="bandstand-fits", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def _make(self) -> None:
        people, rows = self._evidence.likes.shape
        what = (
            f"{', '.join(self._names)} from {self._evidence.likes.nnz:,} likes of {rows:,} items by {people:,} people"
        )
        _log.info("fitting %s", what)
        began = time.monotonic()
        try:
            made = fits.fitted(self._names, self._evidence, told=_log.info)
        except Exception:  # whatever it is, learning goes on, and so do the generators made before
            _log.exception("fitting %s failed", what)
            return
        _log.info("fitted %s in %.1f s", ", ".join(made) or "nothing", time.monotonic() - began)
        self.made = Fits(*self._place, tuple(self._names), made)


class Follower:
    """The learner beside the servers: folds the log, publishes weights often and whole models now and then.

    Fitted generators are made anew in a thread beside the fold, from a copy of what was known when it began; until it
    has ended, the servers go on with those made before.
    """

    def __init__(
        self,
        model: Model,
        log: EventLog,
        snapshots: Snapshots,
        *,
        weights_every_s: float = 0.5,
        model_every_s: float = 60.0,
        fits_every_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self._log = log
        self._snapshots = snapshots
        self._weights_every_s = weights_every_s
        self._model_every_s = model_every_s
        self._fits_every_s = fits_every_s
        self._clock = clock
        self._published_at = self._saved_at = clock()
        self._published: tuple[int, tuple[str, ...]] | None = None
        self._saved_seq = model.state.seq
        self._erased = self._forgetting = False
        self._fitting: Fitting | None = None
        self._fits_at = -math.inf
        try:
            made = newest_fits(snapshots, -1)
            if made is not None:
                model.adopt_fits(made)
        except StoreError as error:
            _log.warning("generators are fitted anew: %s", error)

    def turn(self) -> int:
        """Read the next page of the log, learn, and publish what is due; the number of entries read."""
        entries = self._log.read(after=self.model.state.seq)
        for entry in entries:
            self.model.step(entry)
            if isinstance(entry.fact, UserErased):
                self._erased = self._forgetting = True
                self._fitting = None  # it began with what is to be forgotten
        now = self._clock()
        if now - self._published_at >= self._weights_every_s:
            self.publish()
            self._published_at = now
        self._fit(now)
        if self._erased or now - self._saved_at >= self._model_every_s:
            self.save()
            self._saved_at = now
        return len(entries)

    def publish(self) -> None:
        """Make new weights known to the servers, where anything was learned or frozen since the last time."""
        now = self.model.learned, tuple(self.model.frozen)
        if now != self._published:
            published = self.model.publish()
            self._snapshots.put("weights", Snapshot(published.seq, pack(published)))
            self._published = now

    def _fit(self, now: float) -> None:
        """Publish the fitted generators that are ready, and begin with others where it is time."""
        if self._fitting is not None and self._fitting.done:
            made, self._fitting = self._fitting.made, None
            if made is not None and self.model.adopt_fits(made):
                # Those from before an erasure were made from what somebody did who is to be forgotten.
                self._snapshots.put("fits", Snapshot(made.seq, fits.dump(made)), alone=self._forgetting)
                self._forgetting = False
        wanted = wanted_fits(self.model.state)
        due = self.model.fit_due and now - self._fits_at >= self._fits_every_s
        if self._fitting is None and wanted and (due or self._forgetting):
            self._fitting, self._fits_at = Fitting(self.model.state), now

    def save(self) -> None:
        """Write the whole model down, so that the next start need not fold the log again."""
        if self.model.state.seq != self._saved_seq:
            snapshot = Snapshot(self.model.state.seq, self.model.dump())
            # Those from before an erasure still know who was erased.
            self._snapshots.put("model", snapshot, alone=self._erased)
            self._saved_seq, self._erased = snapshot.seq, False
