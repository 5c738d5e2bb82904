"""Group commit: what many tasks of an event loop append at once, one thread makes durable together."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Condition, Thread
from typing import NamedTuple

from bandstand.errors import BusyError, InputError, StoreError
from bandstand.events import Draft, Entry
from bandstand.store import Appended, EventLog

_logger = logging.getLogger(__name__)

_Result = list[Appended] | Exception


class _Waiter(NamedTuple):
    drafts: Sequence[Draft]
    answer: asyncio.Future[list[Appended]]


class Writer:
    """Appends to `log` for one event loop.

    What arrives in one turn of the loop goes into one commit, but for a busy turn, whose first `eager` drafts are
    committed while the others are still being made; what arrives while a commit is under way goes into the next one, up
    to `batch` drafts. At most `queue` drafts wait;
    past that an append is refused with BusyError. `on_commit` is given each commit's new entries, in the loop's thread
    and in the log's order, before the tasks that wait for them go on.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        on_commit: Callable[[list[Entry]], object] | None = None,
        queue: int = 4096,
        batch: int = 512,
        eager: int = 8,
    ) -> None:
        self._log = log
        self._on_commit = on_commit
        self._queue = queue
        self._batch = batch
        self._eager = eager
        self._arriving: list[_Waiter] = []
        self._waiting: deque[_Waiter] = deque()
        self._drafts = 0
        self._closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="bandstand-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many drafts have not been answered yet."""
        return self._drafts

    async def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        """What the log holds for each draft, once all of them are durable."""
        if not drafts:
            return []
        waiter = _Waiter(tuple(drafts), asyncio.get_running_loop().create_future())
        with self._changed:
            if self._closed:
                raise StoreError("write queue: is closed; open the log again")
            if self._drafts and self._drafts + len(drafts) > self._queue:
                raise BusyError(
                    f"write queue: {self._drafts} of at most {self._queue} drafts wait; try again in a second"
                )
            self._drafts += len(drafts)
        self._arriving.append(waiter)
        if len(self._arriving) == 1:
            waiter.answer.get_loop().call_soon(self._hand_over)
        elif len(self._arriving) >= self._eager:
            self._hand_over()
        return await waiter.answer

    def _hand_over(self) -> None:
        with self._changed:
            self._waiting += self._arriving
            self._changed.notify()
        self._arriving.clear()

    async def close(self) -> None:
        """Take nothing more, write what waits, and answer it."""
        self._hand_over()
        with self._changed:
            self._closed = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while gathered := self._gather():
            results = self._results(gathered)
            try:
                gathered[0].answer.get_loop().call_soon_threadsafe(self._release, gathered, results)
            except RuntimeError:
                _logger.warning("write queue: the event loop ended before %d appends were answered", len(gathered))

    def _gather(self) -> list[_Waiter]:
        """The next commit: whole appends, as many as fit into a batch; nothing once closed and empty."""
        gathered: list[_Waiter] = []
        size = 0
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            while self._waiting and (not gathered or size + len(self._waiting[0].drafts) <= self._batch):
                gathered.append(self._waiting.popleft())
                size += len(gathered[-1].drafts)
            self._drafts -= size
        return gathered

    def _results(self, gathered: Sequence[_Waiter]) -> list[_Result]:
        """What to answer each. One refused draft fails the whole commit, so it is sought by halves: the others live."""
        try:
            stored = iter(self._log.append([draft for waiter in gathered for draft in waiter.drafts]))
            return [list(islice(stored, len(waiter.drafts))) for waiter in gathered]
        except InputError as error:
            if len(gathered) == 1:
                return [error]
            half = len(gathered) // 2
            return self._results(gathered[:half]) + self._results(gathered[half:])
        except Exception as error:  # whatever it is, it belongs to those who wait: this thread must go on
            return [error] * len(gathered)

    def _release(self, gathered: Sequence[_Waiter], results: Sequence[_Result]) -> None:
        stored = [appended for result in results if isinstance(result, list) for appended in result]
        new = [appended.entry for appended in stored if not appended.duplicate]
        try:
            if new and self._on_commit is not None:
                self._on_commit(new)
        finally:
            for waiter, result in zip(gathered, results, strict=True):
                if waiter.answer.done():  # the task was cancelled
                    continue
                if isinstance(result, list):
                    waiter.answer.set_result(result)
                else:
                    waiter.answer.set_exception(result)
