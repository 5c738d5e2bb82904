import csv
import gzip
import json
import math
from functools import cache, reduce
from itertools import product
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from bandstand import data
from bandstand.errors import InputError
from bandstand.stats.bootstrap import PoissonBootstrap
from bandstand.stats.doubly_robust import RobustSums, direct_values, dm, dr, sndr
from bandstand.stats.offpolicy import Estimate, ips
from bandstand.stats.ratios import sum_of_ratios
from bandstand.stats.shrinkage import clipped, optimistic, sensitivity, subgaussian, switched
from bandstand.stats.weights import WeightedSums, importance_weights

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "obd_men.json").read_text())["cases"]
CASES = [("random", "bts"), ("bts", "random"), ("bts", "bts")]
LEVELS = (1, 2, 5, 10, 20, 50, 100, 500, 1000)
SHRINKS = {"dr_clip": clipped, "switch_dr": switched, "dros": optimistic}


class Campaign(NamedTuple):
    """The men's campaign of the Open Bandit Dataset with tabular reward models, as `_meta` of the file tells."""

    rewards: np.ndarray
    weights: np.ndarray
    target: np.ndarray
    shown: np.ndarray
    tables: dict[str, np.ndarray]

    def sums(self, model: str, weights: np.ndarray) -> RobustSums:
        q = self.tables[model]
        seen = q[np.arange(len(q)), self.shown]
        return RobustSums.of(self.rewards, weights, predicted=seen, direct=direct_values(self.target, q))


def table(clicks: np.ndarray, item: np.ndarray, position: np.ndarray) -> np.ndarray:
    """q(a,pos) = (clicks + 100 m)/(n + 100)."""
    shown, clicked = np.zeros((34, 3)), np.zeros((34, 3))
    np.add.at(shown, (item, position), 1)
    np.add.at(clicked, (item, position), clicks)
    return (clicked + 100 * clicks.mean()) / (shown + 100)


@cache
def campaign(logger: str, target: str) -> Campaign:
    with gzip.open(data.path(f"obd/{logger}/men") / "men.csv.gz", "rt") as file:
        rows = [
            (int(r["item_id"]), int(r["position"]) - 1, float(r["click"]), float(r["propensity_score"]))
            for r in csv.DictReader(file)
        ]
    item, position, clicks, logged = (np.array(each) for each in zip(*rows, strict=True))
    pmf = np.full((34, 3), 1 / 34)
    if target == "bts":
        pmf = np.genfromtxt(data.path("obd/action_dist_bts_men.csv"), delimiter=",", skip_header=1)[:, 1:]
    fold = np.arange(len(rows)) % 3
    crossfit = np.empty((len(rows), 34))
    for f in range(3):
        here, rest = fold == f, fold != f
        crossfit[here] = table(clicks[rest], item[rest], position[rest])[:, position[here]].T
    return Campaign(
        rewards=clicks,
        weights=importance_weights(pmf[item, position], logged),
        target=pmf[:, position].T,
        shown=item,
        tables={"tab": table(clicks, item, position)[:, position].T, "tabcf": crossfit},
    )


@pytest.mark.parametrize(("logger", "target"), CASES)
@pytest.mark.parametrize("model", ["tab", "tabcf"])
def test_estimates_on_open_bandit_data_equal_those_of_obp(logger: str, target: str, model: str) -> None:
    log, expected = campaign(logger, target), REFERENCE[f"men:{logger}->{target}"]["estimates"]
    for estimator in (dm, dr, sndr):
        found = estimator(log.sums(model, log.weights)).value
        assert found == pytest.approx(expected[f"{estimator.__name__}[{model}]"], abs=1e-9)


@pytest.mark.parametrize(("logger", "target"), CASES)
@pytest.mark.parametrize("name", SHRINKS)
def test_shrunk_estimates_on_open_bandit_data_equal_those_of_obp(logger: str, target: str, name: str) -> None:
    log, expected = campaign(logger, target), REFERENCE[f"men:{logger}->{target}"]["estimates"]
    for level in LEVELS:
        # One row has a weight of one. By obp's own rounding it lay above the limit of one, by ours it does not.
        tie = (name, logger, target, level) == ("switch_dr", "bts", "random", 1)
        found = dr(log.sums("tabcf", SHRINKS[name](log.weights, level - 1e-6 * tie))).value
        assert found == pytest.approx(expected[f"{name}_{level}[tabcf]"], abs=1e-9)


