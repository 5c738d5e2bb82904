"""The nearest of many vectors, by signs and by an index, beside a look at all: how long that takes, what it misses."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from bandstand.candidates import Ask, Evidence, Rows
from bandstand.candidates.vector_index import VectorIndex
from bandstand.candidates.vectors import Vectors
from bandstand.events import ItemPut
from benchmarks.bench import Bench
from benchmarks.data import SEED
from benchmarks.measure import Figure, median_us, ratios, spread

LENGTH = 256  # shorter ones get no index
_PROPOSED = 200
_ASKS = 40
_BAR_US = 2_000.0
_RECALL = 0.98
# A cluster of a hundred items, as far apart from each other as clusters are.
_CLUSTER = 100

Floats = npt.NDArray[np.float32]


def lines(bench: Bench) -> list[Figure]:
    """30,000 vectors of 256 numbers in clusters, and people who liked one to five of them."""
    items = bench.size(30_000, 21_000)
    bench.told(f"vectors: putting {items:,} items")
    generator = _put(items)
    rows, vectors = generator.copies()[LENGTH]
    bench.told("vectors: making the index")
    started = time.perf_counter()
    index = VectorIndex.fit(Evidence(csr_array((0, 0), dtype=np.float32), vectors[:0], {LENGTH: (rows, vectors)}))
    took_s = time.perf_counter() - started
    asks = _asks(items)
    found = [_line("by signs", generator, generator, vectors, asks, bench.rounds, {})]
    if index is not None:
        found.append(_line("by an index", index, generator, vectors, asks, bench.rounds, {"s to make it": took_s}))
    return found


def _line(
    how: str,
    asked: Vectors | VectorIndex,
    generator: Vectors,
    vectors: Floats,
    asks: list[Ask],
    rounds: int,
    more: dict[str, float],
) -> Figure:
    def exact(ask: Ask) -> Rows:
        (profile,) = generator.profiles(ask)
        cosines = vectors @ profile.direction
        cosines[ask.history] = -1
        nearest = np.argpartition(-cosines, _PROPOSED)[:_PROPOSED]
        return nearest[np.argsort(-cosines[nearest], kind="stable")]

    recalls = {
        k: statistics.fmean(
            len(set(asked.propose(ask).rows[:k].tolist()) & set(exact(ask)[:k].tolist())) / k for ask in asks
        )
        for k in (10, _PROPOSED)
    }
    ours, theirs = [], []
    with threadpool_limits(1, user_api="blas"):  # as a server has it
        for _ in range(rounds):
            ours.append(median_us(_calls(asked.propose, asks)))
            theirs.append(median_us(_calls(exact, asks)))
    return Figure(
        name="vectors",
        short=f"{_PROPOSED} of {len(vectors):,}, {how}",
        what=f"the {_PROPOSED} nearest of {len(vectors):,} vectors of {LENGTH} numbers, {how}",
        unit="µs",
        ours=spread(ours),
        peer="all compared",
        theirs=spread(theirs),
        ratio=ratios(theirs, ours),
        bar=f"≤ {_BAR_US:g} µs, recall at 10 ≥ {_RECALL}",
        holds=spread(ours).median <= _BAR_US and recalls[10] >= _RECALL,
        more={f"recall at {k}": recall for k, recall in recalls.items()} | more,
    )


def _calls(ask_for: Callable[[Ask], object], asks: list[Ask]) -> list[Callable[[], object]]:
    return [lambda ask=ask: ask_for(ask) for ask in asks]


def _put(items: int) -> Vectors:
    chance = np.random.default_rng(SEED)
    clusters = items // _CLUSTER
    centres = chance.normal(size=(clusters, LENGTH))
    vectors = centres[chance.integers(0, clusters, items)] + chance.normal(size=(items, LENGTH))
    generator = Vectors()
    for row, numbers in enumerate(vectors.tolist()):
        generator.put(row, ItemPut(f"i{row}", {"vector": numbers}), 0.0)
    return generator


def _asks(items: int) -> list[Ask]:
    chance = np.random.default_rng(SEED + 1)
    asks = []
    for _ in range(_ASKS):
        history = chance.permutation(items)[: chance.integers(1, 6)]
        weights = 0.5 ** (np.arange(len(history)) / 5)
        asks.append(Ask("d", 0.0, history, weights, np.ones(items, np.bool_), _PROPOSED))
    return asks
