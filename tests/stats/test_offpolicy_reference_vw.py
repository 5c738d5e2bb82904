"""Every value that VowpalWabbit/estimators gave on its reference logs, found again by key, and what its tests assert.

A key of the file that nothing here computes fails its test, so none can be left out in silence.
"""

import gzip
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from bandstand.stats.diagnostics import diagnostics
from bandstand.stats.estimates import Estimate
from bandstand.stats.intervals import clopper_pearson
from bandstand.stats.offpolicy import empirical_likelihood, ips, likeliest_value, snips
from bandstand.stats.offpolicy_sequence import OrderedSums, off_policy_sequence
from bandstand.stats.pseudo_inverse import product_weights
from bandstand.stats.slate_weights import prefix_weights
from bandstand.stats.slates import SlateSums, reward_interaction_ips, slate_ips
from bandstand.stats.thinned import thinned_sums
from bandstand.stats.weights import WeightedSums, importance_weights

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
FILE = json.loads((REFERENCE / "off_policy_single.json").read_text())
CASES = FILE["cases"]
DROP = 0.25


class Log(NamedTuple):
    rewards: np.ndarray
    weights: np.ndarray

    @property
    def sums(self) -> WeightedSums:
        return WeightedSums.of(self.rewards, self.weights)

    @property
    def thinned(self) -> WeightedSums:
        return thinned_sums(self.rewards, self.weights, np.full(self.rewards.size, DROP))

    def sequence(self, drop: float | None = None, chunks: int = 1) -> Estimate:
        sums = OrderedSums(most_guessed=math.inf)  # as theirs
        for r, w in zip(np.array_split(self.rewards, chunks), np.array_split(self.weights, chunks), strict=True):
            sums = sums.then(r, w, drop=None if drop is None else np.full(r.size, drop))
        return off_policy_sequence(sums)


@cache
def log(name: str) -> Log:
    with gzip.open(REFERENCE / CASES[name]["csv"], "rt") as file:
        rows = np.genfromtxt(file, delimiter=",", names=True)
    return Log(rows["r"], importance_weights(rows["p_pred"], rows["p_log"]))


POINTS: dict[str, Callable[[Log], float]] = {
    "ips": lambda one: ips(one.sums).value,
    "snips": lambda one: snips(one.sums).value,
    "mle(el)": lambda one: likeliest_value(*one),
    "mle(el)[wmax=max]": lambda one: likeliest_value(*one, max_weight=float(one.weights.max())),
    "cressieread": lambda one: empirical_likelihood(one.sums, max_weight=math.inf).value,
    "cressieread[wmax=max]": lambda one: empirical_likelihood(one.sums, max_weight=one.sums.max_w).value,
}
INTERVALS: dict[str, Callable[[Log], Estimate]] = {
    "gaussian": lambda one: ips(one.sums),
    "clopper_pearson": lambda one: clopper_pearson(one.sums, max_weight=one.sums.max_w),
    "cressieread": lambda one: empirical_likelihood(one.sums, max_weight=math.inf),
    "cressieread[wmax=max]": lambda one: empirical_likelihood(one.sums, max_weight=one.sums.max_w),
    "cs": lambda one: one.sequence(),
    "gaussian[p_drop=.25]": lambda one: ips(one.thinned),
    "cressieread[p_drop=.25]": lambda one: empirical_likelihood(one.thinned, max_weight=math.inf),
    "cs[p_drop=.25]": lambda one: one.sequence(DROP),
}


def under(part: str) -> list[Any]:
    return [pytest.param(case, key, id=f"{case}-{key}") for case, values in CASES.items() for key in values[part]]


@pytest.mark.parametrize(("case", "key"), under("estimates"))
def test_estimates(case: str, key: str) -> None:
    assert POINTS[key](log(case)) == pytest.approx(CASES[case]["estimates"][key], abs=1e-9)


@pytest.mark.parametrize(("case", "key"), under("intervals"))
def test_intervals(case: str, key: str) -> None:
    found = INTERVALS[key](log(case))
    assert (found.low, found.high) == pytest.approx(CASES[case]["intervals"][key], abs=1e-9)


