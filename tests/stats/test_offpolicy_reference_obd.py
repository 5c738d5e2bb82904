"""Every value that obp 0.5.5 gave on the men's campaign of the Open Bandit Dataset, found again by key.

A key of the file that nothing here computes fails its test, so none can be left out in silence.
"""

import gzip
import hashlib
import json
import math
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from bandstand import data
from bandstand.stats.bootstrap import PoissonBootstrap
from bandstand.stats.diagnostics import Diagnostics, diagnostics
from bandstand.stats.doubly_robust import RobustSums, direct_values, dm, dr, sndr
from bandstand.stats.estimates import Estimate
from bandstand.stats.intervals import bernstein, hoeffding
from bandstand.stats.offpolicy import ips, snips
from bandstand.stats.shrinkage import Shrinkage, clipped, optimistic, sensitivity, subgaussian, switched
from bandstand.stats.support import unsupported
from bandstand.stats.tuning import by_error, by_slope
from bandstand.stats.weights import WeightedSums, importance_weights, inverse_propensities

CASES = json.loads((Path(__file__).parents[1] / "reference" / "obd_men.json").read_text())["cases"]
ITEMS, POSITIONS = 34, 3
SHRINKS: dict[str, Shrinkage] = {
    "clip": clipped,
    "switch": switched,
    "os": optimistic,
    "sg": subgaussian,
}
# Which of our shrinkages their name means, and whether it is of DR.
NAMES = {"ipw": ("clip", False), "sgipw": ("sg", False), "dr": ("clip", True), "switch_dr": ("switch", True)}
NAMES |= {"dros": ("os", True), "sgdr": ("sg", True)}
LEVELS = (1, 2, 5, 10, 20, 50, 100, 500, 1000, math.inf)
BENT_LEVELS = (0, 0.001, 0.01, 0.05, 0.1, 0.3, 1)
STEP = 4 * 2.7 * math.sqrt(1 / 2000 + 1 / 500)  # an end's Monte-Carlo error is 2.7 SE / √B: theirs, ours, four of both


class Campaign:
    """One case, as `_meta` of the file tells: rows in file order, and tabular reward models."""

    def __init__(self, logger: str, target: str) -> None:
        self.path = data.path(f"obd/{logger}/men") / "men.csv.gz"
        rows = np.genfromtxt(self.path, delimiter=",", skip_header=1, usecols=(2, 3, 4, 5))
        self.item, self.position = rows[:, 0].astype(int), rows[:, 1].astype(int) - 1
        self.clicks, self.logged, self.fold = rows[:, 2], rows[:, 3], np.arange(len(rows)) % 3
        pmf = np.full((ITEMS, POSITIONS), 1 / ITEMS)
        if target == "bts":
            pmf = np.genfromtxt(data.path("obd/action_dist_bts_men.csv"), delimiter=",", skip_header=1)[:, 1:]
        self.weights = importance_weights(pmf[self.item, self.position], self.logged)
        self.target = pmf[:, self.position].T

    @cached_property
    def tables(self) -> dict[str, np.ndarray]:
        """Rows × items: what each item was expected to earn there."""
        every = np.ones(len(self.clicks), np.bool_)
        crossed = np.empty((len(self.clicks), ITEMS))
        for fold in range(3):
            here = self.fold == fold
            crossed[here] = self._table(~here)[:, self.position[here]].T
        return {"tab": self._table(every)[:, self.position].T, "tabcf": crossed}

    def _table(self, among: np.ndarray) -> np.ndarray:
        """q(a,pos) = (clicks + 100 m)/(n + 100)."""
        shown, clicked = np.zeros((ITEMS, POSITIONS)), np.zeros((ITEMS, POSITIONS))
        np.add.at(shown, (self.item[among], self.position[among]), 1)
        np.add.at(clicked, (self.item[among], self.position[among]), self.clicks[among])
        return np.asarray((clicked + 100 * self.clicks[among].mean()) / (shown + 100))

    def seen(self, model: str) -> np.ndarray:
        return self.tables[model][np.arange(len(self.item)), self.item]

    def direct(self, model: str) -> np.ndarray:
        return direct_values(self.target, self.tables[model])

    def sums(self, weights: np.ndarray | None = None) -> WeightedSums:
        return WeightedSums.of(self.clicks, self.weights if weights is None else weights)

    def robust(self, model: str, weights: np.ndarray | None = None) -> RobustSums:
        w = self.weights if weights is None else weights
        return RobustSums.of(self.clicks, w, predicted=self.seen(model), direct=self.direct(model))

    def shrunk(self, name: str, level: float, model: str | None) -> Estimate:
        # One row has a weight of one. By obp's own rounding it lay above the limit of one, by ours it does not.
        tie = name == "switch" and level == 1
        weights = SHRINKS[name](self.weights, level - 1e-6 * tie)
        return ips(self.sums(weights)) if model is None else dr(self.robust(model, weights))

    @cached_property
    def found(self) -> Diagnostics:
        return diagnostics(self.sums(), inverse_propensities=inverse_propensities(self.logged, ITEMS))


