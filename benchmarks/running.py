"""What a running server takes and how soon it is there: its memory, and its start."""

import statistics
from pathlib import Path

from bandstand.follow import newest_weights
from bandstand.store.sql import open_snapshots, snapshots_url
from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.data import CANDIDATES
from benchmarks.folding import fold
from benchmarks.history import Made
from benchmarks.http import body
from benchmarks.load import Job
from benchmarks.measure import Figure, ratios, spread
from benchmarks.servers import Server, copied, memory_mb, serving

MOST_MB = 600.0
MOST_START_S = 3.0


def memory(bench: Bench) -> list[Figure]:
    """After it has answered for a while, from given candidates and from the generators."""
    bench.told("memory: starting a server")
    with serving(copied(bench.wide.folder, bench.scratch / "memory")) as server:
        for name, candidates in (("given", CANDIDATES), ("generated", None)):
            file = bench.scratch / f"memory-{name}.requests"
            load.prepare(file, "/v1/rank", list(body(bench.wide.shop, candidates=candidates)))
            bench.told(f"memory: ranking, {name}")
            load.run(Job(server.port, str(file), seconds=bench.size(5, 1)))
        workers = [memory_mb(pid) for pid in server.workers()]
        learner = server.learner()
        more: dict[str, float] = {"MB of weights in it": _weights_mb(bench.wide)}
        if learner is not None:
            more["MB of the learner"] = memory_mb(learner)
    worker = spread(workers)
    return [
        Figure(
            name="memory",
            short="a worker",
            what=f"resident memory of a worker, {bench.wide.shop.items:,} items of {bench.wide.shop.features} features",
            unit="MB",
            ours=worker,
            bar=f"≤ {MOST_MB:g} MB",
            holds=worker.high <= MOST_MB,
            more=more,
        )
    ]


def start(bench: Bench) -> list[Figure]:
    """With a snapshot, beside a start on an empty log; and once without."""
    made = bench.million
    without = _unsnapped(bench, made)
    if not Path(made.folder, "bandstand-snapshots.db").exists():
        fold(bench)  # leaves a snapshot
    full, empty = [], []
    for number in range(bench.rounds):
        bench.told(f"start: round {number + 1}")
        full.append(_start_s(made.folder))
        folder = bench.scratch / f"start-{number}"
        folder.mkdir()
        empty.append(_start_s(folder))
    taken = spread(full)
    return [
        Figure(
            name="start",
            short="with a snapshot",
            what=f"start of serve until ready, a log of {bench.entries:,} entries and its snapshot",
            unit="s",
            ours=taken,
            peer="an empty log",
            theirs=spread(empty),
            ratio=ratios(full, empty),
            bar=f"< {MOST_START_S:g} s",
            holds=taken.median < MOST_START_S,
            more={
                "s without a snapshot": without,
                "entries folded a second then": bench.entries / max(without - statistics.median(empty), 0.001),
            },
        )
    ]


def _unsnapped(bench: Bench, made: Made) -> float:
    """Seconds that a worker alone needs to be ready on the log without its snapshots."""
    bench.told("start: without a snapshot")
    folder = bench.scratch / "unsnapped"
    copied(made.folder, folder)
    for file in folder.glob("bandstand-snapshots.db*"):
        file.unlink()
    with serving(folder, "--role", "api") as server:
        return server.started_s


def _start_s(folder: Path) -> float:
    with serving(folder) as server:
        _check(server)
        return server.started_s


def _check(server: Server) -> None:
    if b'"failing":{}' not in server.get("/health/ready"):
        raise RuntimeError(f"the server is not well: {server.get('/health/ready')!r}")


def _weights_mb(made: Made) -> float:
    snapshots = open_snapshots(snapshots_url(made.url), readonly=True)
    published = newest_weights(snapshots, -1)
    snapshots.close()
    return sum(weights.table.nbytes for weights in published.weights.values()) / 1e6 if published else 0.0
