"""Off-policy estimates of long logs: processor time and memory, beside Open Bandit Pipeline where there is one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.stats.diagnostics import diagnostics, gate
from bandstand.stats.doubly_robust import RobustSums, direct_values, dr, predictions, sndr
from bandstand.stats.intervals import rare_events
from bandstand.stats.moments import Moments
from bandstand.stats.offpolicy import Estimate, ips, normal, snips
from bandstand.stats.shrinkage import clipped, optimistic, subgaussian, switched
from bandstand.stats.slate_weights import marginal_weights, prefix_weights, whole_weights
from bandstand.stats.slates import SlateSums, slate_ips, slate_snips
from bandstand.stats.weights import WeightedSums, importance_weights
from benchmarks import peer_obp
from benchmarks.bench import Bench
from benchmarks.measure import Figure, Spread, paired, peak_mb, ratios, spread

# An interpreter in which `import obp.ope.estimators` works. It is idle since 2022 and declares Python below 3.11.
OBP = "BANDSTAND_BENCH_OBP"
ACTIONS = 10
MOST_S, MOST_MB = 2.0, 1_000.0
# Milliseconds of obp 0.5.5 for 10^6 rows and 10 actions, best of three, Python 3.9 and NumPy 1.22 on a machine with two
# cores: what stands in for it where it cannot run. It measures nothing of the machine at hand.
RECORDED_MS = {
    "ips": 58.0,
    "snips": 58.0,
    "clipped_ips": 58.0,
    "subgaussian_ips": 58.0,
    "dm": 204.0,
    "dr": 258.0,
    "sndr": 258.0,
    "switch_dr": 258.0,
    "dros": 258.0,
    "subgaussian_dr": 258.0,
}


def lines(bench: Bench) -> list[Figure]:
    rows, slates = bench.size(10_000_000, 100_000), bench.size(1_000_000, 10_000)
    found = []
    for name, size, what in (
        ("rows", rows, f"IPS, SNIPS, diagnostics and the default interval of {rows:,} rows, from propensities on"),
        ("slates", slates, f"whole-slate, cascade and independent IPS and SNIPS of {slates:,} slates of 10"),
    ):
        runs = []
        for number in range(bench.size(3, 1)):
            bench.told(f"offpolicy: {name}, round {number + 1}")
            runs.append(_child(name, size))
        found += _alone(name, f"{size:,}", what, runs)
    return found + beside(bench)


def beside(bench: Bench) -> list[Figure]:
    """Each estimator that both have, from the same arrays, and whether both find the same."""
    rows = bench.size(1_000_000, 20_000)
    bench.told("offpolicy: drawing a log for both")
    log = _Log.of(peer_obp.log(rows, ACTIONS))
    peer = _Peer.started(rows) if OBP in os.environ else None
    found = [_line(name, bench, log, peer, rows) for name in RECORDED_MS]
    if peer is not None:
        peer.process.kill()
    return found


class _Log(NamedTuple):
    """What both sides get; theirs takes the target's probabilities as a table for every estimator."""

    rewards: NDArray[np.float64]
    actions: NDArray[np.int64]
    logging: NDArray[np.float64]
    shown: NDArray[np.float64]
    target: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @classmethod
    def of(cls, made: dict[str, Any]) -> "_Log":
        at = np.arange(len(made["action"]))
        shown = made["target"][at, made["action"]]
        rewards = made["reward"].astype(np.float64)
        return cls(rewards, made["action"], made["pscore"], shown, made["target"], made["predicted"])

    def weights(self) -> NDArray[np.float64]:
        return importance_weights(self.shown, self.logging)

    def sums(self, weights: NDArray[np.float64]) -> WeightedSums:
        return WeightedSums.of(self.rewards, weights)

    def robust(self, weights: NDArray[np.float64]) -> RobustSums:
        model = predictions(self.target, self.predicted, self.actions)
        return RobustSums.of(self.rewards, weights, predicted=model.shown, direct=model.direct)


OURS: dict[str, Callable[[_Log], Estimate]] = {
    "ips": lambda log: ips(log.sums(log.weights())),
    "snips": lambda log: snips(log.sums(log.weights())),
    "clipped_ips": lambda log: ips(log.sums(clipped(log.weights(), 10))),
    "subgaussian_ips": lambda log: ips(log.sums(subgaussian(log.weights(), 0.1))),
    "dm": lambda log: normal(
        Moments.of(direct_values(log.target, log.predicted)), n=log.actions.size, method="dm", alpha=0.05
    ),
    "dr": lambda log: dr(log.robust(log.weights())),
    "sndr": lambda log: sndr(log.robust(log.weights())),
    "switch_dr": lambda log: dr(log.robust(switched(log.weights(), 10))),
    "dros": lambda log: dr(log.robust(optimistic(log.weights(), 10))),
    "subgaussian_dr": lambda log: dr(log.robust(subgaussian(log.weights(), 0.1))),
}