campaign = lru_cache(maxsize=None)(Campaign)


def of(case: str) -> Campaign:
    logger, target = case.removeprefix("men:").split("->")
    return campaign(logger, target)


def under(part: str) -> list[Any]:
    return [
        pytest.param(case, key, id=f"{case}-{key}") for case, values in CASES.items() for key in values.get(part, ())
    ]


def estimate(log: Campaign, key: str) -> float:
    """By obp's name, such as switch_dr_10[tabcf]. A KeyError or no match where we do not have it."""
    found = re.fullmatch(r"(?P<name>[a-z_]+?)(?:_(?P<level>[\d.]+))?(?:\[(?P<model>tab|tabcf)\])?", key)
    assert found is not None, key
    name, level, model = found["name"], found["level"], found["model"]
    if level is not None:
        known = {
            "ipw_clip": "clip",
            "sgipw": "sg",
            "dr_clip": "clip",
            "switch_dr": "switch",
            "dros": "os",
            "sgdr": "sg",
        }
        return log.shrunk(known[name], float(level), model).value
    if model is None:
        return {"ipw": ips, "snipw": snips}[name](log.sums()).value
    return {"dm": dm, "dr": dr, "sndr": sndr}[name](log.robust(model)).value


def test_the_logs_are_those_of_the_reference() -> None:
    for case, values in CASES.items():
        with gzip.open(of(case).path) as file:
            assert hashlib.sha256(file.read()).hexdigest() == values["on_policy_logging"]["sha256"]


@pytest.mark.parametrize("case", CASES)
def test_what_the_logger_and_the_target_earned_themselves(case: str) -> None:
    expected = CASES[case]
    for part, logger in zip(("on_policy_logging", "on_policy_evaluation"), case[4:].split("->"), strict=True):
        theirs, log = expected[part], campaign(logger, logger)
        plain = ips(WeightedSums.of(log.clicks, np.ones_like(log.clicks)))
        found = {
            "n": plain.n,
            "clicks": int(log.clicks.sum()),
            "mean": plain.value,
            "se": plain.std_error,
            "mean_by_position": [float(log.clicks[log.position == k].mean()) for k in range(POSITIONS)],
            "n_by_position": np.bincount(log.position).tolist(),
            "sha256": theirs["sha256"],
        }
        assert found.keys() == theirs.keys()
        for key, value in found.items():
            assert value == pytest.approx(theirs[key], abs=1e-12), key
    assert (expected["n"], expected["n_actions"]) == (len(of(case).clicks), ITEMS)


@pytest.mark.parametrize(("case", "key"), under("estimates"))
def test_estimates(case: str, key: str) -> None:
    assert estimate(of(case), key) == pytest.approx(CASES[case]["estimates"][key], abs=1e-9)


@pytest.mark.parametrize(("case", "key"), under("relative_ee_vs_on_policy"))
def test_how_far_estimates_are_from_what_the_target_earned(case: str, key: str) -> None:
    truth = CASES[case]["on_policy_evaluation"]["mean"]
    found = abs(estimate(of(case), key) - truth) / truth
    assert found == pytest.approx(CASES[case]["relative_ee_vs_on_policy"][key], abs=1e-9 / truth)


@pytest.mark.parametrize(("case", "key"), under("tuned"))
def test_levels_that_the_log_chose(case: str, key: str) -> None:
    log, theirs = of(case), CASES[case]["tuned"][key]
    name, rule, model = re.fullmatch(r"(\w+)\[(slope|mse)(?:,(tabcf))?\]", key).groups()  # type: ignore[union-attr]
    which, robust = NAMES[name]
    assert robust == (model is not None)
    levels = BENT_LEVELS if which == "sg" else LEVELS
    table = sensitivity(
        lambda w: ips(log.sums(w)) if model is None else dr(log.robust(model, w)),
        log.weights,
        shrink=lambda w, level: SHRINKS[which](w, level - 1e-6 * (which == "switch" and level == 1)),
        levels=levels,
    )
    if rule == "slope":
        chosen = by_slope(table)
    else:
        unshrunk = ips(log.sums()) if model is None else dr(log.robust(model))
        chosen = by_error(table, unshrunk=unshrunk, sums=log.sums())
    assert chosen.estimate.value == pytest.approx(theirs["value"], abs=1e-9)
    # Where no weight exceeds a level, it changes nothing, and any of those is as good.
    same = [row.level for row in table if row.estimate.value == pytest.approx(theirs["value"], abs=1e-12)]
    assert chosen.level in same
    assert float(theirs["lambda"]) in same


