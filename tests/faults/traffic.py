"""Visitors: clients that rank, look, click and browse, retry with their keys, and note what was acknowledged."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .server import ITEMS

_PATIENCE_S = 20.0
_AGAIN_S = 0.05


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Acknowledged:
    """What clients were told is recorded, by the log's own key for it; and what they must then find there."""

    def __init__(self, facts: dict[str, dict[str, object]] | None = None) -> None:
        self.facts = facts or {}

    def decided(self, answer: dict[str, Any]) -> None:
        items = [pick["item"] for pick in answer["picks"]]
        self.facts[f"decided/{answer['decision']}"] = {"items": items, "as_of": answer["as_of"]}

    def exposed(self, decision: str) -> None:
        self.facts[f"exposed/{decision}/all"] = {}

    def rewarded(self, decision: str, key: str, value: float) -> None:
        self.facts[f"rewarded/{len(decision)}/{decision}/{key}"] = {"value": value}

    def interacted(self, key: str, item: str) -> None:
        self.facts[f"interacted/{key}"] = {"item": item}

    def now(self) -> "Acknowledged":
        """A copy, for traffic goes on."""
        return Acknowledged(dict(self.facts))


class Gone(Exception):
    """The connection broke before the answer."""


class Client:
    """One keep-alive connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object) -> Answer:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            sent = json.dumps(body).encode()
            head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(sent)}\r\n\r\n"
            writer.write(head.encode() + sent)
            return await _answer(reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Gone(str(error)) from error

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(head[0].split()[1]), headers, json.loads(body) if body else None)


class Traffic:
    """Visitors of one server, in a loop and thread of their own. What is refused or breaks off is tried again with the
    same key until it is acknowledged, for so long that a restart fits in; an answer that retrying cannot mend is noted
    in `surprises`."""

    def __init__(
        self,
        port: int,
        *,
        visitors: int = 8,
        think_s: float = 0.01,
        seed: str = "",
        acknowledged: Acknowledged | None = None,
    ) -> None:
        self.acknowledged = acknowledged or Acknowledged()
        self.latencies: list[tuple[float, float]] = []
        """When each request that succeeded at once was sent (monotonic seconds), and how long it took."""
        self.refused: Counter[int] = Counter()
        self.broken = 0
        self.surprises: list[str] = []
        self._port = port
        self._visitors = visitors
        self._think_s = think_s
        self._seed = seed
        self._stopping = threading.Event()
        self._abandoned = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Traffic"]:
        """Traffic within the block; at its end every visitor finishes what is under way."""
        thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            thread.join(_PATIENCE_S + 5.0)
            assert not thread.is_alive()

    def abandon(self) -> None:
        """Let every visitor go at once: the server is not coming back."""
        self._abandoned.set()
        self._stopping.set()

    def next_success(self, at: float) -> float:
        """When the first answer came after this instant."""
        return min(done for sent, took in self.latencies if (done := sent + took) > at)

    async def _all(self) -> None:
        await asyncio.gather(*(self._visitor(n) for n in range(self._visitors)))

    async def _visitor(self, n: int) -> None:
        chance = random.Random(f"{self._seed}/{n}")
        client = Client(self._port)
        visit = 0
        while not self._stopping.is_set():
            visit += 1
            await self._visit(client, chance, user=f"u{chance.randrange(50)}", key=f"{self._seed}-{n}-{visit}")
        client.close()

    async def _visit(self, client: Client, chance: random.Random, *, user: str, key: str) -> None:
        asked = {"surface": "home", "user": user, "key": key, "shown": False, "context": {"device": "phone"}}
        slate = await self._sent(client, "/v1/rank", asked)
        if slate is None:
            return
        self.acknowledged.decided(slate)
        decision = slate["decision"]
        if await self._sent(client, "/v1/exposures", {"decision": decision}) is not None:
            self.acknowledged.exposed(decision)
        if slate["picks"] and chance.random() < 0.5:
            value = float(chance.randrange(1, 5))
            reward = {"decision": decision, "name": "click", "value": value, "position": 0, "key": key}
            if await self._sent(client, "/v1/rewards", reward) is not None:
                self.acknowledged.rewarded(decision, key, value)
        if chance.random() < 0.3:
            item = f"i{chance.randrange(ITEMS)}"
            viewed = {"item": item, "name": "view", "user": user, "key": key}
            if await self._sent(client, "/v1/interactions", viewed) is not None:
                self.acknowledged.interacted(key, item)

    async def _sent(self, client: Client, path: str, body: dict[str, object]) -> Any:
        """The body of the answer that acknowledges; None where there is none."""
        await asyncio.sleep(self._think_s)
        give_up = time.monotonic() + _PATIENCE_S
        while (began := time.monotonic()) < give_up:
            try:
                answer = await client.ask("POST", path, body)
            except Gone:
                self.broken += 1
                if self._abandoned.is_set():
                    return None
            else:
                if answer.status in (200, 202):
                    self.latencies.append((began, time.monotonic() - began))
                    return answer.body
                self.refused[answer.status] += 1
                if answer.status not in (429, 503, 507):
                    self.surprises.append(f"{path} {body}: {answer.status} {answer.body}")
                    return None
                if "retry-after" not in answer.headers:
                    self.surprises.append(f"{path}: {answer.status} without Retry-After")
            await asyncio.sleep(_AGAIN_S)
        self.surprises.append(f"{path} {body}: not acknowledged within {_PATIENCE_S:g} s")
        return None
