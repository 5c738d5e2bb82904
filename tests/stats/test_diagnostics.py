import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.diagnostics import diagnostics, gate
from bandstand.stats.weights import WeightedSums, importance_weights, inverse_propensities

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "off_policy_single.json").read_text())["cases"]

# Which limits each log breaks, by the figures that VW's estimators were run on: ESS 18 and a row with 12 % of
# the weight in C; 20 rows in E.
REFUSED = {
    "A_binary_softmax": (),
    "C_heavy_tail": ("The effective sample size is 18", "One row carries 12%"),
    "E_tiny_n20": ("The effective sample size is 16", "Only 5 weighted row(s) have a reward"),
    "OBD_men_bts_to_random": (),
}


@pytest.mark.parametrize("name", CASES)
def test_diagnostics_of_the_reference_logs(name: str) -> None:
    case = CASES[name]
    with gzip.open(REFERENCE / case["csv"], "rt") as file:
        rows = np.genfromtxt(file, delimiter=",", names=True)
    weights = importance_weights(rows["p_pred"], rows["p_log"])
    found = diagnostics(WeightedSums.of(rows["r"], weights))
    assert found.n == case["n"]
    assert found.mean_weight == pytest.approx(case["mean_w"])
    assert found.mean_weight_se == pytest.approx(weights.std(ddof=1) / np.sqrt(weights.size))
    assert found.max_weight == pytest.approx(case["max_w"])
    assert found.max_share == pytest.approx(weights.max() / weights.sum())
    assert found.ess == pytest.approx(case["ess"])
    reasons = gate(found)
    assert len(reasons) == len(REFUSED[name])
    for reason, start in zip(reasons, REFUSED[name], strict=True):
        assert reason.startswith(start)


def test_the_logging_policy_on_its_own_log_passes_despite_rounding() -> None:
    # target/logging is 1 but for the last bit, and then the standard error is next to nothing too.
    weights = np.full(1000, 1 + 2e-15)
    assert gate(diagnostics(WeightedSums.of(np.tile([0.0, 1.0], 500), weights))) == ()


def test_a_target_that_the_logger_could_not_show_is_withheld() -> None:
    # Half of what the target shows is never logged, so its weights average one half.
    found = diagnostics(WeightedSums.of(np.ones(1000), np.tile([0.4, 0.6], 500)))
    assert [reason.split(" is ")[0] for reason in gate(found)] == ["The mean weight"]


def test_a_target_that_is_never_followed_is_withheld() -> None:
    found = diagnostics(WeightedSums.of(np.ones(1000), np.zeros(1000)))
    assert (found.ess, found.max_share, found.events) == (0.0, 0.0, 0)
    assert len(gate(found)) == 3


def test_users_with_many_rows_widen_the_mean_weights_error(rng: np.random.Generator) -> None:
    # All rows of a user weigh the same: Var(mean) is Σd²/(50·49) over users, not 20 Σd²/(1000·999) over rows.
    weights, users = np.repeat(rng.exponential(size=50), 20), np.repeat(np.arange(50), 20)
    plain = diagnostics(WeightedSums.of(np.ones(1000), weights))
    clustered = diagnostics(WeightedSums.of(np.ones(1000), weights, clusters=users))
    assert clustered.mean_weight_se == pytest.approx(plain.mean_weight_se * np.sqrt(999 / 49))


def test_inverse_propensities_are_reported_where_given() -> None:
    sums = WeightedSums.of([1.0, 0.0], [1.0, 1.0])
    assert diagnostics(sums).inverse_propensity_ratio is None
    found = diagnostics(sums, inverse_propensities=inverse_propensities([0.5, 0.25], 4))
    assert found.inverse_propensity_ratio == pytest.approx((1 / 2 + 1) / 2)


def test_a_log_of_one_row_is_refused() -> None:
    with pytest.raises(InputError, match=r"1 independent unit\(s\), diagnostics need 2"):
        diagnostics(WeightedSums.of([1.0], [1.0]))


HEALTHY = diagnostics(WeightedSums.of(np.tile([0.0, 1.0], 500), np.tile([0.8, 1.2, 1.2, 0.8], 250)))._replace(
    unsupported=0.0, certain=0.0
)


@pytest.mark.parametrize(
    ("field", "still_fine", "beyond", "reason", "help"),
    [
        ("ess", 100.0, 99.9, "The effective sample size is 100, below 100", "log more traffic"),
        ("events", 20, 19, "Only 19 weighted row(s) have a reward", "evaluate a more frequent reward"),
        ("max_share", 0.1, 0.101, "One row carries 10% of all weight, above 10%", "log with more exploration"),
        ("mean_weight", 1 + 3.9 / 100, 1 + 4.1 / 100, "The mean weight is 1.04 ± 0.01", "check that the logged"),
        ("mean_weight", 1 - 3.9 / 100, 1 - 4.1 / 100, "The mean weight is 0.959 ± 0.01", "check that the logged"),
        ("unsupported", 0.01, 0.0101, "With probability 1.0% the strategy shows what", "let the logger explore it"),
        ("certain", 0.999, 1.0, "All rows have propensity 1", "log with exploration"),
    ],
)
def test_each_gate_closes_by_itself_just_beyond_its_limit_and_says_what_would_help(
    field: str, still_fine: float, beyond: float, reason: str, help: str
) -> None:
    found = HEALTHY._replace(mean_weight=1.0, mean_weight_se=0.01)
    assert gate(found._replace(**{field: still_fine})) == ()
    (said,) = gate(found._replace(**{field: beyond}))
    assert said.startswith(reason)
    assert help in said
