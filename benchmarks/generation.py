"""How long it takes to bring 200 blended candidates together, beside a look at every item by NumPy."""

import gc
import statistics
import time
from functools import partial

import numpy as np

from bandstand.ask import Asked, understand
from bandstand.candidates import Mask, Scores
from bandstand.engine import Engine
from bandstand.offer import offer
from bandstand.store.sql import open_log
from benchmarks.bench import Bench
from benchmarks.data import requests
from benchmarks.history import Made
from benchmarks.measure import Figure, each_us, ratios, spread
from benchmarks.servers import copied

_REQUESTS = 40


def lines(bench: Bench) -> list[Figure]:
    """The default strategy's generators and their blend, over 10,000 items and over 100,000."""
    return [_line(bench, made, most_us) for made, most_us in ((bench.usual, 1_000.0), (bench.wide, 5_000.0))]


def _line(bench: Bench, made: Made, most_us: float) -> Figure:
    bench.told(f"generation: reading the log of {made.folder.name}")
    folder = copied(made.folder, bench.scratch / f"generation-{made.folder.name}")
    engine = Engine(made.model(learning=False), open_log(f"sqlite:///{folder}/bandstand.db"))
    engine.catch_up()
    state = engine.model.state
    strategy = state.strategies["default"]
    scores = np.random.default_rng(1).random(len(state.catalogue))
    ours, theirs = [], []
    gc.disable()
    for number in range(bench.size(15, 3)):
        asked = [
            understand(state, one, f"generation {number} {at}")
            for at, one in enumerate(requests(made.shop, _REQUESTS, time=time.time(), candidates=None, seed=number))
        ]
        ours.append(statistics.median(each_us([partial(offer, state, one, strategy) for one in asked])))
        theirs.append(statistics.median(each_us([partial(_every, scores, one) for one in asked])))
    gc.enable()
    engine.log.close()
    items = len(state.catalogue)
    return Figure(
        name="generation",
        short=f"{strategy.candidates} of {items:,} items",
        what=f"median time for {strategy.candidates} candidates, blended, by {', '.join(strategy.generators)}",
        unit="µs",
        ours=spread(ours),
        peer="one sorted look at a score of each",
        theirs=spread(theirs),
        ratio=ratios(ours, theirs),
        bar=f"≤ {most_us:,.0f} µs",
        holds=spread(ours).median <= most_us,
    )


def _every(scores: Scores, asked: Asked) -> object:
    """What a single generator that looks at each item must do at least: the 200 highest of all that are allowed."""
    allowed: Mask = asked.among  # type: ignore[assignment]
    masked = np.where(allowed, scores, -1.0)
    highest = np.argpartition(-masked, 200)[:200]
    return highest[np.argsort(-masked[highest])]