@pytest.mark.parametrize(("logger", "target"), CASES)
def test_clipped_and_subgaussian_estimates_on_open_bandit_data_equal_those_of_obp(logger: str, target: str) -> None:
    log, expected = campaign(logger, target), REFERENCE[f"men:{logger}->{target}"]["estimates"]
    for level in LEVELS:
        found = ips(WeightedSums.of(log.rewards, clipped(log.weights, level)))
        assert found.value == pytest.approx(expected[f"ipw_clip_{level}"], abs=1e-9)
    for level in (0, 0.001, 0.01, 0.05, 0.1, 0.3, 1):
        bent = subgaussian(log.weights, level)
        assert ips(WeightedSums.of(log.rewards, bent)).value == pytest.approx(expected[f"sgipw_{level}"], abs=1e-9)
        assert dr(log.sums("tabcf", bent)).value == pytest.approx(expected[f"sgdr_{level}[tabcf]"], abs=1e-9)


@pytest.mark.parametrize(("logger", "target"), CASES)
def test_normal_interval_of_dr_equals_that_of_the_reference(logger: str, target: str) -> None:
    log = campaign(logger, target)
    found = dr(log.sums("tabcf", log.weights))
    assert (found.low, found.high) == pytest.approx(REFERENCE[f"men:{logger}->{target}"]["ci"]["dr_normal"], abs=1e-9)


def test_bootstrap_intervals_agree_with_those_of_obp() -> None:
    # An end has the Monte-Carlo error 2.7 SE / √B, for obp's 2,000 replicates and our 500; four of the two together.
    logger, target = "bts", "random"
    log, theirs = campaign(logger, target), REFERENCE[f"men:{logger}->{target}"]["ci"]
    sums = log.sums("tabcf", log.weights)
    own = log.tables["tabcf"][np.arange(len(log.shown)), log.shown]
    scores = {
        "ipw": (log.weights * log.rewards, ips(WeightedSums.of(log.rewards, log.weights))),
        "dr": (direct_values(log.target, log.tables["tabcf"]) + log.weights * (log.rewards - own), dr(sums)),
    }
    for name, (score, normal) in scores.items():
        found = PoissonBootstrap.of(
            np.arange(score.size), score, np.ones(score.size), seed=5, replicates=500
        ).estimate()
        assert normal.std_error is not None
        bound = 4 * 2.7 * normal.std_error * math.sqrt(1 / 2000 + 1 / 500)
        assert abs(found.low - theirs[f"{name}_bootstrap_obp"]["lower"]) < bound
        assert abs(found.high - theirs[f"{name}_bootstrap_obp"]["upper"]) < bound


class Small(NamedTuple):
    """Two contexts, three actions, every outcome of one row: its probability under the logger, and columns."""

    chance: np.ndarray
    reward: np.ndarray
    weight: np.ndarray
    predicted: np.ndarray
    direct: np.ndarray
    truth: float


def small(rng: np.random.Generator, *, right: bool = False, propensities_right: bool = True) -> Small:
    target, logging = rng.dirichlet(np.ones(3), size=2), rng.dirichlet(np.ones(3), size=2)
    mean = rng.uniform(size=(2, 3))
    q = mean if right else rng.uniform(size=(2, 3))
    believed = logging if propensities_right else rng.dirichlet(np.ones(3), size=2)
    rows = [(x, a, r) for x, a, r in product(range(2), range(3), (0.0, 1.0))]
    x, a, r = (np.array(each) for each in zip(*rows, strict=True))
    return Small(
        chance=0.5 * logging[x, a] * np.where(r == 1, mean[x, a], 1 - mean[x, a]),
        reward=r,
        weight=importance_weights(target[x, a], believed[x, a]),
        predicted=q[x, a],
        direct=direct_values(target[x], q[x]),
        truth=float((target * mean).sum() / 2),
    )


def scores(w: Small, weights: np.ndarray) -> float:
    """Expectation over all outcomes of the score that `dr` averages, each read off a log of one row."""
    each = [
        sum_of_ratios(RobustSums.of([r], [v], predicted=[q], direct=[d]).moments, [(1, 0), (2, 0)]).mean
        for r, v, q, d in zip(w.reward, weights, w.predicted, w.direct, strict=True)
    ]
    return float(w.chance @ np.array(each))


def test_dr_is_unbiased_with_any_reward_model_if_propensities_are_right(rng: np.random.Generator) -> None:
    for _ in range(5):
        w = small(rng)
        assert scores(w, w.weight) == pytest.approx(w.truth, abs=1e-10)
        assert abs(float(w.chance @ w.direct) - w.truth) > 1e-3  # the direct method is not


def test_dr_is_unbiased_with_any_propensities_and_shrinkage_if_the_reward_model_is_right(
    rng: np.random.Generator,
) -> None:
    w = small(rng, right=True, propensities_right=False)
    for weights in (w.weight, clipped(w.weight, 1), switched(w.weight, 1), optimistic(w.weight, 1)):
        assert scores(w, weights) == pytest.approx(w.truth, abs=1e-10)


def test_clipped_ips_is_too_low_by_the_reward_above_the_limit(rng: np.random.Generator) -> None:
    w = small(rng)
    lost = float(w.chance @ (np.maximum(w.weight - 1, 0) * w.reward))
    assert float(w.chance @ (clipped(w.weight, 1) * w.reward)) == pytest.approx(w.truth - lost, abs=1e-10)
    assert lost > 0.01


