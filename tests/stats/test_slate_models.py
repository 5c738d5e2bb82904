"""Every slate there is, under every way to read it: an estimate is exact under its own model and off under others."""

import gzip
import json
from functools import cache, reduce
from itertools import permutations
from operator import add
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from bandstand.errors import InputError, UnknownError
from bandstand.stats.assumptions import SINGLE, SLATE_MODELS, assumption
from bandstand.stats.diagnostics import diagnostics
from bandstand.stats.pseudo_inverse import product_weights, pseudo_inverse_weights
from bandstand.stats.slate_weights import (
    examination_weights,
    marginal_weights,
    moved_weights,
    prefix_weights,
    whole_weights,
)
from bandstand.stats.slates import SlateSums, cascade_dr, cascade_scores, slate_ips, slate_scores, slate_snips
from bandstand.stats.weights import WeightedSums

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "slates.json").read_text())["cases"]
ITEMS, LENGTH = 5, 3
SLATES = np.array(list(permutations(range(ITEMS), LENGTH)))
POSITIONS = np.arange(LENGTH)
THETA = np.array([1.0, 0.55, 0.3])


class Policy(NamedTuple):
    """Plackett–Luce over all slates: conditional picks, probability of the slate, item × position marginals."""

    steps: np.ndarray
    chance: np.ndarray
    marginal: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """Of each pick at the position where it stands."""
        return self.marginal[SLATES, POSITIONS]


def policy(rng: np.random.Generator) -> Policy:
    strength = rng.exponential(size=ITEMS) + 0.1
    picked = strength[SLATES]
    steps = picked / (strength.sum() - np.cumsum(picked, axis=1) + picked)
    marginal = np.zeros((ITEMS, LENGTH))
    np.add.at(marginal, (SLATES, POSITIONS), np.repeat(steps.prod(axis=1)[:, None], LENGTH, axis=1))
    return Policy(steps, steps.prod(axis=1), marginal)


def reading(name: str, rng: np.random.Generator) -> np.ndarray:
    """Expected reward of each position of each slate under a way to read it."""
    value, pairs = rng.uniform(0.1, 0.9, size=(ITEMS, LENGTH)), rng.uniform(-0.5, 0.5, size=(ITEMS, ITEMS))
    own = value[SLATES, POSITIONS]
    if name == "position_based":
        return THETA * value[SLATES, 0]
    if name == "independent":
        return own
    if name == "cascade":
        return own + np.column_stack([np.zeros(len(SLATES)), *(pairs[SLATES[:, k - 1], SLATES[:, k]] for k in (1, 2))])
    return own + np.column_stack([pairs[SLATES[:, k], SLATES[:, k - 1]] for k in range(LENGTH)])  # the first: the last


def scores(model: str, rewards: np.ndarray, target: Policy, logging: Policy) -> np.ndarray:
    """What each slate adds to the estimate, whose expectation the logger's probabilities give."""
    if model == "pseudo_inverse":
        return pseudo_inverse_weights(SLATES, target=target.chance, logging=logging.chance) * rewards.sum(axis=1)
    weights = {
        "whole_slate": lambda: whole_weights(target.steps, logging.steps),
        "reward_interaction": lambda: prefix_weights(target.steps, logging.steps),
        "independent": lambda: marginal_weights(target.own, logging.own),
        "position_based": lambda: examination_weights(target.marginal[SLATES], logging.marginal[SLATES], THETA),
    }[model]()
    return slate_scores(rewards, weights)


# Each model is right under the readings that it names, and under all that are special cases of them.
RIGHT = {
    "whole_slate": {"position_based", "independent", "cascade", "whole_slate"},
    "reward_interaction": {"position_based", "independent", "cascade"},
    "independent": {"position_based", "independent"},
    "pseudo_inverse": {"position_based", "independent"},
    "position_based": {"position_based"},
}


