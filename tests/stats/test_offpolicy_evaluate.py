import json
import math
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandstand import data
from bandstand.errors import InputError
from bandstand.stats.assumptions import assumption
from bandstand.stats.offpolicy import Evaluation, evaluate

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "obd_men.json").read_text())["cases"]
ITEMS = 34


@cache
def men(logger: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Item, position, click and propensity of the men's campaign of the Open Bandit Dataset, in file order."""
    path = data.path(f"obd/{logger}/men") / "men.csv.gz"
    rows = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(2, 3, 4, 5))
    return rows[:, 0].astype(int), rows[:, 1].astype(int) - 1, rows[:, 2], rows[:, 3]


def table(clicks: np.ndarray, item: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The reference's reward model: q(a, pos) = (clicks + 100 m) / (n + 100)."""
    shown, clicked = np.zeros((ITEMS, 3)), np.zeros((ITEMS, 3))
    np.add.at(shown, (item, position), 1)
    np.add.at(clicked, (item, position), clicks)
    return (clicked + 100 * clicks.mean()) / (shown + 100)


@cache
def campaign(logger: str, target: str) -> Evaluation:
    item, position, clicks, propensity = men(logger)
    pmf = np.full((ITEMS, 3), 1 / ITEMS)
    if target == "bts":
        pmf = np.genfromtxt(data.path("obd/action_dist_bts_men.csv"), delimiter=",", skip_header=1)[:, 1:]
    predicted = np.empty((clicks.size, ITEMS))
    for fold in range(3):
        here = np.arange(clicks.size) % 3 == fold
        predicted[here] = table(clicks[~here], item[~here], position[~here])[:, position[here]].T
    return evaluate(clicks, propensity, pmf.T[position], actions=item, predicted=predicted, candidates=ITEMS)


@pytest.mark.parametrize(("logger", "target"), [("random", "bts"), ("bts", "random"), ("bts", "bts")])
def test_one_call_gives_what_obp_gives_on_open_bandit_data(logger: str, target: str) -> None:
    found, case = campaign(logger, target), REFERENCE[f"men:{logger}->{target}"]
    names = {
        "ips": "ipw",
        "snips": "snipw",
        "clipped_ips": "ipw_clip_10",
        "subgaussian_ips": "sgipw_0.1",
        "dm": "dm[tabcf]",
        "dr": "dr[tabcf]",
        "sndr": "sndr[tabcf]",
        "switch_dr": "switch_dr_10[tabcf]",
    }
    values = {each.method: each.value for each in found.estimates}
    for ours, theirs in names.items():
        assert values[ours] == pytest.approx(case["estimates"][theirs], abs=1e-9), ours
    for name, interval in (("ips", "ipw_normal"), ("snips", "snipw_delta"), ("dr", "dr_normal")):
        one = next(each for each in found.estimates if each.method == name)
        assert (one.low, one.high) == pytest.approx(case["ci"][interval], abs=1e-9)
    expected = case["diagnostics"]
    assert found.diagnostics.ess == pytest.approx(expected["ess_kish"])
    assert found.diagnostics.mean_weight_se == pytest.approx(expected["mean_weight_se"])
    assert found.diagnostics.max_share == pytest.approx(expected["max_weight_share"])
    assert found.diagnostics.inverse_propensity_ratio == pytest.approx(expected["mean_inverse_pscore_over_n_actions"])
    assert found.logged is not None
    assert found.logged.value == pytest.approx(case["on_policy_logging"]["mean"])
    assert found.reasons == ()


def test_the_table_fits_eighty_columns_and_names_methods_that_have_an_assumption() -> None:
    found = campaign("bts", "random")
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 80
    for each in (found.default, *found.estimates):
        assert any(line.startswith(each.method) for line in lines)
        assert assumption(each.method)
    assert "No max_weight was given" in " ".join(lines)


def small(rng: np.random.Generator, n: int = 600) -> dict[str, Any]:
    """Full probabilities of both policies over three actions, different in each row."""
    logging, target = rng.dirichlet(np.ones(3), size=n), rng.dirichlet(np.ones(3), size=n)
    actions = (rng.uniform(size=(n, 1)) > np.cumsum(logging, axis=1)).sum(axis=1).clip(0, 2)
    rewards = rng.binomial(1, 0.3, size=n)
    return {"rewards": rewards, "logging": logging, "target": target, "actions": actions}


def test_full_probabilities_give_what_those_of_the_shown_give(rng: np.random.Generator) -> None:
    log = small(rng)
    rows = np.arange(600)
    full = evaluate(**log)
    own = {name: log[name][rows, log["actions"]] for name in ("logging", "target")}
    given = evaluate(log["rewards"], **own, candidates=3)
    assert full == given


def test_users_with_many_rows_widen_every_interval(rng: np.random.Generator) -> None:
    log = small(rng)
    users = np.repeat(np.arange(60), 10)
    log |= {"rewards": rng.binomial(1, rng.choice([0.05, 0.6], size=60)[users])}
    plain = evaluate(**log, predicted=np.full((600, 3), 0.3))
    clustered = evaluate(**log, predicted=np.full((600, 3), 0.3), clusters=users)
    for one, other in zip(plain.estimates, clustered.estimates, strict=True):
        assert (one.method, one.value) == (other.method, pytest.approx(other.value))
    widths = [next(e.high - e.low for e in each.estimates if e.method == "ips") for each in (plain, clustered)]
    assert widths[0] < widths[1]
    assert clustered.default.high - clustered.default.low > plain.default.high - plain.default.low


def test_a_target_beyond_the_logger_is_withheld_and_gets_the_interval_that_allows_for_it() -> None:
    n = 1000
    found = evaluate(
        np.tile([0.0, 0.0, 1.0, 1.0], n // 4),
        logging=np.tile([0.5, 0.5, 0.0], (n, 1)),
        target=np.tile([0.4, 0.3, 0.3], (n, 1)),
        actions=np.tile([0, 1], n // 2),
        max_weight=2.0,
    )
    assert found.partial is not None
    ips = found.estimates[0]
    assert (found.partial.low, found.partial.high) == pytest.approx((ips.low, ips.high + 0.3))
    assert len(found.reasons) == 2  # unsupported, and the mean weight, which is 0.7
    assert str(found).count("withheld") == 1 + len(found.estimates) + 1


def test_a_log_without_a_reward_still_has_its_default_interval() -> None:
    found = evaluate(np.zeros(400), np.full(400, 0.5), np.tile([0.4, 0.6], 200), max_weight=2.0)
    assert found.estimates == ()
    assert found.logged is None
    assert 0 < found.default.high < 0.1
    assert any("Only 0 weighted row(s)" in reason for reason in found.reasons)


HALF = np.full(3, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logging": [0.5, 0.0, 0.5]}, "logging propensity of row 1 is 0, must be > 0 and <= 1"),
        ({"logging": [0.5, -0.5, 0.5]}, "logging propensity of row 1 is -0.5"),
        ({"logging": [0.5, 0.5, 1.5]}, "logging propensity of row 2 is 1.5"),
        ({"logging": [math.nan, 0.5, 0.5]}, "logging propensity of row 0 is nan"),
        ({"target": [0.5, 0.5, 2.0]}, "target propensity of row 2 is 2, must be >= 0 and <= 1"),
        ({"rewards": [1.0, math.nan, 0.0]}, "reward of row 1 is nan, must be finite"),
        ({"rewards": [1.0, math.inf, 0.0]}, "reward of row 1 is inf, must be finite"),
        ({"rewards": [1.0, 0.0]}, r"shapes differ: rewards \(2,\), logging \(3,\)"),
        ({"rewards": [], "logging": [], "target": []}, r"the log has 0 row\(s\)"),
        ({"rewards": [1.0, 5.0, 0.0]}, r"rewards lie between 0 and 5, must lie in \(0.0, 1.0\); widen it"),
        ({"clusters": ["a", "b"]}, r"shapes differ: clusters \(2,\)"),
        ({"clusters": ["a", "a", "a"]}, r"1 independent unit\(s\), diagnostics need 2"),
        ({"max_weight": 0.5}, "max_weight is 0.5, must be > 1"),
        ({"target": [[0.5, 0.5]] * 3}, r"target has shape \(3, 2\), must be rows × actions with `actions`"),
        ({"target": [[0.5, 0.5]] * 3, "actions": [0, 1, 2]}, "action of row 2 is 2, must be >= 0 and < 2"),
        ({"target": [[0.5, 0.5]] * 3, "actions": [0, 1]}, r"actions have shape \(2,\)"),
        ({"predicted": [0.5, 0.5, 0.5]}, r"target has shape \(3,\)|shapes differ"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"limit": 0.0}, "limit is 0"),
        ({"rewards": ["a", "b", "c"]}, "reward"),
        ({"rewards": None}, "reward"),
    ],
)
def test_bad_input_is_refused_by_row(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"rewards": [1.0, 0.0, 1.0], "logging": HALF, "target": [0.5, 0.4, 0.6]} | change
    with pytest.raises(InputError, match=message):
        evaluate(**given)


def test_a_notebook_needs_no_server_and_no_database() -> None:
    code = "import sys, bandstand.stats.offpolicy; print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"litestar", "sqlalchemy", "vowpalwabbit", "statsmodels", "pandas", "uvicorn"} & set(loaded)
