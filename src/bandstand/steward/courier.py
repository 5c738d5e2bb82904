"""Brings events to the addresses of `[hooks]`: signed, tried again, and never waited for."""

import asyncio
import contextlib
import hashlib
import hmac
import logging
from collections.abc import Callable

import httpx
import msgspec

from bandstand.settings import Hooks
from bandstand.steward.news import Event

_MOST_WAITING = 256
"""For each address. Experiments move a few times a day; what fills this is an address that has been dead for days."""

_LONGEST_PAUSE_S = 60.0
_FAREWELL_S = 3.0
_logger = logging.getLogger("bandstand")

Counted = Callable[[str, str], None]
"""Told what was done and how it ended: "done", "failed" or "dropped"."""


def signature(secret: str, body: bytes) -> str:
    """What the header `x-bandstand-signature` says of a body: SHA-256 with the secret as its key.

    >>> signature("key", b"The quick brown fox jumps over the lazy dog")[:23]
    'sha256=f7bc83f430538424'
    """
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


class Courier:
    """Each address has a queue of its own, so that a dead one keeps nothing from the others."""

    def __init__(self, hooks: Hooks, counted: Counted) -> None:
        self._hooks = hooks
        self._counted = counted
        self._queues = {url: asyncio.Queue[Event](_MOST_WAITING) for url in hooks.urls}
        self._tasks: list[asyncio.Task[None]] = []
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        # Reading the certificates takes long enough to be felt by requests.
        self._client = await asyncio.to_thread(httpx.AsyncClient, timeout=self._hooks.timeout_s)
        self._tasks = [asyncio.create_task(self._deliver(url, queue)) for url, queue in self._queues.items()]

    async def stop(self, *, patiently: bool = False) -> None:
        """Bring what waits, as far as that is done in a moment; `patiently`, with every further attempt."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if patiently else _FAREWELL_S):
                await asyncio.gather(*(queue.join() for queue in self._queues.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def send(self, event: Event) -> None:
        """Hand over, without waiting; what finds the queue full is dropped."""
        for url, queue in self._queues.items():
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._counted("hook", "dropped")
                _logger.warning("hook %s: %d events wait already; %s is dropped", url, _MOST_WAITING, event.id)

    async def _deliver(self, url: str, queue: asyncio.Queue[Event]) -> None:
        while True:
            event = await queue.get()
            try:
                await self._brought(url, event)
            except Exception:  # what nobody foresaw must not keep the next ones from this address
                self._counted("hook", "failed")
                _logger.exception("hook %s: %s could not be delivered", url, event.id)
            finally:
                queue.task_done()

    async def _brought(self, url: str, event: Event) -> None:
        body, why = msgspec.json.encode(event), None
        for attempt in range(self._hooks.retries + 1):
            if attempt:
                await asyncio.sleep(min(2.0 ** (attempt - 1), _LONGEST_PAUSE_S))
            why = await self._refused(url, body, event)
            if why is None:
                self._counted("hook", "done")
                return
        self._counted("hook", "failed")
        _logger.warning("hook %s: %s could not be delivered: %s", url, event.id, why)

    async def _refused(self, url: str, body: bytes, event: Event) -> str | None:
        """Why this attempt did not succeed; nothing where it did. What the receiver says is not read."""
        assert self._client is not None
        headers = {"content-type": "application/json", "x-bandstand-event": event.event, "x-bandstand-id": event.id}
        if self._hooks.secret:
            headers["x-bandstand-signature"] = signature(self._hooks.secret, body)
        try:
            async with (
                asyncio.timeout(self._hooks.timeout_s),
                self._client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                return None if answer.is_success else f"status {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return str(error) or type(error).__name__
