"""What a decision costs as the catalogue grows, and as the log grows: in process, deciding and committing apart."""

import gc
import statistics
import time
from itertools import pairwise
from typing import NamedTuple

from bandstand.engine import Engine
from bandstand.events import Decided, Request
from bandstand.follow import newest_weights
from bandstand.model import Model, Published
from bandstand.store.sql import open_log, open_snapshots, snapshots_url
from benchmarks.bench import Bench
from benchmarks.data import Shop, requests
from benchmarks.history import Made, stocked
from benchmarks.measure import Figure, each_us, ratios, spread
from benchmarks.servers import copied

_REQUESTS = 40
_TOUCHES = 30_000


class Costs(NamedTuple):
    """Medians of each round, in µs."""

    decide: list[float]
    commit: list[float]


def catalogue(bench: Bench) -> list[Figure]:
    """The same visitors with the same histories, over more and more items."""
    sizes = [bench.size(full, quick) for full, quick in ((1_000, 100), (10_000, 1_000), (100_000, 5_000))]
    engines = {}
    for size in sizes:
        bench.told(f"growth: {size:,} items")
        folder = bench.scratch / f"catalogue-{size}"
        folder.mkdir()
        engine = Engine(Model(learning=False), open_log(f"sqlite:///{folder}/bandstand.db"))
        stocked(engine, Shop(items=size, touches=bench.size(_TOUCHES, 3_000)))
        _teach(engine, bench.usual)
        engines[size] = engine
    shops = {size: Shop(items=size) for size in sizes}
    costs = _costs(bench, engines, shops)
    return [_step("catalogue", f"{b:,} items", f"{a:,} items", 1.5, costs[b], costs[a]) for a, b in pairwise(sizes)]


def log(bench: Bench) -> list[Figure]:
    """The same visitors over the same items, after 100 times as much has happened."""
    engines = {}
    for made, entries in ((bench.hundredth, bench.entries // 100), (bench.million, bench.entries)):
        bench.told(f"growth: folding {entries:,} entries")
        folder = copied(made.folder, bench.scratch / f"log-{entries}")
        engine = Engine(Model(learning=False), open_log(f"sqlite:///{folder}/bandstand.db"))
        engine.catch_up()
        _teach(engine, bench.usual)
        engines[entries] = engine
    few, many = engines
    costs = _costs(bench, engines, dict.fromkeys(engines, bench.million.shop))
    return [_step("log", f"{many:,} entries", f"{few:,} entries", 1.1, costs[many], costs[few])]


def _teach(engine: Engine, taught: Made) -> None:
    """Serve from weights that have learned; which ones is of no matter here."""
    snapshots = open_snapshots(snapshots_url(taught.url), readonly=True)
    published = newest_weights(snapshots, -1)
    snapshots.close()
    if published is None:
        raise RuntimeError(f"{taught.folder}: holds no weights")
    engine.model.published = Published(0, engine.model.state.origin, published.weights)


def _costs(bench: Bench, engines: dict[int, Engine], shops: dict[int, Shop]) -> dict[int, Costs]:
    """Turn by turn, so that whatever else the machine does meets all of them."""
    found = {size: Costs([], []) for size in engines}
    gc.disable()
    for number in range(bench.size(15, 3)):
        bench.told(f"growth: round {number + 1}")
        for size, engine in engines.items():
            asked = list(requests(shops[size], _REQUESTS, time=time.time(), candidates=None, seed=number))
            decide, commit = _round(engine, asked, f"{number}")
            found[size].decide.append(decide)
            found[size].commit.append(commit)
    gc.enable()
    for engine in engines.values():
        engine.log.close()
    return found


def _round(engine: Engine, asked: list[Request], key: str) -> tuple[float, float]:
    decided: list[Decided] = []
    decide = each_us(
        [
            lambda one=one, at=at: decided.append(engine.decide(one, decision=f"growth {key} {at}"))
            for at, one in enumerate(asked)
        ]
    )
    now = time.time()
    commit = each_us([lambda fact=fact: engine.commit([fact], at=now) for fact in decided])
    return statistics.median(decide), statistics.median(commit)


def _step(name: str, short: str, peer: str, most: float, ours: Costs, before: Costs) -> Figure:
    ratio = ratios(ours.decide, before.decide)
    return Figure(
        name=name,
        short=short,
        what=f"median time to decide by the default generators, {short}",
        unit="µs",
        ours=spread(ours.decide),
        peer=peer,
        theirs=spread(before.decide),
        ratio=ratio,
        bar=f"≤ {most:g} ×",
        holds=ratio.median <= most,
        more={"commit µs": spread(ours.commit).median, f"commit µs of {peer}": spread(before.commit).median},
    )