@pytest.mark.parametrize(("case", "key"), under("ci"))
def test_intervals(case: str, key: str) -> None:
    log, theirs = of(case), CASES[case]["ci"][key]
    # Lower ends at 0.05 on one side are ours at 0.1 on both; x_max is the greatest wr that was seen.
    most = float((log.weights * log.clicks).max())
    normal = {"ipw_normal": lambda: ips(log.sums()), "snipw_delta": lambda: snips(log.sums())}
    normal["dr_normal"] = lambda: dr(log.robust("tabcf"))
    if key in normal:
        found = normal[key]()
        assert (found.low, found.high) == pytest.approx(theirs, abs=1e-9)
    elif key == "ipw_student_t_lower_0.05":
        found = ips(log.sums())
        assert found.std_error is not None
        assert found.value - student.ppf(0.95, found.n - 1) * found.std_error == pytest.approx(theirs, abs=1e-9)
    elif "lower_0.05" in key:
        bound = {"ipw_hoeffding": hoeffding, "ipw_empirical_bernstein": bernstein}[key.partition("_lower")[0]]
        scores = WeightedSums.of(log.weights * log.clicks / most, np.ones_like(log.clicks))
        found = bound(scores, max_weight=1 + 1e-12, alpha=0.1)
        assert most * found.low == pytest.approx(theirs, abs=1e-9)
    else:
        _check_bootstrap(log, key.partition("_")[0], theirs)


def _check_bootstrap(log: Campaign, name: str, theirs: dict[str, float]) -> None:
    """obp resamples the scores of rows; that of SNIPS, whose denominator it does not resample, is its value alone."""
    scores = {
        "ipw": log.weights * log.clicks,
        "snipw": log.weights * log.clicks / log.weights.mean(),
        "dr": log.direct("tabcf") + log.weights * (log.clicks - log.seen("tabcf")),
    }[name]
    ones = np.ones_like(scores)
    normal = ips(WeightedSums.of(scores, ones)) if scores.min() >= 0 else None
    std_error = float(scores.std(ddof=1)) / math.sqrt(scores.size)
    found = PoissonBootstrap.of(np.arange(scores.size), scores, ones, seed=5, replicates=500).estimate()
    assert normal is None or normal.std_error == pytest.approx(std_error)
    assert abs(found.low - theirs["lower"]) < STEP * std_error
    assert abs(found.high - theirs["upper"]) < STEP * std_error
    assert abs(found.value - theirs["mean"]) < 4 * std_error / math.sqrt(2000)
    assert (theirs["B"], theirs["random_state"]) == (2000, 12345)


@pytest.mark.parametrize(("case", "key"), under("diagnostics"))
def test_diagnostics(case: str, key: str) -> None:
    log, n = of(case), CASES[case]["n"]
    known = {
        "mean_weight": lambda: log.found.mean_weight,
        "mean_weight_se": lambda: log.found.mean_weight_se,
        "max_weight": lambda: log.found.max_weight,
        "p99_weight": lambda: float(np.quantile(log.weights, 0.99)),
        "ess_kish": lambda: log.found.ess,
        "ess_over_n": lambda: log.found.ess / n,
        "max_weight_share": lambda: log.found.max_share,
        "min_pscore": lambda: float(log.logged.min()),
        "mean_inverse_pscore_over_n_actions": lambda: log.found.inverse_propensity_ratio,
        "zero_weight_rows": lambda: int((log.weights == 0).sum()),
        "actions_seen": lambda: len(np.unique(log.item)),
        "eval_mass_on_unseen_(action,position)": lambda: _unseen(log),
    }
    assert known[key]() == pytest.approx(CASES[case]["diagnostics"][key], rel=1e-9, abs=1e-9)


def _unseen(log: Campaign) -> float:
    shown = np.zeros((ITEMS, POSITIONS))
    np.add.at(shown, (log.item, log.position), 1.0)
    support = (shown[:, log.position].T > 0).astype(float)
    return unsupported(log.target, support / support.sum(axis=1, keepdims=True)).mean
