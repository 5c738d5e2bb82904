"""An engine that answers many at once: facts go through one group commit, and weights arrive from a learner."""

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from bandstand.chance import ids, token
from bandstand.engine import Engine, same_request
from bandstand.erasure import erase
from bandstand.errors import BusyError, ConflictError
from bandstand.events import AnyFact, Decided, Draft, Request
from bandstand.follow import newest_fits, newest_weights, shared
from bandstand.model import Published
from bandstand.store import Appended, Snapshots
from bandstand.store.writer import Writer
from bandstand.turns import Turns

_IN_LINE = 128  # at some two milliseconds for each, the last in line is served while its client still waits
_LOOK_FOR_WEIGHTS_S = 0.25
_MOST_SWEEPS, _SWEEP_AGAIN_S = 5, 0.02
_WEIGHTS_KEPT = 8  # published twice a second, so that a decision just made is explained by its own
_LOOK_FOR_ENTRIES_S = 0.05
_logger = logging.getLogger("bandstand")


class Live:
    """One engine on one event loop.

    `alone` says that nobody else writes to the log; at most `queue` facts wait to be written, then BusyError, and of
    these decisions fill one half: what comes back for earlier ones cannot be had again. `failing` says which of its
    background tasks do not succeed at the moment, and why.
    """

    def __init__(
        self,
        engine: Engine,
        snapshots: Snapshots,
        *,
        alone: bool,
        queue: int = 4096,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.failing: dict[str, str] = {}
        self.snapshots = snapshots
        self._writer = Writer(engine.log, on_commit=engine.apply, queue=queue)
        self._most_waiting = (queue + 1) // 2
        self._turns = Turns(_IN_LINE)
        self._alone = alone
        self._ids = ids(os.urandom(32))
        self._tasks: list[asyncio.Task[None]] = []
        self._served: deque[Published] = deque([engine.model.published], maxlen=_WEIGHTS_KEPT)

    @property
    def waiting(self) -> int:
        """How many facts wait for the disk."""
        return self._writer.waiting

    def come(self) -> None:
        """Say that somebody will want a `turn` to decide; BusyError where too many wait for that or for the disk."""
        if self.waiting >= self._most_waiting:
            raise BusyError(f"server: {self.waiting} facts wait for the disk; try again in a second")
        self._turns.come()

    async def turn(self) -> None:
        """Return when it is the caller's turn to decide; BusyError where too many wait for theirs."""
        await self._turns.take()

    def published(self, seq: int) -> Published:
        """The weights of that log position where they are still held, else those that serve now."""
        held = (one for one in self._served if one.seq == seq)
        return next(held, self.engine.model.published)

    async def start(self) -> None:
        """Begin to look for new weights, and for other servers' entries."""
        self._tasks = [asyncio.create_task(self._forever("weights", self._adopt, _LOOK_FOR_WEIGHTS_S))]
        if not self._alone:
            self._tasks.append(asyncio.create_task(self._forever("log", self._tail, _LOOK_FOR_ENTRIES_S)))

    async def stop(self) -> None:
        """Finish what is under way, then stop."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._writer.close()
        self.snapshots.close()
        self.engine.log.close()

    async def rank(self, request: Request, *, key: str | None = None) -> Decided:
        """A durable decision. The same `key` again answers the decision that it made the first time; ConflictError
        where it comes with another request."""
        decision = next(self._ids) if key is None else token("rank", key) + token("rank again", key)
        decided, anew = await self._decided(request, decision)
        if not anew and not same_request(decided, request):
            raise ConflictError(
                f"key {key!r} was used for another request; use a new key for each request", field="key"
            )
        return decided

    async def next_page(self, decision: str, n: int | None = None) -> Decided:
        """The durable decision of the page after that of `decision`: each page has one, however often it is asked for.
        ConflictError where it was of another size."""
        request = self.engine.next_page(decision, n, time=self.clock())
        page = token("page after", decision) + token("page after again", decision)
        decided, anew = await self._decided(request, page)
        if not anew and not same_request(decided, request):
            raise ConflictError(
                f"n: the page after decision {decision!r} was made with n == {decided.request.n}; go on from that page",
                field="n",
            )
        return decided

    async def record(self, facts: Sequence[AnyFact]) -> list[Appended]:
        """Make the facts durable and known to the model; duplicates come back as they were stored."""
        now = self.clock()
        return await self._writer.append([Draft(fact, now) for fact in facts])

    async def erase(self, user: str) -> None:
        """Forget a user, in the log and in the model; see `erasure.erase`.

        What was under way meanwhile may have been written down under the old name, so the log is swept until it is gone
        from it, or until so often that the user must have come back.
        """
        pseudonym = f"erased-{uuid.uuid4().hex}"
        for _ in range(_MOST_SWEEPS):
            await self.record([await asyncio.to_thread(erase, self.engine.log, user, pseudonym=pseudonym)])
            while self.waiting:
                await asyncio.sleep(_SWEEP_AGAIN_S)
            if not await asyncio.to_thread(self.engine.log.about, user):
                return

    async def _decided(self, request: Request, decision: str) -> tuple[Decided, bool]:
        """The decision of that id, and whether it was made now."""
        (appended,) = await self.record([self.engine.decide(request, decision=decision)])
        stored = appended.entry.fact
        assert isinstance(stored, Decided)
        return stored, not appended.duplicate

    async def _adopt(self) -> None:
        model = self.engine.model
        published = await asyncio.to_thread(self._newest_weights)
        if published is not None and model.adopt(published):
            self._served.append(published)
        fits = await asyncio.to_thread(newest_fits, self.snapshots, model.state.fits.seq)
        if fits is not None:
            model.adopt_fits(fits)

    def _newest_weights(self) -> Published | None:
        published = newest_weights(self.snapshots, self.engine.model.published.seq)
        return published if published is None or self._alone else shared(published)

    async def _tail(self) -> None:
        after = self.engine.model.state.seq
        self.engine.apply(await asyncio.to_thread(self.engine.log.read, after=after))

    async def _forever(self, what: str, look: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            try:
                await look()
                self.failing.pop(what, None)
            except Exception as error:  # whatever it is, serving goes on with what it has, and readiness says so
                _logger.warning("%s: %s; trying again", what, error)
                self.failing[what] = str(error)
            await asyncio.sleep(every_s)
