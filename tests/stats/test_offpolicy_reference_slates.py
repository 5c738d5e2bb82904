"""Every value that obp 0.5.5, and a pseudo-inverse by enumeration, gave on three logs of slates, found again by key.

A key of the file that nothing here computes fails its test, so none can be left out in silence. The logs hold chances
of what was shown alone; what the policies were elsewhere, which the pseudo-inverse needs, comes of obp's generator.
"""

import gzip
import json
import math
from functools import cache, cached_property, lru_cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from bandstand.stats.bootstrap import PoissonBootstrap
from bandstand.stats.diagnostics import diagnostics
from bandstand.stats.estimates import Estimate
from bandstand.stats.pseudo_inverse import pseudo_inverse_weights
from bandstand.stats.slate_weights import marginal_weights, prefix_weights, whole_weights
from bandstand.stats.slates import SlateSums, cascade_dr, slate_ips, slate_scores, slate_snips
from bandstand.stats.weights import WeightedSums

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "slates.json").read_text())["cases"]
ITEMS, LENGTH, ROWS = 6, 3, 2000
SLATES = np.array(list(permutations(range(ITEMS), LENGTH)))
MODELS = {"s": "whole_slate", "i": "independent", "r": "reward_interaction"}
STEP = 4 * 2.7 * math.sqrt(1 / 2000 + 1 / 500)  # an end's Monte-Carlo error is 2.7 SE / √B: theirs, ours, four of both


class Slates:
    """One log, as slates × positions."""

    def __init__(self, case: str) -> None:
        with gzip.open(REFERENCE / Path(CASES[case]["csv"]).with_suffix(".csv.gz").name, "rt") as file:
            table = np.genfromtxt(file, delimiter=",", names=True)
        self.columns = {name: table[name].reshape(-1, LENGTH) for name in table.dtype.names}
        self.rewards = self.columns["reward"]
        self.shown = self.columns["action"].astype(int)

    def weights(self, model: str) -> np.ndarray:
        if model == "pseudo_inverse":
            return self.inverse[:, None]
        if model == "independent":
            return marginal_weights(*(self.columns[f"{side}pscore_item_position"] for side in ("e_", "")))
        steps = (_steps(self.columns[f"{side}pscore_cascade"]) for side in ("e_", ""))
        return {"whole_slate": whole_weights, "reward_interaction": prefix_weights}[model](*steps)

    def sums(self, model: str) -> SlateSums:
        rewards = self.rewards.sum(axis=1, keepdims=True) if model == "pseudo_inverse" else self.rewards
        return SlateSums.of(rewards, self.weights(model), model=model)

    @cached_property
    def inverse(self) -> np.ndarray:
        logger, target = generated()
        numbers = {tuple(slate): at for at, slate in enumerate(SLATES.tolist())}
        rows = [numbers[tuple(slate)] for slate in self.shown.tolist()]
        logging = _whole(logger)
        each = zip(rows, target, strict=True)
        return np.array([pseudo_inverse_weights(SLATES, target=_whole(one), logging=logging)[at] for at, one in each])


def _steps(prefix: np.ndarray) -> np.ndarray:
    return np.minimum(prefix / np.column_stack([np.ones(len(prefix)), prefix[:, :-1]]), 1.0)


def _whole(chances: np.ndarray) -> np.ndarray:
    """Plackett–Luce: the probability of every slate, of each item's chance to be first."""
    picked = chances[SLATES]
    return np.asarray((picked / (1 - np.cumsum(picked, axis=1) + picked)).prod(axis=1))


@cache
def generated() -> tuple[np.ndarray, np.ndarray]:
    """What item each policy shows first, by chance: the logger everywhere, the target by slate.

    obp 0.5.5's `SyntheticSlateBanditDataset` with `linear_behavior_policy_logit`, in which the context cancels, and a
    target with the logits 3 · `logistic_reward_function`. From NumPy's old generator, whose numbers never change.
    """
    contexts = np.random.RandomState(12345).normal(size=(ROWS, 2))
    draw = np.random.RandomState(12345)
    draw.uniform(size=2)  # coefficients of the context
    logger = softmax(draw.uniform(size=ITEMS))
    draw = np.random.RandomState(12345)
    above = np.column_stack([np.ones(ROWS), contexts])
    items = np.column_stack([np.ones(ITEMS), np.eye(ITEMS)])
    of_context, of_item = draw.uniform(-1, 1, size=3), draw.uniform(-1, 1, size=ITEMS + 1)
    crossed = draw.uniform(-1, 1, size=(3, ITEMS + 1))
    raw = (above @ of_context)[:, None] + items @ of_item + above @ crossed @ items.T
    return logger, softmax(3 * expit((raw - raw.mean()) / raw.std()), axis=1)


log = lru_cache(maxsize=None)(Slates)


