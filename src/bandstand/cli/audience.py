"""The demo's audience: simulated people who ask for slates and click over HTTP, as an app would."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any, NamedTuple

import httpx
import msgspec

from bandstand.events import ItemPut
from bandstand.simulate.people import Visit
from bandstand.simulate.world import World

SURFACE = "home"
BANDIT = "default"
STEP_S = 3  # of the learning curve
_AT_ONCE = 8
_ITEMS_A_CALL = 500
_TIMES_KEPT = 2000


class Tally:
    """What the audience saw: how long answers took, picks and clicks by strategy and by generator, the latest slate."""

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.took_s: deque[float] = deque(maxlen=_TIMES_KEPT)
        self.picks: Counter[str] = Counter()
        self.clicks: Counter[str] = Counter()
        self.curve: dict[str, list[tuple[int, int]]] = {}
        self.latest: Seen | None = None

    def add(self, seen: "Seen", took_s: float, *, second: int) -> None:
        """Count one answer; `second` is how long the demo has run."""
        self.requests += 1
        self.took_s.append(took_s)
        strategy, picks = seen.answer["strategy"], seen.answer["picks"]
        steps = self.curve.setdefault(strategy, [])
        steps.extend([(0, 0)] * (second // STEP_S + 1 - len(steps)))
        shown, clicked = steps[-1]
        steps[-1] = (shown + len(picks), clicked + len(seen.clicked))
        if strategy == BANDIT:
            self._add_sources(seen)

    def _add_sources(self, seen: "Seen") -> None:
        for pick in seen.answer["picks"]:
            for source in pick["sources"]:
                self.picks[source] += 1
                self.clicks[source] += pick["position"] in seen.clicked
        if len(seen.clicked) >= 2:
            self.latest = seen


class Seen(NamedTuple):
    """One answered visit."""

    visit: Visit
    answer: dict[str, Any]
    clicked: list[int]


async def fill(client: httpx.AsyncClient, items: list[ItemPut]) -> None:
    """Put the catalogue, a few hundred items a call."""
    for start in range(0, len(items), _ITEMS_A_CALL):
        batch = [_body(item) for item in items[start : start + _ITEMS_A_CALL]]
        (await client.put("/v1/items", json=batch)).raise_for_status()


async def attend(client: httpx.AsyncClient, world: World, tally: Tally, stopping: asyncio.Event, *, first: int) -> None:
    """Visit after visit, several at once, from the visitor numbered `first` on, until `stopping`."""
    numbers, started = count(first), time.monotonic()
    await asyncio.gather(*(_visitor(client, world, tally, stopping, numbers, started) for _ in range(_AT_ONCE)))


async def _visitor(
    client: httpx.AsyncClient,
    world: World,
    tally: Tally,
    stopping: asyncio.Event,
    numbers: Iterator[int],
    started: float,
) -> None:
    while not stopping.is_set():
        visit = world.visit(next(numbers), time=time.time())
        try:
            await _one_visit(client, world, tally, visit, started)
        except httpx.HTTPError:
            tally.failures += 1
            await asyncio.sleep(0.5)  # the server may be starting again; its clients wait a moment


async def _one_visit(client: httpx.AsyncClient, world: World, tally: Tally, visit: Visit, started: float) -> None:
    zone = timezone(timedelta(seconds=visit.utc_offset_s))
    context = visit.context | {"time": datetime.fromtimestamp(visit.time, zone).isoformat()}
    body = {"surface": SURFACE, "user": visit.user, "session": visit.session, "context": context}
    start = time.perf_counter()
    response = await client.post("/v1/rank", json=body)
    took_s = time.perf_counter() - start
    response.raise_for_status()
    answer = response.json()
    clicked = world.clicks(visit, [pick["item"] for pick in answer["picks"]])
    tally.add(Seen(visit, answer, clicked), took_s, second=int(time.monotonic() - started))
    if clicked:
        rewards = [
            {"decision": answer["decision"], "position": at, "name": "click", "value": 1.0, "key": f"click-{at}"}
            for at in clicked
        ]
        (await client.post("/v1/rewards", json=rewards)).raise_for_status()


def _body(item: ItemPut) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(item)
    del body["fact"]
    return body