class _Peer(NamedTuple):
    process: "subprocess.Popen[str]"

    @classmethod
    def started(cls, rows: int) -> "_Peer":
        command = [os.environ[OBP], "-W", "ignore", "-m", "benchmarks.peer_obp", str(rows), str(ACTIONS)]
        root = Path(__file__).parents[1]
        return cls(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root))

    def answer(self, name: str) -> dict[str, float]:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        answer: dict[str, float] = json.loads(self.process.stdout.readline())
        return answer


def _line(name: str, bench: Bench, log: _Log, peer: _Peer | None, rows: int) -> Figure:
    bench.told(f"offpolicy: {name}, {'beside obp' if peer else 'alone'}")

    def ours() -> float:
        started = time.process_time()
        OURS[name](log)
        return (time.process_time() - started) * 1e3

    if peer is None:
        recorded = RECORDED_MS[name] * rows / 1_000_000
        taken, theirs = [ours() for _ in range(bench.rounds)], [recorded] * bench.rounds
    else:
        off = abs(peer.answer(name)["value"] - OURS[name](log).value)
        if off > 1e-9:
            raise RuntimeError(f"{name}: obp and we differ by {off:g}")
        taken, theirs = paired(ours, lambda: peer.answer(name)["seconds"] * 1e3, rounds=bench.rounds)
    ratio, bar = ratios(theirs, taken), 2.0 if name == "ips" else 10.0
    return Figure(
        name="offpolicy",
        short=name,
        what=f"{name} with its standard error and interval, {rows:,} rows, {ACTIONS} actions; obp's value alone",
        unit="ms",
        ours=spread(taken),
        peer="obp" if peer else "obp as recorded",
        theirs=spread(theirs),
        ratio=ratio,
        bar=f"≥ {bar:g} ×",
        holds=ratio.median >= bar,
    )


def _alone(name: str, size: str, what: str, runs: list[dict[str, float]]) -> list[Figure]:
    seconds, mb = (spread([run[key] for run in runs]) for key in ("seconds", "mb"))

    def figure(short: str, unit: str, ours: Spread, most: float) -> Figure:
        return Figure("offpolicy", short, what, unit, ours, f"≤ {most:,g} {unit}", ours.median <= most)

    found = [figure(f"{size} {name}", "s", seconds, MOST_S)]
    return [*found, figure(f"{size} {name}, memory", "MB", mb, MOST_MB)] if name == "rows" else found


def _child(kind: str, size: int) -> dict[str, float]:
    """In a process of its own, whose greatest memory is that of this work (and of the log itself)."""
    command = [sys.executable, "-m", "benchmarks.offpolicy", kind, str(size)]
    answer: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return answer


def _rows(n: int) -> float:
    rng = np.random.default_rng(1)
    logging, target = rng.uniform(0.05, 1.0, size=n), rng.random(size=n)
    rewards = np.empty(n)
    for start in range(0, n, 1 << 20):
        rewards[start : start + (1 << 20)] = rng.random(size=rewards[start : start + (1 << 20)].size) < 0.02
    started = time.process_time()
    sums = WeightedSums.of(rewards, importance_weights(target, logging))
    gate(diagnostics(sums))
    for estimate in (ips(sums), snips(sums), rare_events(sums, max_weight=20.0)):
        assert estimate.low < estimate.value < estimate.high
    return time.process_time() - started


def _slates(n: int, length: int = 10) -> float:
    rng = np.random.default_rng(1)
    logging = rng.uniform(0.1, 1.0, size=(n, length))
    target = np.minimum(logging * rng.uniform(0.8, 1.2, size=(n, length)), 1.0)
    rewards = (rng.random(size=(n, length)) < 0.05).astype(np.float64)
    started = time.process_time()
    for model, weigh in (
        ("whole_slate", whole_weights),
        ("reward_interaction", prefix_weights),
        ("independent", marginal_weights),
    ):
        sums = SlateSums.of(rewards, weigh(target, logging), model=model)
        slate_ips(sums)
        slate_snips(sums)
    return time.process_time() - started


if __name__ == "__main__":
    taken = {"rows": _rows, "slates": _slates}[sys.argv[1]](int(sys.argv[2]))
    print(json.dumps({"seconds": taken, "mb": peak_mb()}))
