"""Strategies judged by a log: decisions a second and memory, and what a second core is worth to a sweep of many.

The log is real: 10,000 decisions of the Open Bandit Dataset's men's campaign, 34 candidates each, as they ship; a
longer one, for memory, is these over and over, and a shorter one, for many strategies, the first of them.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
from msgspec.structs import replace

from bandstand import data
from bandstand.ask import understand
from bandstand.evaluate import evaluate
from bandstand.evaluate.learning import learning, recipe
from bandstand.evaluate.past import Past
from bandstand.evaluate.question import Question
from bandstand.events import AnyFact, Decided, Draft, Rewarded
from bandstand.formats.transfer import import_
from bandstand.policy.explore import EpsilonGreedy
from bandstand.rank import slate_propensities
from bandstand.store import entries
from bandstand.store.sql import open_log
from bandstand.strategy import Strategy
from bandstand.sweep.run import swept
from bandstand.sweep.space import parse
from benchmarks.bench import Bench
from benchmarks.measure import Figure, paired, peak_mb, ratios, spread

LEAST_PROGRESSIVE = 3_000.0
LEAST_SPEEDUP = 1.8
MOST_BYTES = 400
"""Of memory for each further decision: what is kept of one is numbers."""
_STRATEGY = Strategy(policy=EpsilonGreedy(0.1))


def progressive(bench: Bench) -> list[Figure]:
    """Each decision is asked about and then learned from; the peer only folds the log, learning as the server did."""
    url = _logged(bench)
    bench.told("progressive: learning and asking")
    ours, theirs = paired(lambda: _asked_per_s(url), lambda: _read_per_s(url), rounds=bench.rounds)
    figure = spread(ours)
    return [
        Figure(
            name="progressive",
            short="learning and asked, one of 34",
            what="progressive evaluation of a learning strategy, decisions a second of processor time",
            unit="/s",
            ours=figure,
            peer="learning alone",
            theirs=spread(theirs),
            ratio=ratios(ours, theirs),
            bar=f"≥ {LEAST_PROGRESSIVE:,.0f} /s",
            holds=figure.median >= LEAST_PROGRESSIVE,
        )
    ]


def evaluated(bench: Bench) -> list[Figure]:
    """`evaluate` of a log four times as long, in processes of their own; the peer is the shorter log's memory."""
    few, many = (bench.size(100_000, 10_000), bench.size(400_000, 40_000))
    bench.told("evaluate: making the logs")
    short, long = (_evaluated(_repeated(bench, decisions)) for decisions in (few, many))
    each = (long["peak_mb"] - short["peak_mb"]) * 1e6 / (many - few)
    return [
        Figure(
            name="evaluate",
            short=f"{many:,} decisions, one of 34",
            what="`bandstand evaluate`, decisions a second of processor time, the log read twice",
            unit="/s",
            ours=spread([many / long["cpu_s"]]),
            peer=f"{few:,} decisions",
            theirs=spread([few / short["cpu_s"]]),
            ratio=spread([many / long["cpu_s"] / (few / short["cpu_s"])]),
            bar="",
            holds=True,
        ),
        Figure(
            name="evaluate",
            short=f"memory, {many:,} decisions",
            what="the greatest memory of that process; the log is four times as large, and is on the disk",
            unit="MB",
            ours=spread([long["peak_mb"]]),
            peer=f"{few:,} decisions",
            theirs=spread([short["peak_mb"]]),
            ratio=spread([long["peak_mb"] / short["peak_mb"]]),
            bar=f"≤ {MOST_BYTES} bytes a further decision",
            holds=each <= MOST_BYTES,
            more={"bytes a further decision": each},
        ),
    ]