@pytest.mark.parametrize("model", SLATE_MODELS)
@pytest.mark.parametrize("read", ["position_based", "independent", "cascade", "whole_slate"])
def test_an_estimate_is_exact_where_its_model_holds_and_off_where_it_does_not(
    model: str, read: str, rng: np.random.Generator
) -> None:
    errors = []
    for _ in range(5):
        target, logging, rewards = policy(rng), policy(rng), reading(read, rng)
        truth = float(target.chance @ rewards.sum(axis=1))
        errors.append(abs(float(logging.chance @ scores(model, rewards, target, logging)) - truth))
    if read in RIGHT[model]:
        assert max(errors) < 1e-10
    else:
        assert max(errors) > 0.01


def test_examination_weights_vary_less_than_those_of_single_positions(rng: np.random.Generator) -> None:
    target, logging, rewards = policy(rng), policy(rng), reading("position_based", rng)
    examined, marginal = (scores(m, rewards, target, logging) for m in ("position_based", "independent"))
    assert float(logging.chance @ examined**2) < float(logging.chance @ marginal**2)


@pytest.mark.parametrize("read", ["position_based", "independent", "cascade", "whole_slate"])
def test_a_logger_without_exploration_is_exact_where_examination_is_known_and_off_elsewhere(
    read: str, rng: np.random.Generator
) -> None:
    # The target shows the same three items in another order; the log holds one slate, over and over.
    errors = []
    for _ in range(5):
        rewards = reading(read, rng)
        shown = int(rng.integers(len(SLATES)))
        order = rng.permutation(LENGTH)
        wanted = int(np.flatnonzero((SLATES[shown][order] == SLATES).all(axis=1))[0])
        to = np.argsort(order)[None, :]  # where the target puts the item that stands at each position
        found = slate_scores(rewards[[shown]], moved_weights(to, POSITIONS[None, :], THETA))[0]
        errors.append(abs(found - rewards[wanted].sum()))
    assert max(errors) < 1e-10 if read == "position_based" else max(errors) > 0.01


def test_an_item_that_the_target_leaves_out_has_no_weight_and_a_position_that_is_none_is_refused() -> None:
    assert moved_weights([[-1, 0]], [[0, 1]], [1.0, 0.5]).tolist() == [[0.0, 2.0]]
    with pytest.raises(InputError, match="target position of row 0 position 1 is 2, must be < 2"):
        moved_weights([[0, 2]], [[0, 1]], [1.0, 0.5])
    with pytest.raises(InputError, match="must be slates × shown items of whole numbers"):
        moved_weights([[0.0, 1.0]], [[0, 1]], [1.0, 0.5])


@pytest.mark.parametrize("model", [m for m in SLATE_MODELS if m != "pseudo_inverse"])
def test_weights_of_the_logger_itself_are_one(model: str, rng: np.random.Generator) -> None:
    logging = policy(rng)
    ones = np.eye(LENGTH)[:, :, None] * np.ones(len(SLATES))  # reward at one position only, to look at each
    for k in range(LENGTH):
        assert scores(model, ones[k].T, logging, logging) == pytest.approx(np.ones(len(SLATES)), abs=1e-12)


def follow(values: np.ndarray, target: Policy) -> tuple[np.ndarray, np.ndarray]:
    """Q̂_k of each slate's prefix and its mean over the target's next pick, where Q̂ depends on the prefix alone."""
    keys = [[tuple(s[: k + 1]) for s in SLATES.tolist()] for k in POSITIONS]
    predicted = np.empty((len(SLATES), LENGTH))
    expected = np.zeros((len(SLATES), LENGTH))
    for k in POSITIONS:
        predicted[:, k] = [values[hash(key) % len(values)] for key in keys[k]]
        for i, key in enumerate(keys[k]):
            next_picks = {keys[k][j]: j for j in range(len(SLATES)) if keys[k][j][:-1] == key[:-1]}
            expected[i, k] = sum(target.steps[j, k] * predicted[j, k] for j in next_picks.values())
    return predicted, expected


@pytest.mark.parametrize(("read", "exact"), [("independent", True), ("cascade", True), ("whole_slate", False)])
def test_cascade_dr_is_exact_with_any_reward_model_where_users_read_from_the_top(
    read: str, exact: bool, rng: np.random.Generator
) -> None:
    target, logging, rewards = policy(rng), policy(rng), reading(read, rng)
    predicted, expected = follow(rng.uniform(size=97), target)
    weights = prefix_weights(target.steps, logging.steps)
    found = cascade_scores(rewards, weights, predicted=predicted, expected=expected)
    error = abs(float(logging.chance @ found) - float(target.chance @ rewards.sum(axis=1)))
    assert error < 1e-10 if exact else error > 0.01


