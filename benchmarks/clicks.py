"""How soon a click changes that user's next slate, whichever worker answers it.

Read from the log, by the servers' own clock: each decision says up to where its worker had read. The last decision
after a click that did not know of it is the last that could go wrong for its user; the wait is until the one after it.
"""

import os
import threading
import time

from bandstand.events import Decided, Draft, Rewarded
from bandstand.store import entries
from bandstand.store.sql import open_log
from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.data import CANDIDATES
from benchmarks.freshness import visit
from benchmarks.history import Made
from benchmarks.http import body
from benchmarks.load import Job
from benchmarks.measure import Figure, Spread, quantile
from benchmarks.servers import copied, schema, serving

MOST_MS = 200.0
_BESIDE = 100.0
_STARTING_S = 2.0


def lines(bench: Bench) -> list[Figure]:
    """One worker on SQLite; two on PostgreSQL where BANDSTAND_TEST_POSTGRES names one."""
    bench.told("clicks: SQLite")
    figures = [_line(bench, f"sqlite:///{copied(bench.usual.folder, bench.scratch / 'clicks')}/bandstand.db", 1)]
    server = os.environ.get("BANDSTAND_TEST_POSTGRES")
    if server:
        bench.told("clicks: PostgreSQL")
        with schema(server) as url:
            _copy(bench.usual, url)
            figures.append(_line(bench, url, 2))
    return figures


def _copy(made: Made, url: str) -> None:
    """The same log in another database."""
    here, there = open_log(made.url, readonly=True), open_log(url)
    after = 0
    while page := here.read(after=after):
        there.append([Draft(entry.fact, entry.at) for entry in page])
        after = page[-1].seq
    here.close()
    there.close()


def _line(bench: Bench, url: str, workers: int) -> Figure:
    seconds = float(bench.size(20, 6))
    bodies = list(body(bench.usual.shop, candidates=CANDIDATES))
    file, folder = bench.scratch / "clicks.requests", bench.scratch / f"clicks-{workers}"
    folder.mkdir(exist_ok=True)
    load.prepare(file, "/v1/rank", bodies)
    with serving(folder, "--workers", f"{workers}", "--database", url) as server:
        others = threading.Thread(target=lambda: load.run(Job(server.port, str(file), seconds, rate=_BESIDE)))
        others.start()
        began = time.time() + _STARTING_S
        visit(server.port, bodies, seconds)
        others.join()
    waits = _waits(url, began, began + seconds - 2 * _STARTING_S)
    return Figure(
        name="clicks",
        short=f"{workers} worker{'s' if workers > 1 else ''}, p99",
        what=f"from a click until every decision knows of it, {workers} on {url.partition(':')[0]}, "
        f"beside {_BESIDE:g} other decisions a second",
        unit="ms",
        ours=Spread(quantile(waits, 0.99), min(waits), max(waits)),
        bar=f"≤ {MOST_MS:g} ms",
        holds=quantile(waits, 0.99) <= MOST_MS,
        more={"p50 ms": quantile(waits, 0.5), "clicks": float(len(waits))},
    )


def _waits(url: str, began: float, ended: float) -> list[float]:
    """Milliseconds for each click between the two instants."""
    log = open_log(url, readonly=True)
    clicks: list[tuple[int, float]] = []
    decisions: list[tuple[float, int]] = []
    for entry in entries(log):
        match entry.fact:
            case Rewarded() if began <= entry.at < ended:
                clicks.append((entry.seq, entry.at))
            case Decided() as fact if entry.at >= began:
                decisions.append((entry.at, fact.as_of))
            case _:
                pass
    log.close()
    decisions.sort()
    if not clicks or not decisions or decisions[-1][1] < clicks[-1][0]:
        raise RuntimeError("the last decision did not know of the last click: do the workers read the log?")
    waits = []
    for seq, at in clicks:
        known = at
        for number, (when, as_of) in enumerate(decisions):
            if when > at and as_of < seq:
                known = decisions[number + 1][0]
        waits.append((known - at) * 1e3)
    return waits
