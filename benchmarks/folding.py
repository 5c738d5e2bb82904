"""Reading history: the fold of a log as a server and as a learner does it, and replay's verification."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable

from bandstand.engine import Engine
from bandstand.events import kind
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_log
from benchmarks.bench import Bench
from benchmarks.data import CANDIDATES, Shop
from benchmarks.history import Made, live, write_down
from benchmarks.measure import Figure, ratios, spread

LEAST_FOLD = 20_000.0
LEAST_REPLAY = 3_000.0
_CHUNK = 20_000


def fold(bench: Bench) -> list[Figure]:
    """All of the long log, twice; what the learner made of it is left as the snapshot that a start finds."""
    serving = Model(learning=False)
    learning = Model()
    figures = [
        _fold(bench, bench.million, serving, "by a server", "a server, which learns nothing"),
        _fold(bench, bench.million, learning, "by a learner", "a learner, one in ten a decision with ten picks"),
    ]
    write_down(bench.million, learning)
    return figures


def _fold(bench: Bench, made: Made, model: Model, short: str, what: str) -> Figure:
    """Chunk by chunk: reading it alone, then folding what was read, in seconds of processor time."""
    log, head = open_log(made.url, readonly=True), bench.entries
    reading: list[float] = []
    folding: list[float] = []
    by_kind: defaultdict[str, float] = defaultdict(float)
    count: Counter[str] = Counter()
    while model.state.seq < head:
        bench.told(f"fold {short}: {model.state.seq:,} of {head:,} entries")
        started, page = time.process_time(), []
        after = model.state.seq
        while len(page) < _CHUNK and (more := log.read(after=after)):
            page += more
            after = page[-1].seq
        read = time.process_time()
        for entry in page:
            before = time.perf_counter()
            model.step(entry)
            by_kind[kind(entry.fact)] += time.perf_counter() - before
            count[kind(entry.fact)] += 1
        done = time.process_time()
        if count["decided"]:  # not the chunk with the items
            reading.append(len(page) / (read - started))
            folding.append(len(page) / (done - started))
    log.close()
    figure = spread(folding)
    return Figure(
        name="fold",
        short=short,
        what=f"fold of {bench.entries:,} entries by {what}, entries a second of processor time",
        unit="/s",
        ours=figure,
        peer="reading it alone",
        theirs=spread(reading),
        ratio=ratios(folding, reading),
        bar=f"≥ {LEAST_FOLD:,.0f} /s",
        holds=figure.median >= LEAST_FOLD,
        more={f"µs a step over {name}": by_kind[name] / count[name] * 1e6 for name in count if count[name] >= 100},
    )


def replays(bench: Bench) -> list[Figure]:
    """Of decisions among given candidates, and of decisions by the default generators."""
    return [
        _replay(bench, CANDIDATES, "given", f"{CANDIDATES} given candidates"),
        _replay(bench, None, "generators", "the default generators over 2,000 items"),
    ]


def _replay(bench: Bench, candidates: int | None, short: str, among: str) -> Figure:
    bench.told(f"replay: making a log, {among}")
    shop, decisions = Shop(items=2_000, users=200, touches=4_000), bench.size(3_000, 300)
    engine = Engine(Model(), MemoryLog())
    live(engine, shop, decisions=decisions, candidates=candidates)
    asked = [entry.fact.request for entry in _decisions(engine)]
    ours, theirs = [], []
    for number in range(bench.size(3, 1)):
        bench.told(f"replay: {among}, round {number + 1}")
        ours.append(_verified(engine))
        theirs.append(
            decisions / _cpu_s(lambda: [engine.decide(one, decision=f"{at}") for at, one in enumerate(asked)])
        )
    figure = spread(ours)
    return Figure(
        name="replay",
        short=short,
        what=f"replay's verification, decisions a second of processor time from the first one on, {among}",
        unit="/s",
        ours=figure,
        peer="deciding alone",
        theirs=spread(theirs),
        ratio=ratios(ours, theirs),
        bar=f"≥ {LEAST_REPLAY:,.0f} /s",
        holds=figure.median >= LEAST_REPLAY,
    )


def _decisions(engine: Engine) -> list:  # type: ignore[type-arg]
    entries = engine.log.read(limit=engine.log.head())
    return [entry for entry in entries if kind(entry.fact) == "decided"]


def _verified(engine: Engine) -> float:
    """Decisions a second, without the items and views before the first one."""
    times: list[float] = []
    found = replay(engine.log, progress=lambda done, of: times.append(time.process_time()))
    if found.diverged:
        raise RuntimeError(f"replay: {found.diverged} of {found.decisions} decisions differ: {found.divergences[0]}")
    return (found.decisions - 1) / (times[-1] - times[0])


def _cpu_s(call: Callable[[], object]) -> float:
    before = time.process_time()
    call()
    return time.process_time() - before
