"""Strategies that learn from a log: decisions a second of one, and what a second core is worth to a sweep of many.

The log is real: 10,000 decisions of the Open Bandit Dataset's men's campaign, 34 candidates each, as they ship.
"""

import time
from pathlib import Path

from bandstand import data
from bandstand.ask import understand
from bandstand.evaluate.learning import learning, recipe
from bandstand.evaluate.past import Past
from bandstand.formats.transfer import import_
from bandstand.policy.explore import EpsilonGreedy
from bandstand.rank import slate_propensities
from bandstand.store.sql import open_log
from bandstand.strategy import Strategy
from bandstand.sweep.run import swept
from bandstand.sweep.space import parse
from benchmarks.bench import Bench
from benchmarks.measure import Figure, paired, ratios, spread

LEAST_PROGRESSIVE = 3_000.0
LEAST_SPEEDUP = 1.8
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


def sweep(bench: Bench) -> list[Figure]:
    """64 strategies on the same log, by two processes and by one."""
    url, count = _logged(bench), bench.size(64, 4)
    vary = {"policy.epsilon": [round(0.01 + k / 100, 3) for k in range(count - 1)]}
    asked = parse({"vary": vary, "log": {}}, name="bench", folder=Path(bench.scratch))

    def took(jobs: int) -> float:
        trials = bench.scratch / f"trials-{jobs}"
        trials.unlink(missing_ok=True)
        bench.told(f"sweep: {count} strategies by {jobs}")
        started = time.perf_counter()
        swept(asked, trials=trials, database=url, n_jobs=jobs)
        return time.perf_counter() - started

    took(2)  # joblib keeps its processes: they import once
    two, one = paired(lambda: took(2), lambda: took(1), rounds=bench.size(2, 1))
    speedup = ratios(one, two)
    return [
        Figure(
            name="sweep",
            short=f"{count} strategies by two cores",
            what=f"a sweep of {count} strategies over 10,000 decisions, in seconds",
            unit="s",
            ours=spread(two),
            peer="one core",
            theirs=spread(one),
            ratio=speedup,
            bar=f"≥ {LEAST_SPEEDUP} ×",
            holds=speedup.median >= LEAST_SPEEDUP,
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