def estimate(one: Slates, key: str) -> Estimate:
    if key in ("pi", "snpi"):
        return (slate_ips if key == "pi" else slate_snips)(one.sums("pseudo_inverse"))
    if key.startswith("cascade_dr"):
        known = one.columns["q_factual"], one.columns["eq_under_pi_e"]
        if key == "cascade_dr[zero q]==rips":
            known = np.zeros((ROWS, LENGTH)), np.zeros((ROWS, LENGTH))
        return cascade_dr(one.rewards, one.weights("reward_interaction"), predicted=known[0], expected=known[1])
    model = MODELS[key.removeprefix("sn")[0]]
    assert key in (f"{key[-4]}ips", f"sn{key[-4]}ips"), key
    return (slate_snips if key.startswith("sn") else slate_ips)(one.sums(model))


def under(part: str) -> list[Any]:
    return [pytest.param(case, key, id=f"{case}-{key}") for case, values in CASES.items() for key in values[part]]


@pytest.mark.parametrize("case", CASES)
def test_the_policies_that_were_generated_are_those_of_the_log(case: str) -> None:
    one = log(case)
    logger, target = generated()
    for chances, side in ((np.tile(logger, (ROWS, 1)), ""), (target, "e_")):
        picked = np.take_along_axis(chances, one.shown, axis=1)
        prefix = (picked / (1 - np.cumsum(picked, axis=1) + picked)).cumprod(axis=1)
        assert prefix == pytest.approx(one.columns[f"{side}pscore_cascade"], rel=1e-9)


@pytest.mark.parametrize(("case", "key"), under("estimates"))
def test_estimates(case: str, key: str) -> None:
    assert estimate(log(case), key).value == pytest.approx(CASES[case]["estimates"][key], abs=1e-9)


@pytest.mark.parametrize(("case", "key"), under("relative_ee"))
def test_how_far_estimates_are_from_the_truth(case: str, key: str) -> None:
    truth = CASES[case]["ground_truth"]
    found = abs(estimate(log(case), key).value - truth) / truth
    assert found == pytest.approx(CASES[case]["relative_ee"][key], abs=1e-9 / truth)


@pytest.mark.parametrize(("case", "key"), under("bootstrap_ci_obp"))
def test_bootstrap_intervals(case: str, key: str) -> None:
    one, theirs = log(case), CASES[case]["bootstrap_ci_obp"][key]
    scores = slate_scores(one.rewards, one.weights(MODELS[key[0]]))
    ours = PoissonBootstrap.of(np.arange(ROWS), scores, np.ones(ROWS), seed=5, replicates=500).estimate()
    std_error = float(scores.std(ddof=1)) / math.sqrt(ROWS)
    found = {"mean": ours.value, "95.0% CI (lower)": ours.low, "95.0% CI (upper)": ours.high}
    assert found.keys() == theirs.keys()
    for name, value in found.items():
        assert abs(value - theirs[name]) < STEP * std_error


@pytest.mark.parametrize(("case", "key"), under("diagnostics"))
def test_diagnostics(case: str, key: str) -> None:
    one = log(case)
    earned = one.rewards.sum(axis=1)

    def by_slot(model: str) -> list[float]:
        weights = one.weights(model)
        return [diagnostics(WeightedSums.of(one.rewards[:, k], weights[:, k])).ess for k in range(LENGTH)]

    whole = diagnostics(WeightedSums.of(earned, one.weights("whole_slate")[:, 0]))
    known = {
        "ess_joint": lambda: whole.ess,
        "ess_item_position_per_slot": lambda: by_slot("independent"),
        "ess_cascade_per_slot": lambda: by_slot("reward_interaction"),
        "ess_pi(signed)": lambda: one.inverse.sum() ** 2 / np.square(one.inverse).sum(),
        "max_joint_weight": lambda: whole.max_weight,
        "mean_joint_weight": lambda: whole.mean_weight,
        "mean_pi_weight": lambda: one.inverse.mean(),
        "pi_weight_min": lambda: one.inverse.min(),
        "pi_weight_max": lambda: one.inverse.max(),
    }
    assert known[key]() == pytest.approx(CASES[case]["diagnostics"][key], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_what_was_earned_and_what_would_have_been(case: str) -> None:
    one, values = log(case), CASES[case]
    assert one.rewards.sum(axis=1).mean() == pytest.approx(values["on_policy_mean_logging"], abs=1e-12)
    found = slate_ips(one.sums("whole_slate"))
    assert found.std_error is not None
    assert abs(found.value - values["ground_truth"]) < 4 * found.std_error  # right however slates are read
    parts = {"estimates", "relative_ee", "bootstrap_ci_obp", "diagnostics"}
    assert values.keys() == {*parts, "csv", "ground_truth", "on_policy_mean_logging"}
