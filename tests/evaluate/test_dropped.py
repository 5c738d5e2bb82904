"""Logs of which a service kept a part: the rest is stood for."""

import json
from pathlib import Path

import numpy as np
import pytest

from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.evaluate.result import Answer
from bandstand.formats.transfer import import_
from bandstand.policy.explore import EpsilonGreedy
from bandstand.stats.offpolicy import empirical_likelihood, ips, snips
from bandstand.stats.thinned import thinned_sums
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Strategy

NOON = 1_795_000_000.0
ITEMS = ("a", "b", "c")
UNTAUGHT = Strategy(policy=EpsilonGreedy(1.0))  # which chooses uniformly
LOGGED = np.array([0.6, 0.3, 0.1])
WORTH = np.array([0.1, 0.3, 0.7])


class Rows:
    """Decisions of a logger that prefers what earns least; what earned nothing is dropped four times in five."""

    def __init__(self, n: int, *, drop: tuple[float, float] = (0.8, 0.0), seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        shown = rng.choice(3, size=n, p=LOGGED)
        rewards = rng.binomial(1, WORTH[shown])
        dropped = np.array(drop)[rewards]
        kept = rng.uniform(size=n) >= dropped
        self.shown, self.rewards, self.dropped = shown[kept], rewards[kept], dropped[kept]

    @property
    def weights(self) -> np.ndarray:
        return 1 / 3 / LOGGED[self.shown]


def logged(rows: Rows, folder: Path) -> MemoryLog:
    lines = []
    for number, (shown, reward, dropped) in enumerate(zip(rows.shown, rows.rewards, rows.dropped, strict=True)):
        line = {"EventId": f"e{number}", "_labelIndex": int(shown), "_label_Action": int(shown) + 1}
        line |= {"_label_cost": -float(reward), "_label_probability": LOGGED[shown], "pdrop": dropped}
        line |= {"c": {"_multi": [{"_tag": item} for item in ITEMS]}, "Timestamp": "2021-02-04T16:31:29Z"}
        lines.append(json.dumps(line))
    (folder / "log.dsjson").write_text("\n".join(lines))
    log = MemoryLog()
    assert not import_(log, "dsjson", [folder / "log.dsjson"], now=NOON).refused.count
    return log


def answer(log: MemoryLog, **options: object) -> Answer:
    return evaluate(log, Question(("random",), **options)).answers[0]


def test_what_was_dropped_is_stood_for(tmp_path: Path) -> None:
    rows = Rows(3000)
    found = answer(logged(rows, tmp_path), estimator="ips", interval="normal")
    sums = thinned_sums(rows.rewards, rows.weights, rows.dropped)
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(ips(sums).value)
    assert abs(found.estimate.value - WORTH.mean()) < 4 * (found.estimate.std_error or 0)
    assert abs(found.logged.value - WORTH @ LOGGED) < 4 * (found.logged.std_error or 0)
    assert rows.rewards.mean() > 1.5 * WORTH @ LOGGED  # what the rows alone would say
    assert found.diagnostics.n == len(rows.rewards)
    assert abs(found.diagnostics.mean_weight - 1) < 4 * found.diagnostics.mean_weight_se
    assert any(f"the {len(rows.rewards):,} here stand for" in note for note in found.notes)
    assert not found.refused


def test_the_likelihood_interval_is_that_of_the_sums(tmp_path: Path) -> None:
    rows = Rows(400)
    found = answer(logged(rows, tmp_path), interval="likelihood", max_weight=4.0)
    sums = thinned_sums(rows.rewards, rows.weights, rows.dropped)
    expected = empirical_likelihood(sums, max_weight=4.0 * 5.0)
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(snips(sums).value)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_keeping_a_fixed_share_changes_no_estimate(tmp_path: Path) -> None:
    half = Rows(1500, drop=(0.5, 0.5))
    whole = Rows(1500, drop=(0.5, 0.5))
    whole.dropped = np.zeros_like(whole.dropped)
    first, second = (logged(rows, tmp_path) for rows in (half, whole))
    for estimator in ("ips", "snips", "dr"):
        one, other = (answer(log, estimator=estimator, interval="normal") for log in (first, second))
        assert one.estimate is not None
        assert other.estimate is not None
        assert one.estimate.value == pytest.approx(other.estimate.value)


@pytest.mark.parametrize("interval", ["bootstrap", "anytime", "bernstein"])
def test_every_interval_knows_of_what_was_dropped(tmp_path: Path, interval: str) -> None:
    found = answer(logged(Rows(2000), tmp_path), estimator="ips", interval=interval, max_weight=4.0)
    assert found.estimate is not None
    assert found.estimate.low <= WORTH.mean() <= found.estimate.high


def test_a_run_passes_over_rows_as_often_as_they_were_kept_too_often(tmp_path: Path) -> None:
    log = logged(Rows(6000), tmp_path)
    found = evaluate(log, Question((UNTAUGHT,), learning="run")).answers[0]
    assert found.estimate is not None
    assert abs(found.estimate.value - WORTH.mean()) < 4 * (found.estimate.std_error or 0.02)
    assert not any("here stand for" in note for note in found.notes)