def sweep(bench: Bench) -> list[Figure]:
    """64 strategies on the same log, by two processes and by one: seconds of processor time of the busiest process and
    of what the others wait for, which is what it takes where both cores are free."""
    decisions, count = bench.size(1_000, 100), bench.size(64, 4)
    url = _repeated(bench, decisions)

    def took(jobs: int, count: int) -> float:
        vary = {"policy.epsilon": [round(0.01 + k / 100, 3) for k in range(count - 1)]}
        asked = parse({"vary": vary, "log": {}}, name="bench", folder=Path(bench.scratch))
        trials = bench.scratch / f"trials-{jobs}"
        trials.unlink(missing_ok=True)
        bench.told(f"sweep: {count} strategies by {jobs}")
        own, workers = time.process_time(), _busy_s()
        started = time.perf_counter()
        swept(asked, trials=trials, database=url, n_jobs=jobs)
        clock.append(time.perf_counter() - started)
        busiest = max((now - workers.get(pid, 0.0) for pid, now in _busy_s().items()), default=0.0)
        return time.process_time() - own + busiest

    clock: list[float] = []
    took(2, 3)  # joblib keeps its processes: they import once
    clock.clear()
    two, one = paired(lambda: took(2, count), lambda: took(1, count), rounds=bench.size(2, 1))
    speedup = ratios(one, two)
    return [
        Figure(
            name="sweep",
            short=f"{count} strategies by two cores",
            what=f"a sweep of {count} strategies over {decisions:,} decisions, in seconds of the busiest processor",
            unit="s",
            ours=spread(two),
            peer="one core",
            theirs=spread(one),
            ratio=speedup,
            bar=f"≥ {LEAST_SPEEDUP} ×",
            holds=speedup.median >= LEAST_SPEEDUP,
            more={"by the clock": ratios(clock[1::2], clock[::2]).median},
        )
    ]


def _logged(bench: Bench) -> str:
    file = bench.scratch / "obd.db"
    url = f"sqlite:///{file}"
    if not file.exists():
        bench.told("importing the Open Bandit Dataset's sample")
        log = open_log(url)
        import_(log, "obd", [data.path("obd/random/men")], now=1_795_000_000.0)
        log.close()
    return url


def _repeated(bench: Bench, decisions: int) -> str:
    """The first so many decisions, or all over and over under new ids and by new users; with what came of them."""
    file = bench.scratch / f"obd-{decisions}.db"
    log, source = open_log(f"sqlite:///{file}"), open_log(_logged(bench), readonly=True)
    whole = list(entries(source))
    source.close()
    log.append([Draft(one.fact, one.at) for one in whole if not isinstance(one.fact, Decided | Rewarded)])
    told = [one for one in whole if isinstance(one.fact, Decided | Rewarded)]
    starts = [at for at, one in enumerate(told) if isinstance(one.fact, Decided)]
    for again, first in enumerate(range(0, decisions, len(starts))):
        end = starts[decisions - first] if decisions - first < len(starts) else len(told)
        log.append([Draft(_renamed(one.fact, again), one.at) for one in told[:end]])
    log.close()
    return f"sqlite:///{file}"


def _renamed(fact: AnyFact, again: int) -> AnyFact:
    assert isinstance(fact, Decided | Rewarded)
    name = f"{again}/{fact.decision}"
    if isinstance(fact, Rewarded):
        return replace(fact, decision=name)
    return replace(fact, decision=name, request=replace(fact.request, user=f"u{name}"))


def _evaluated(url: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.learned", url], capture_output=True, text=True, check=True, timeout=3600
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _evaluate(url: str) -> dict[str, float]:
    """In this process, which does nothing else; the greatest memory it ever had."""
    log = open_log(url, readonly=True)
    started = time.process_time()
    evaluate(log, Question(("bts",)))
    took = time.process_time() - started
    log.close()
    return {"cpu_s": took, "peak_mb": peak_mb()}


def _busy_s() -> dict[int, float]:
    """Processor time so far of each process that works for this one."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        found[child.pid] = times.user + times.system
    return found


def _asked_per_s(url: str) -> float:
    log = open_log(url, readonly=True)
    past = Past.read(log, None)
    asked, started = 0, time.process_time()
    for model, _, fact in learning(log, past, _STRATEGY, "progressive"):
        meant = understand(model.state, fact.request, fact.decision)
        slate_propensities(model, meant, recipe(_STRATEGY), [pick.item for pick in fact.picks])
        asked += 1
    log.close()
    return asked / (time.process_time() - started)


def _read_per_s(url: str) -> float:
    log = open_log(url, readonly=True)
    past = Past.read(log, None)
    started = time.process_time()
    count = sum(1 for _ in learning(log, past, _STRATEGY, "progressive"))
    log.close()
    return count / (time.process_time() - started)


if __name__ == "__main__":
    print(json.dumps(_evaluate(sys.argv[1])))
