"""What a decision costs as the catalogue grows, and as the log grows: in process, deciding and committing apart."""

import gc
import statistics
import time
from itertools import pairwise
from typing import NamedTuple

from bandstand.engine import Engine
from bandstand.events import Decided, Request
from bandstand.follow import newest_weights
from bandstand.model import Published
from bandstand.store.sql import open_log, open_snapshots, snapshots_url
from benchmarks.bench import Bench
from benchmarks.data import Shop, requests
from benchmarks.history import Made
from benchmarks.measure import Figure, each_us, ratios, spread
from benchmarks.servers import copied

_REQUESTS = 40


class Costs(NamedTuple):
    """Medians of each round, in µs."""

    decide: list[float]
    commit: list[float]


def catalogue(bench: Bench) -> list[Figure]:
    """As many visitors who saw as much, over more and more items."""
    shops, engines = {}, {}
    for made in (bench.narrow, bench.usual, bench.wide):
        shops[made.shop.items] = made.shop
        engines[made.shop.items] = _engine(bench, made)
    costs = _costs(bench, engines, shops)
    return [_step("catalogue", f"{b:,} items", f"{a:,} items", 1.5, costs[b], costs[a]) for a, b in pairwise(engines)]


def log(bench: Bench) -> list[Figure]:
    """The same visitors over the same items, after 100 times as much has happened."""
    engines = {}
    for made, entries in ((bench.hundredth, bench.entries // 100), (bench.million, bench.entries)):
        engines[entries] = _engine(bench, made)
        _teach(engines[entries], bench.usual)
    few, many = engines
    costs = _costs(bench, engines, dict.fromkeys(engines, bench.million.shop))
    return [_step("log", f"{many:,} entries", f"{few:,} entries", 1.1, costs[many], costs[few])]


def _engine(bench: Bench, made: Made) -> Engine:
    """A server's engine on a copy of the log, for others measure on it too."""
    bench.told(f"growth: reading the log of {made.folder.name}")
    folder = copied(made.folder, bench.scratch / f"growth-{made.folder.name}")
    engine = Engine(made.model(learning=False), open_log(f"sqlite:///{folder}/bandstand.db"))
    engine.catch_up()
    return engine


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