def test_pseudo_inverse_of_slates_with_one_position_is_the_importance_weight() -> None:
    target, logging = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.25, 0.25])
    found = pseudo_inverse_weights([[0], [1], [2]], target=target, logging=logging)
    assert found == pytest.approx(target / logging, abs=1e-12)


def test_pseudo_inverse_of_independent_draws_has_the_closed_form_of_product_slates(rng: np.random.Generator) -> None:
    slates = np.array([(i, j) for i in range(3) for j in range(2)])
    target, logging = ((rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(2))) for _ in range(2))
    own = [np.column_stack([p[0][slates[:, 0]], p[1][slates[:, 1]]]) for p in (target, logging)]
    closed = product_weights(*own)
    found = pseudo_inverse_weights(slates, target=own[0].prod(axis=1), logging=own[1].prod(axis=1))
    assert found == pytest.approx(closed, abs=1e-10)


def test_a_pair_that_the_logger_never_shows_is_refused() -> None:
    with pytest.raises(InputError, match="must be 0, since the logger never shows it"):
        pseudo_inverse_weights([[0], [1]], target=[0.5, 0.5], logging=[1.0, 0.0])


@cache
def logged(case: str) -> dict[str, np.ndarray]:
    """Columns of a log as slates × positions."""
    with gzip.open(REFERENCE / Path(CASES[case]["csv"]).with_suffix(".csv.gz").name, "rt") as file:
        table = np.genfromtxt(file, delimiter=",", names=True)
    assert (table["position"].reshape(-1, LENGTH) == POSITIONS).all()
    return {name: table[name].reshape(-1, LENGTH) for name in table.dtype.names}


def log_sums(case: str, model: str, chunks: int = 1) -> SlateSums:
    log = logged(case)
    if model == "independent":
        weights = marginal_weights(log["e_pscore_item_position"], log["pscore_item_position"])
    else:
        target, logging = (_steps(log[name]) for name in ("e_pscore_cascade", "pscore_cascade"))
        weights = {"whole_slate": whole_weights, "reward_interaction": prefix_weights}[model](target, logging)
    parts = zip(*(np.array_split(each, chunks) for each in (log["reward"], weights)), strict=True)
    return reduce(add, (SlateSums.of(r, w, model=model) for r, w in parts))


def _steps(prefix: np.ndarray) -> np.ndarray:
    return np.minimum(prefix / np.column_stack([np.ones(len(prefix)), prefix[:, :-1]]), 1.0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("model", "plain", "normalised"),
    [("whole_slate", "sips", "snsips"), ("independent", "iips", "sniips"), ("reward_interaction", "rips", "snrips")],
)
@pytest.mark.parametrize("chunks", [1, 7])
def test_estimates_equal_those_of_obp(case: str, model: str, plain: str, normalised: str, chunks: int) -> None:
    sums, expected = log_sums(case, model, chunks), CASES[case]["estimates"]
    assert slate_ips(sums).value == pytest.approx(expected[plain], abs=1e-9)
    assert slate_snips(sums).value == pytest.approx(expected[normalised], abs=1e-9)
    assert slate_ips(sums).n == 2000


@pytest.mark.parametrize("case", CASES)
def test_effective_sizes_by_position_equal_those_of_the_reference(case: str) -> None:
    log, expected = logged(case), CASES[case]["diagnostics"]
    steps = [_steps(log[name]) for name in ("e_pscore_cascade", "pscore_cascade")]
    own = marginal_weights(log["e_pscore_item_position"], log["pscore_item_position"])
    whole = whole_weights(*steps)[:, 0]
    for weights, name in ((prefix_weights(*steps), "ess_cascade_per_slot"), (own, "ess_item_position_per_slot")):
        sizes = [diagnostics(WeightedSums.of(log["reward"][:, k], weights[:, k])).ess for k in POSITIONS]
        assert sizes == pytest.approx(expected[name], rel=1e-9)
    found = diagnostics(WeightedSums.of(log["reward"].sum(axis=1), whole))
    assert found.ess == pytest.approx(expected["ess_joint"], rel=1e-9)
    assert found.max_weight == pytest.approx(expected["max_joint_weight"], rel=1e-9)
    assert found.mean_weight == pytest.approx(expected["mean_joint_weight"], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("model", "name"), [("whole_slate", "sips"), ("reward_interaction", "rips")])
