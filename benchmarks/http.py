"""Ranking over HTTP, durable, beside a bare Litestar POST echo of the same bodies under the same web server."""

from collections.abc import Iterator
from typing import Any

import msgspec

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.data import CANDIDATES, Shop, requests
from benchmarks.history import Made
from benchmarks.load import Job, Told
from benchmarks.measure import Figure, ratios, spread
from benchmarks.servers import Server, copied, echoing, serving

CONNECTIONS = 16
_DISTINCT = 2_000


def body(shop: Shop, *, candidates: int | None) -> Iterator[bytes]:
    """Rank requests as apps send them."""
    for one in requests(shop, _DISTINCT, time=0.0, candidates=candidates):
        sent: dict[str, Any] = {"surface": one.surface, "user": one.user, "n": one.n, "context": one.context}
        if one.candidates is not None:
            sent["candidates"] = one.candidates
        yield msgspec.json.encode(sent)


def given(bench: Bench) -> list[Figure]:
    return rank(bench, bench.usual, name="rank", candidates=CANDIDATES, least=0.4)


def generated(bench: Bench) -> list[Figure]:
    return rank(bench, bench.usual, name="generators", candidates=None, least=0.3)


def light(bench: Bench) -> list[Figure]:
    return rank(bench, bench.light, name="light", candidates=CANDIDATES, least=0.4)


def floor(bench: Bench) -> list[Figure]:
    """What `rank` would be if it cost nothing to decide."""
    return rank(bench, bench.usual, name="floor", candidates=CANDIDATES, least=None)[:1]


def rank(bench: Bench, made: Made, *, name: str, candidates: int | None, least: float | None) -> list[Figure]:
    """Throughput at 16 connections, then latencies at half of what each can do; deciding is free where no bar is."""
    scratch, rounds, seconds = bench.scratch, bench.rounds, float(bench.size(4, 1))
    shop = made.shop
    among = f"{candidates} given candidates" if candidates else f"the default generators over {shop.items:,} items"
    what = f"rank over HTTP, {among}, {shop.features} context and {shop.features} item features"
    if least is None:
        what += ", where deciding costs nothing"
    bench.told(what)
    bodies = list(body(made.shop, candidates=candidates))
    load.prepare(scratch / f"{name}.requests", "/v1/rank", bodies)
    with serving(copied(made.folder, scratch / f"{name}-ours"), floor=least is None) as ours:
        answer = ours.post("/v1/rank", msgspec.Raw(bodies[0]))
        with echoing(scratch / f"{name}-echo", answer) as echo:
            both = _Both(ours, echo, str(scratch / f"{name}.requests"))
            full = both.rounds(rounds, seconds, (None, None))
            can = [spread([told.per_s for told in side]).median for side in full]
            half = both.rounds(rounds, seconds, (can[0] / 2, can[1] / 2))
    return [_throughput(name, what, least, full, both.cpu), _latency(name, half)]


class _Both:
    """Ours and the echo under the same load, turn by turn. `cpu` collects each's processor time a request."""

    def __init__(self, ours: Server, echo: Server, requests_file: str) -> None:
        self._servers = (ours, echo)
        self._requests = requests_file
        self._seed = 0
        self.cpu: tuple[list[float], list[float]] = ([], [])

    def rounds(self, rounds: int, seconds: float, rates: tuple[float | None, float | None]) -> tuple[list[Told], ...]:
        told: tuple[list[Told], list[Told]] = ([], [])
        for server, rate in zip(self._servers, rates, strict=True):
            self._send(server, seconds / 2, rate)
        for _ in range(rounds):
            for side, (server, rate) in enumerate(zip(self._servers, rates, strict=True)):
                before = server.cpu_s()
                told[side].append(self._send(server, seconds, rate))
                if rate is None:
                    self.cpu[side].append((server.cpu_s() - before) / told[side][-1].answered * 1e6)
        return told

    def _send(self, server: Server, seconds: float, rate: float | None) -> Told:
        self._seed += 1
        told = load.run(Job(server.port, self._requests, seconds, CONNECTIONS, rate, self._seed))
        if told.failed:
            raise RuntimeError(f"{told.failed} of {told.answered} requests failed")
        return told


def _throughput(
    name: str, what: str, least: float | None, full: tuple[list[Told], ...], cpu: tuple[list[float], list[float]]
) -> Figure:
    ours, theirs = ([told.per_s for told in side] for side in full)
    ratio = ratios(ours, theirs)
    return Figure(
        name=name,
        short="throughput",
        what=what,
        unit="/s",
        ours=spread(ours),
        peer="bare Litestar echo",
        theirs=spread(theirs),
        ratio=ratio,
        bar="" if least is None else f"≥ {least:g} ×",
        holds=least is None or ratio.median >= least,
        more={
            "CPU µs a request, all processes": spread(cpu[0]).median,
            "of the echo": spread(cpu[1]).median,
            "of the client": spread([told.client_us for told in full[0]]).median,
            "p50 ms at full load": spread([told.p50_ms for told in full[0]]).median,
            "p99 ms at full load": spread([told.p99_ms for told in full[0]]).median,
        },
    )


def _latency(name: str, half: tuple[list[Told], ...]) -> Figure:
    ours, theirs = ([told.p99_ms for told in side] for side in half)
    ratio = ratios(ours, theirs)
    return Figure(
        name=name,
        short="p99 at half load",
        what="the same, p99 at half of the load that each sustains",
        unit="ms",
        ours=spread(ours),
        peer="bare Litestar echo",
        theirs=spread(theirs),
        ratio=ratio,
        bar="≤ 4 ×",
        holds=ratio.median <= 4.0,
        more={
            "requests a second": spread([told.per_s for told in half[0]]).median,
            "p50 ms": spread([told.p50_ms for told in half[0]]).median,
            "worst ms": spread([told.worst_ms for told in half[0]]).high,
            "p50 ms of the echo": spread([told.p50_ms for told in half[1]]).median,
        },
    )