def drawn(rng: np.random.Generator, n: int = 400) -> dict[str, Any]:
    users = rng.integers(0, 50, size=n)
    rewards = rng.binomial(1, rng.beta(1, 2, size=50)[users]).astype(float)
    weights = rng.exponential(size=n)
    return {
        "rewards": rewards,
        "weights": weights,
        "predicted": rng.uniform(size=n),
        "direct": rng.uniform(size=n),
        "clusters": users,
    }


@pytest.mark.parametrize("estimator", [dm, dr, sndr])
def test_clustered_errors_are_those_of_statsmodels(estimator: Any, rng: np.random.Generator) -> None:
    # Each estimate is the mean of these scores; SNDR's are those of its influence function.
    log = drawn(rng)
    residual = log["weights"] * (log["rewards"] - log["predicted"])
    ratio = residual.sum() / log["weights"].sum()
    score = {
        dm: log["direct"],
        dr: log["direct"] + residual,
        sndr: log["direct"] + ratio + (residual - ratio * log["weights"]) / log["weights"].mean(),
    }[estimator]
    fit = OLS(score, np.ones(400)).fit(cov_type="cluster", cov_kwds={"groups": log["clusters"]})
    found = estimator(RobustSums.of(**log))
    assert (found.value, found.std_error) == pytest.approx((float(fit.params[0]), float(fit.bse[0])))
    assert found.n == 400


@pytest.mark.parametrize("estimator", [dm, dr, sndr])
@pytest.mark.parametrize("clustered", [False, True])
def test_chunks_add_up_to_the_whole(estimator: Any, clustered: bool, rng: np.random.Generator) -> None:
    log = drawn(rng)
    order = np.argsort(log["clusters"])
    whole = {k: v[order] for k, v in log.items() if clustered or k != "clusters"}
    cuts = np.flatnonzero(np.diff(log["clusters"][order]))[[3, 20]] + 1
    parts = zip(*(np.split(column, cuts) for column in whole.values()), strict=True)
    merged = reduce(add, (RobustSums.of(**dict(zip(whole, part, strict=True))) for part in parts), RobustSums())
    assert estimator(merged)[:4] == pytest.approx(estimator(RobustSums.of(**whole))[:4], rel=1e-10)


def test_the_ends_of_every_level_are_the_estimates_they_interpolate(rng: np.random.Generator) -> None:
    log = drawn(rng)
    given = {k: log[k] for k in ("predicted", "direct")}

    def value(weights: np.ndarray) -> float:
        return dr(RobustSums.of(log["rewards"], weights, **given)).value

    full, model = value(log["weights"]), float(log["direct"].mean())
    for shrink in (clipped, switched, optimistic):
        assert value(shrink(log["weights"], math.inf)) == pytest.approx(full, rel=1e-12)
        assert value(shrink(log["weights"], 0.0)) == pytest.approx(model, rel=1e-12)
    assert value(subgaussian(log["weights"], 0.0)) == pytest.approx(full, rel=1e-12)


def test_a_weight_equal_to_the_limit_but_for_rounding_is_kept() -> None:
    assert switched([0.1 + 0.2], 0.3).tolist() == [0.1 + 0.2]


def test_sensitivity_shows_every_level_that_was_asked_for(rng: np.random.Generator) -> None:
    log = drawn(rng)

    def estimate(weights: np.ndarray) -> Estimate:
        return ips(WeightedSums.of(log["rewards"], weights))

    found = sensitivity(estimate, log["weights"], shrink=clipped, levels=[0.5, 1.0, math.inf])
    assert [row.level for row in found] == [0.5, 1.0, math.inf]
    assert [row.kept for row in found] == pytest.approx(
        [np.minimum(log["weights"], level).sum() / log["weights"].sum() for level in (0.5, 1.0, math.inf)]
    )
    assert found[1].estimate == estimate(np.minimum(log["weights"], 1.0))


def test_target_probabilities_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(InputError, match=r"sum of target propensities of row 1 is 0.9, must be 1"):
        direct_values([[0.5, 0.5], [0.5, 0.4]], [[0.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("shrink", "level", "rule"),
    [
        (clipped, -1.0, "between 0 and inf"),
        (switched, math.nan, "between 0 and inf"),
        (optimistic, -0.1, "between 0 and inf"),
        (subgaussian, 1.5, "between 0 and 1"),
    ],
)
def test_levels_out_of_range_are_refused(shrink: Any, level: float, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        shrink([1.0], level)


def test_a_poisoned_weight_is_refused_by_row() -> None:
    with pytest.raises(InputError, match="weight of row 1 is nan, must be finite and >= 0"):
        clipped([1.0, math.nan], 2.0)