def test_intervals_agree_with_obps_bootstrap(case: str, model: str, name: str) -> None:
    # obp resamples the slates' scores 2,000 times at most; the end of such an interval is off by 2.7 / √2000 standard
    # errors in one standard deviation, and by the skewness of the scores, which the normal interval does not have.
    found, theirs = slate_ips(log_sums(case, model)), CASES[case]["bootstrap_ci_obp"][name]
    assert found.std_error is not None
    for end, key in ((found.low, "95.0% CI (lower)"), (found.high, "95.0% CI (upper)")):
        assert abs(end - theirs[key]) < 0.35 * found.std_error


@pytest.mark.parametrize("case", CASES)
def test_cascade_dr_equals_that_of_obp(case: str) -> None:
    log, expected = logged(case), CASES[case]["estimates"]
    weights = prefix_weights(_steps(log["e_pscore_cascade"]), _steps(log["pscore_cascade"]))
    found = cascade_dr(log["reward"], weights, predicted=log["q_factual"], expected=log["eq_under_pi_e"])
    assert found.value == pytest.approx(expected["cascade_dr[tree]"], abs=1e-9)
    nothing = np.zeros_like(weights)
    plain = cascade_dr(log["reward"], weights, predicted=nothing, expected=nothing)
    assert plain.value == pytest.approx(expected["cascade_dr[zero q]==rips"], abs=1e-9)


def test_clustered_error_of_self_normalised_slates_is_that_of_statsmodels(rng: np.random.Generator) -> None:
    users, rewards = rng.integers(0, 40, size=300), rng.binomial(1, 0.3, size=(300, 2))
    weights = rng.exponential(size=(300, 2))
    ratios = (rewards * weights).sum(axis=0) / weights.sum(axis=0)
    influence = ratios.sum() + (weights * (rewards - ratios) / weights.mean(axis=0)).sum(axis=1)
    fit = OLS(influence, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": users})
    found = slate_snips(SlateSums.of(rewards, weights, model="independent", clusters=users))
    assert (found.value, found.std_error) == pytest.approx((float(fit.params[0]), float(fit.bse[0])))


def test_every_slate_estimate_says_in_words_what_it_assumes(rng: np.random.Generator) -> None:
    for model, words in SLATE_MODELS.items():
        length = 1 if model == "pseudo_inverse" else 2
        sums = SlateSums.of(rng.uniform(size=(9, length)), rng.uniform(size=(9, length)), model=model)
        assert [assumption(e(sums).method) for e in (slate_ips, slate_snips)] == [words, words]
    assert all(assumption(method) == words for method, words in SINGLE.items())


def test_a_method_without_an_assumption_is_refused() -> None:
    with pytest.raises(UnknownError, match="method 'guess' is not known"):
        assumption("guess")


def test_a_reading_that_is_not_known_is_refused() -> None:
    with pytest.raises(UnknownError, match="model 'guess' is not known"):
        SlateSums.of([[1.0]], [[1.0]], model="guess")


def test_sums_of_different_models_do_not_add() -> None:
    parts = [SlateSums.of([[1.0]], [[1.0]], model=model) for model in ("independent", "whole_slate")]
    with pytest.raises(InputError, match="do not add"):
        parts[0] + parts[1]


def test_only_the_pseudo_inverse_may_weigh_below_zero() -> None:
    assert SlateSums.of([[1.0]], [[-1.0]], model="pseudo_inverse").length == 1
    with pytest.raises(InputError, match="weight of row 0 position 0 is -1, must be >= 0"):
        SlateSums.of([[1.0]], [[-1.0]], model="independent")
