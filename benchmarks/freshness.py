"""Freshness: from the moment at which a reward's window has closed to the first decision that has learned from it.

Both ends are read from the log that the server wrote, by its own clock: the first entry past the decision's window, and
the first later decision whose weights had read that entry.
"""

import http.client
import threading
import time
from bisect import bisect_left
from pathlib import Path

import msgspec

from bandstand.events import Decided, Rewarded
from bandstand.store import entries
from bandstand.store.sql import open_log
from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.data import CANDIDATES
from benchmarks.http import body
from benchmarks.load import Job
from benchmarks.measure import Figure, Spread, quantile
from benchmarks.servers import copied, serving

WINDOW_S = 1.0
MOST_S = 2.0
_RATE = 50.0
_STARTING_S = 3.0
_LEFT_OUT_S = 3.0  # at the end: their decisions may not have come any more


def lines(bench: Bench) -> list[Figure]:
    """With 50 decisions and rewards a second, alone and beside a load; longer than a minute, for once in that time the
    learner writes its whole model down."""
    return [_line(bench, None), *([] if bench.quick else [_line(bench, 200.0)])]


def _line(bench: Bench, beside: float | None) -> Figure:
    made, seconds = bench.usual, float(bench.size(68, 10))
    bench.told(f"freshness, {beside or 0:g} other requests a second beside it")
    folder = copied(made.folder, bench.scratch / f"fresh-{beside or 0:g}")
    bodies = list(body(made.shop, candidates=CANDIDATES))
    file = bench.scratch / "fresh.requests"
    load.prepare(file, "/v1/rank", bodies)
    with serving(folder, settings=f"[surfaces.home]\nwindow_s = {WINDOW_S}\n") as server:
        others = threading.Thread(target=lambda: load.run(Job(server.port, str(file), seconds, rate=beside)))
        if beside is not None:
            others.start()
        began = time.time() + _STARTING_S
        visit(server.port, bodies, seconds)
        if beside is not None:
            others.join()
    waits = _waits(folder, began, began + seconds - _STARTING_S - _LEFT_OUT_S)
    taken = Spread(quantile(waits, 0.5), min(waits), max(waits))
    p99 = quantile(waits, 0.99)
    return Figure(
        name="fresh",
        short=f"beside {beside:g} /s" if beside else "alone",
        what="from a closed window to the first decision that learned from it, p99"
        + (f", beside {beside:g} other decisions a second" if beside else ""),
        unit="s",
        ours=Spread(p99, taken.low, taken.high),
        bar=f"≤ {MOST_S:g} s",
        holds=p99 <= MOST_S,
        more={"p50 s": taken.median, "rewards": float(len(waits))},
    )


def visit(port: int, bodies: list[bytes], seconds: float) -> None:
    """Ask for slates at a steady pace, and click the first item of each."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    started = time.monotonic()
    for number in range(int(seconds * _RATE)):
        time.sleep(max(started + number / _RATE - time.monotonic(), 0.0))
        answer = msgspec.json.decode(_post(connection, "/v1/rank", bodies[number % len(bodies)]))
        reward = {"decision": answer["decision"], "position": 0, "name": "click", "value": 1.0}
        _post(connection, "/v1/rewards", msgspec.json.encode(reward))
    connection.close()


def _post(connection: http.client.HTTPConnection, path: str, sent: bytes) -> bytes:
    connection.request("POST", path, sent, {"content-type": "application/json"})
    answer = connection.getresponse()
    read = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {read[:300]!r}")
    return read


def _waits(folder: Path, began: float, ended: float) -> list[float]:
    """Seconds for each reward that came while its window was open, of those whose windows closed between the two."""
    log = open_log(f"sqlite:///{folder}/bandstand.db", readonly=True)
    clocks: list[float] = []  # the log's own clock after each entry
    deadlines: dict[str, float] = {}
    rewarded: list[float] = []
    decisions: list[tuple[int, int, float]] = []
    for entry in entries(log):
        clocks.append(max(entry.at, clocks[-1] if clocks else 0.0))
        match entry.fact:
            case Decided() as fact:
                deadlines[fact.decision] = clocks[-1] + WINDOW_S
                decisions.append((entry.seq, fact.weights_as_of, entry.at))
            case Rewarded() as fact if entry.at >= began and clocks[-1] < deadlines[fact.decision]:
                rewarded.append(deadlines[fact.decision])
            case _:
                pass
    log.close()
    waits, at = [], 0
    for deadline in sorted(rewarded):
        closing = bisect_left(clocks, deadline) + 1  # the first entry past the deadline; positions start at 1
        if closing > len(clocks) or clocks[closing - 1] > ended:
            break
        while at < len(decisions) and (decisions[at][0] <= closing or decisions[at][1] < closing):
            at += 1
        if at == len(decisions):
            raise RuntimeError("no decision was made with weights that learned from the rewards: does the learner run?")
        waits.append(decisions[at][2] - clocks[closing - 1])
    return waits