@pytest.mark.parametrize(("case", "key"), under("intervals_with_p_drop"))
def test_intervals_of_a_log_of_which_a_quarter_was_dropped(case: str, key: str) -> None:
    found = INTERVALS[key](log(case))
    assert (found.low, found.high) == pytest.approx(CASES[case]["intervals_with_p_drop"][key], abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_everything_else_that_is_said_of_a_log(case: str) -> None:
    values, one = CASES[case], log(case)
    found = diagnostics(one.sums)
    known = {"n": found.n, "mean_w": found.mean_weight, "max_w": found.max_weight, "ess": found.ess}
    for key, value in known.items():
        assert value == pytest.approx(values[key], rel=1e-9), key
    assert values["rmin"] <= one.rewards.min() <= one.rewards.max() <= values["rmax"]
    if values["true_value"] is not None and case != "C_heavy_tail":  # whose effective size is 18: see test_calibration
        held = INTERVALS["cressieread[wmax=max]"](one)
        assert held.low <= values["true_value"] <= held.high
    parts = {"estimates", "intervals", "intervals_with_p_drop"}
    assert values.keys() == {*known, *parts, "csv", "rmin", "rmax", "true_value"}


@pytest.mark.parametrize("chunks", [2, 7])
def test_a_sequence_of_a_thinned_log_goes_on_with_what_comes_next(chunks: int) -> None:
    one = log("A_binary_softmax")
    assert one.sequence(DROP, chunks)[:3] == pytest.approx(one.sequence(DROP)[:3], abs=1e-12)


def _rows(r: list[float], p_log: list[float], p_pred: list[float], times: int = 1) -> Log:
    return Log(np.tile(r, times).astype(float), np.tile(importance_weights(p_pred, p_log), times))


def _within(found: Estimate, low: float, high: float) -> None:
    assert low <= round(found.low, 9) <= round(found.high, 9) <= high


def _intervals(one: Log, low: float = 0.0, high: float = 1.0) -> list[Estimate]:
    sums, possible = one.sums, (low, high)
    found = [empirical_likelihood(sums, max_weight=math.inf, reward_range=possible)]
    found += [off_policy_sequence(OrderedSums(reward_range=possible).then(*one))]
    if sums.reward_by_row.ratio().variance > 0:
        found.append(ips(sums))
    if set(np.unique(one.rewards)) <= {0.0, 1.0}:
        found.append(clopper_pearson(sums, max_weight=max(sums.max_w, 1 + 1e-12)))
    return found


def single() -> None:
    one = _rows([1.0], [0.3], [0.6])
    values = FILE["upstream_test_assertions"]["tests/test_bandits_*.py single example p_log=.3,r=1,p_pred=.6"]
    found = {"ips": one.sums.wr / one.sums.n, "snips": one.sums.wr / one.sums.w}
    found |= {"mle": likeliest_value(*one), "cressieread": POINTS["cressieread"](one)}
    assert found == pytest.approx(values)


def constant() -> None:
    for c in (1.0, 10.0, -1.0):
        one = _rows([c], [1.0], [1.0], times=10)
        assert [one.sums.wr / one.sums.n, one.sums.wr / one.sums.w, likeliest_value(*one)] == pytest.approx([c] * 3)
        for each in _intervals(one, min(c, 0.0), max(c, 1.0)):
            assert each.low - 1e-9 <= c <= each.high + 1e-9


def alternating() -> None:
    for r in (1.0, 10.0):
        for each in _intervals(_rows([r, 0.0], [0.5, 0.5], [0.8, 0.2], times=5000), 0.0, r):
            _within(each, 0.75 * r, 0.85 * r)


def without_variance() -> None:
    for each in _intervals(_rows([0.751], [0.5], [0.5], times=100), 0.751 - 0.05, 0.751 + 0.049):
        _within(each, 0.7, 0.8)


def long() -> None:
    for each in _intervals(_rows([1.0, 0.0], [0.5, 0.5], [0.2, 0.8], times=500_000)):
        _within(each, 0.15, 0.25)


def dropping() -> None:
    """1,000 rows of 1 that were all kept, and 500 of 0 of which every other one was."""
    rewards, drop = np.repeat([1.0, 0.0], [1000, 500]), np.repeat([0.0, 0.5], [1000, 500])
    sums = thinned_sums(rewards, np.ones(1500), drop)
    sequence = off_policy_sequence(OrderedSums().then(rewards, np.ones(1500), drop=drop))
    for found in (ips(sums), empirical_likelihood(sums, max_weight=math.inf), sequence):
        assert found.low <= 0.5 <= found.high


def adding() -> None:
    one = log("OBD_men_bts_to_random")
    whole, parts = one.sums, Log(one.rewards[:1000], one.weights[:1000]).sums
    parts += Log(one.rewards[1000:], one.weights[1000:]).sums
    for estimator in (ips, snips):
        assert estimator(parts)[:4] == pytest.approx(estimator(whole)[:4], rel=1e-12)
    for most in (math.inf, whole.max_w):
        one_way, other = (empirical_likelihood(each, max_weight=most)[:3] for each in (parts, whole))
        assert one_way == pytest.approx(other, rel=1e-12)
    assert clopper_pearson(parts, max_weight=200)[:3] == pytest.approx(clopper_pearson(whole, max_weight=200)[:3])


def narrowing() -> None:
    some, many = (_rows([1.0, 0.0], [0.5, 0.5], [0.8, 0.2], times=n // 2) for n in (100, 10_000))
    for wide, narrow in zip(_intervals(some), _intervals(many), strict=True):
        assert wide.low < narrow.low < narrow.high < wide.high
    for alpha, more in ((0.05, 0.2), (0.2, 0.5)):
        wide, narrow = (empirical_likelihood(some.sums, max_weight=math.inf, alpha=each) for each in (alpha, more))
        assert wide.low < narrow.low < narrow.high < wide.high


def slates() -> None:
    """One slot: the weight of IPS. Two slots that are drawn by themselves: 0.2.

    Theirs says 0.2 of a reward of 1 where both slots hold their second action, which is no sum over slots, and stands
    behind the last `yield` of a generator that nothing exhausts: of those rows the pseudo-inverse, theirs too, makes
    -0.05. It is 0.2 where each slot is worth a half, as the model wants it.
    """
    assert product_weights([[0.3], [0.6]], [[0.6], [0.4]]).tolist() == pytest.approx([0.5, 1.5])
    second = np.tile([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], (250, 1))
    weights = product_weights(np.where(second == 1, 0.2, 0.8), np.full((1000, 2), 0.5))[:, None]
    together, apart = (
        slate_ips(SlateSums.of(reward[:, None], weights, model="pseudo_inverse"))
        for reward in (second.prod(axis=1), second.mean(axis=1))
    )
    assert (together.value, apart.value) == pytest.approx((-0.05, 0.2))
    _within(apart, 0.15, 0.25)


def slots() -> None:
    """A hundred slates of two and a hundred of one, all ones: 1 in the first slot, ½ in the second."""
    rewards = np.repeat([[1.0, 1.0], [1.0, 0.0]], 100, axis=0)
    weights = prefix_weights(np.ones_like(rewards), np.ones_like(rewards))
    for slot, expected in enumerate((1.0, 0.5)):
        alone = np.where(np.arange(2) == slot, rewards, 0.0)
        assert alone.sum() / 200 == pytest.approx(expected)
    assert reward_interaction_ips(rewards, weights).value == pytest.approx(1.5)


# By the start of what the file says that a test of theirs asserts.
ASSERTIONS: dict[str, Callable[[], None]] = {
    "tests/test_bandits_*.py single example": single,
    "tests/test_bandits.py test_estimate_*": constant,
    "tests/test_bandits.py test_simple_convergence": alternating,
    "test_zero_variance_reward": without_variance,
    "test_convergence_with_no_overflow": long,
    "test_convergence_with_p_drop": dropping,
    "test_summation_works": adding,
    "monotonicity": narrowing,
    "slates": slates,
    "ccb test_various_slots_count": slots,
}


@pytest.mark.parametrize("asserted", FILE["upstream_test_assertions"])
def test_what_their_own_tests_assert(asserted: str) -> None:
    (check,) = [check for start, check in ASSERTIONS.items() if asserted.startswith(start)]
    check()
