"""A flood: requests for slates that are sent when they are due, whatever becomes of those before."""

import asyncio
import json
import random
import time
from collections import defaultdict

from .traffic import Acknowledged

_USERS = 50
_PATIENCE_S = 20.0


class Flood:
    """`rate` requests a second, at chance instants, from at most so many connections: where none is free a request is
    late, and how long it `took`, by status, counts from when it was due. Connections that break are made again."""

    def __init__(self, port: int, *, rate: float, seconds: float, connections: int = 256, seed: str = "") -> None:
        self.acknowledged = Acknowledged()
        self.took: dict[int, list[float]] = defaultdict(list)
        self.broken = 0
        self.without_retry_after = 0
        self._port = port
        self._rate = rate
        self._seconds = seconds
        self._connections = connections
        self._chance = random.Random(seed)
        self._sent = 0

    @property
    def per_s(self) -> float:
        """Slates a second."""
        return len(self.took[200]) / self._seconds

    def run(self) -> "Flood":
        asyncio.run(self._pour())
        return self

    def answered(self, due: float, head: bytes, body: bytes) -> None:
        status = int(head[9:12])
        self.took[status].append(time.monotonic() - due)
        if status == 200:
            self.acknowledged.decided(json.loads(body))
        elif b"\r\nretry-after: " not in head.lower():
            self.without_retry_after += 1

    async def _pour(self) -> None:
        self._idle: asyncio.Queue[_Line] = asyncio.Queue()
        lines = [_Line(self) for _ in range(self._connections)]
        for line in lines:
            await line.open()
        now = due = time.monotonic()
        end = now + self._seconds
        while (due := due + self._chance.expovariate(self._rate)) < end and now < end:
            if due > (now := time.monotonic()):
                await asyncio.sleep(due - now)
            line = await self._idle.get()
            line.send(due, self._request())
        async with asyncio.timeout(_PATIENCE_S):
            for _ in lines:
                (await self._idle.get()).close()

    def _request(self) -> bytes:
        self._sent += 1
        asked = {"surface": "home", "user": f"u{self._sent % _USERS}", "context": {"device": "phone"}}
        body = json.dumps(asked).encode()
        return b"POST /v1/rank HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    def idle(self, line: "_Line") -> None:
        self._idle.put_nowait(line)

    async def connected(self, line: "_Line") -> None:
        await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", self._port)


class _Line(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._transport: asyncio.BaseTransport | None = None
        self._due: float | None = None
        self._read = b""
        self._closing = False
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._flood.connected(self)
        self._flood.idle(self)

    def send(self, due: float, request: bytes) -> None:
        self._due = due
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(request)

    def close(self) -> None:
        self._closing = True
        assert self._transport is not None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]):
            return
        assert self._due is not None
        self._read, due, self._due = b"", self._due, None
        self._flood.answered(due, head, body)
        self._flood.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._flood.broken += 1
            self._read, self._due = b"", None
            self._opening = asyncio.ensure_future(self.open())
