"""How long fitted generators take to make, how much memory, and to ask: each fit in a process of its own."""

import math
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
from scipy.sparse import csr_array

from bandstand.candidates import Ask, Evidence, Fitted
from bandstand.candidates.als import Als
from bandstand.candidates.ease import Ease
from bandstand.candidates.items import Items
from bandstand.candidates.svd import Svd
from bandstand.candidates.users import Users
from bandstand.packing import pack
from benchmarks.bench import Bench
from benchmarks.data import SEED
from benchmarks.measure import Clock, Figure, peak_mb, quantile, spread

MOST_S = 60.0
MOST_US = 200.0
_PEOPLE = 50_000
_LIKES = 1_000_000
_HISTORY = 50
_LIMIT = 200
_ASKS = 100
_BEAT_S = 0.005
_KINDS: dict[str, type[Fitted]] = {kind.name: kind for kind in (Ease, Als, Svd, Users, Items)}

Measured = dict[str, float]


def lines(bench: Bench) -> list[Figure]:
    """From a million likes by 50,000 people, of 5,000 items for EASE and of 10,000, its most, for all."""
    sizes = [(Ease.name, 5_000), *((name, 10_000) for name in _KINDS)]
    figures = []
    for name, items in sizes:
        bench.told(f"fits: {name} of {items:,} items")
        one = partial(_measured, name, bench.size(items, items // 10), bench.size(_LIKES, _LIKES // 20))
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            measured = apart.submit(one).result()
        barred = (name, items) != (Ease.name, 10_000)  # what grows with the cube is promised for half as many
        figures += _figures(f"{name}, {items:,} items", measured, most_s=MOST_S if barred else math.inf)
    return figures


def _figures(what: str, measured: Measured, *, most_s: float) -> list[Figure]:
    made, asked = measured.pop("fit s"), measured.pop("propose µs")
    return [
        Figure(
            name="fits",
            short=f"{what}: made anew",
            what=f"seconds to make {what}, from a million likes by 50,000 people",
            unit="s",
            ours=spread([made]),
            bar=f"≤ {most_s:g} s" if most_s < math.inf else "",
            holds=made <= most_s,
            more=measured,
        ),
        Figure(
            name="fits",
            short=f"{what}: asked",
            what=f"median time for {_LIMIT} proposals of {what}, by a history of {_HISTORY}",
            unit="µs",
            ours=spread([asked]),
            bar=f"≤ {MOST_US:g} µs",
            holds=asked <= MOST_US,
        ),
    ]


def _measured(name: str, items: int, likes: int) -> Measured:
    given = Evidence(_likes(items, likes), np.zeros((items, 64), np.float32))
    before_mb = peak_mb()
    beating, gaps, stop = threading.Event(), [0.0], threading.Event()
    beat = threading.Thread(target=_beat, args=(beating, gaps, stop))
    beat.start()
    beating.wait()
    started = Clock()
    made = _KINDS[name].fit(given)
    took_s = Clock() - started
    stop.set()
    beat.join()
    if made is None:
        raise RuntimeError(f"{name}: nothing was made")
    held_mb = peak_mb()
    asked, why = _asked(made, given.likes)
    return {
        "fit s": took_s,
        "propose µs": asked[0],
        "propose µs p99": asked[1],
        "brought µs": why,
        "peak MB": held_mb,
        "of it before MB": before_mb,
        "table MB": len(pack(made)) / 1e6,
        "lock held ms": max(gaps) * 1e3,
    }


def _likes(items: int, likes: int) -> csr_array:
    """Few items and people have many (Zipf, exponents 0.8 and 0.5), low numbers no more than high ones."""
    chance = np.random.default_rng(SEED)
    places = []
    for number, exponent in ((_PEOPLE, 0.5), (items, 0.8)):
        shares = np.arange(1, number + 1) ** -exponent
        places.append(chance.permutation(number)[chance.choice(number, likes, p=shares / shares.sum())])
    return csr_array((np.ones(likes, np.float32), (places[0], places[1])), shape=(_PEOPLE, items))


def _asked(made: Fitted, likes: csr_array) -> tuple[tuple[float, float], float]:
    """Median and 99th percentile to propose, and median to say what brought ten of them, in µs."""
    chance = np.random.default_rng(SEED)
    proposing, saying = [], []
    for _ in range(_ASKS):
        liked = np.unique(likes.indices[chance.integers(0, likes.nnz, 2 * _HISTORY)])
        history = chance.permutation(liked)[:_HISTORY].astype(np.int64)
        weights = 0.5 ** (np.arange(len(history)) / 5)
        ask = Ask("fits", 0.0, history, weights, np.ones(likes.shape[1], np.bool_), _LIMIT)
        for _ in range(3):
            started = Clock()
            found = made.propose(ask)
            proposed = Clock()
            made.brought(ask, found.rows[:10])
            saying.append((Clock() - proposed) * 1e6)
            proposing.append((proposed - started) * 1e6)
    return (quantile(proposing, 0.5), quantile(proposing, 0.99)), quantile(saying, 0.5)


def _beat(beating: threading.Event, gaps: list[float], stop: threading.Event) -> None:
    """How long another thread has to wait for its turn while a fit is made."""
    last = Clock()
    while not stop.is_set():
        beating.set()
        time.sleep(_BEAT_S)
        now = Clock()
        gaps.append(now - last - _BEAT_S)
        last = now
