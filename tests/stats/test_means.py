import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import WLS

from bandstand.errors import InputError
from bandstand.stats.means import difference, proportions_difference, ratio_difference
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.multiple import adjusted

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "ab_statistics.json").read_text())["cases"]


def of_sums(sums: dict[str, float]) -> Moments:
    mean = sums["sum"] / sums["n"]
    if "sum_squares" not in sums:  # gbstats gives a proportion the variance p(1 - p), without n/(n - 1)
        return Moments(int(sums["n"]), mean, mean * (1 - mean) * (sums["n"] - 1))
    return Moments(int(sums["n"]), mean, sums["sum_squares"] - sums["sum"] * mean)


def of_arm(arm: dict[str, Any]) -> Moments:
    if "md" not in arm:
        return of_sums(arm)
    num, den = of_sums(arm["m"]), of_sums(arm["d"])
    return PairMoments(num, den, arm["md"] - num.n * num.mean * den.mean).ratio()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"])
def test_differences_equal_those_of_growthbook(case: dict[str, Any]) -> None:
    control, treatment = of_arm(case["input"]["a"]), of_arm(case["input"]["b"])
    found, expected = difference(treatment, control, alpha=case["input"]["alpha"]), case["expected"]
    if case["kind"].endswith("relative"):
        assert found.relative is not None
        assert found.relative.value == pytest.approx(expected["expected"], rel=1e-9)
        assert found.relative.std_error == pytest.approx(expected["se"], rel=1e-9)
        assert (found.relative.low, found.relative.high) == pytest.approx(expected["ci"], rel=1e-9)
        z = abs(found.relative.value) / found.relative.std_error
        assert 2 * stats.t.sf(z, found.df) == pytest.approx(expected["pValue"], rel=1e-9)
    else:
        assert found.difference == pytest.approx(expected["expected"], rel=1e-9)
        assert (found.low, found.high) == pytest.approx(expected["ci"], rel=1e-9)
        assert found.p_value == pytest.approx(expected["pValue"], rel=1e-9)
        assert found.std_error == pytest.approx(expected["se"], rel=1e-9)


def test_difference_is_the_welch_test_of_scipy(rng: np.random.Generator) -> None:
    treatment, control = rng.gamma(2.0, size=37), rng.normal(1.8, 3.0, size=120)
    expected = stats.ttest_ind(treatment, control, equal_var=False)
    interval = expected.confidence_interval(0.9)
    found = difference(Moments.of(treatment), Moments.of(control), alpha=0.1)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_ratio_difference_is_the_user_clustered_regression_of_statsmodels(rng: np.random.Generator) -> None:
    # An intercept weighted by the denominator is Σnum/Σden; a user a row, so HC standard errors cluster by user.
    arms, variance = [], 0.0
    for n in (200, 300):
        d = rng.integers(1, 20, size=n)
        m = rng.binomial(d, 0.2)
        fit = WLS(m / d, np.ones(n), weights=d).fit(cov_type="cluster", cov_kwds={"groups": np.arange(n)})
        arms.append(PairMoments.of(m, d))
        variance += float(fit.bse[0]) ** 2
    assert ratio_difference(*arms).std_error == pytest.approx(np.sqrt(variance))


def test_one_arm_without_spread_can_still_be_compared() -> None:
    # All noise is the treatment's, so the test is the one-sample t-test against the constant.
    expected = stats.ttest_1samp([1.0, 2.0, 4.0], 1.5)
    found = difference(Moments.of([1.0, 2.0, 4.0]), Moments.of([1.5, 1.5]))
    assert (found.p_value, found.df) == pytest.approx((expected.pvalue, 2.0))


def test_two_arms_without_spread_are_refused() -> None:
    with pytest.raises(InputError, match="do not vary cannot be compared; wait for data that vary") as refusal:
        difference(Moments.of([1.0, 1.0]), Moments.of([2.0, 2.0]))
    assert refusal.value.code == "no_variation"


@pytest.mark.parametrize("short", ["treatment", "control"])
def test_an_arm_of_one_unit_is_refused_by_name(short: str) -> None:
    arms = {"treatment": Moments.of([1.0, 2.0]), "control": Moments.of([1.0, 2.0])} | {short: Moments.of([1.0])}
    with pytest.raises(InputError, match=rf"{short} has 1 unit\(s\).* at least 2 in each arm") as refusal:
        difference(**arms)
    assert (refusal.value.field, refusal.value.code) == (short, "too_few")


def test_no_lift_is_given_over_a_control_that_may_be_zero() -> None:
    # Fieller (1954): with |mean| ≤ t·SE of the control, g ≥ 1 and the lift's interval is unbounded.
    control = Moments.of([-1.0, 1.0, 0.5, -0.4])
    assert difference(Moments.of([2.0, 3.0]), control).relative is None
    assert difference(Moments.of([2.0, 3.0]), Moments.of([0.0, 0.0])).relative is None


def test_lift_keeps_its_sign_over_a_negative_control(rng: np.random.Generator) -> None:
    # A loss of 10 that becomes a loss of 9 is a gain of a tenth.
    control, treatment = rng.normal(-10, 1, size=4000), rng.normal(-9, 1, size=4000)
    lift = difference(Moments.of(treatment), Moments.of(control)).relative
    assert lift is not None
    assert lift.low < 0.1 < lift.high
    assert lift.low > 0


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_level_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        difference(Moments.of([1.0, 2.0]), Moments.of([1.0, 2.0]), alpha=alpha)


def test_proportions_come_near_the_normal_ones_in_large_samples() -> None:
    for case in (case for case in CASES if case["kind"] == "prop_absolute" and case["input"]["b"]["n"] > 2000):
        a, b = case["input"]["a"], case["input"]["b"]
        found = proportions_difference(b["sum"], b["n"], a["sum"], a["n"])
        low, high = case["expected"]["ci"]
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.02 * (high - low))


def test_proportions_interval_is_newcombes() -> None:
    # Newcombe (1998), table II, contrast (a), method 10: 56/70 against 48/80 gives 0.0524 to 0.3339.
    found = proportions_difference(56, 70, 48, 80)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_proportions_p_value_is_the_pearson_test_with_n_minus_one() -> None:
    # Miettinen and Nurminen at zero: χ² of the 2×2 table times (N - 1)/N (Campbell 2007).
    table = [[7, 23], [2, 38]]
    chi2 = stats.chi2_contingency(table, correction=False).statistic * 69 / 70
    assert proportions_difference(7, 30, 2, 40).p_value == pytest.approx(stats.chi2.sf(chi2, 1))


def test_proportions_of_any_counts_have_a_finite_interval_around_the_difference() -> None:
    for n_t, n_c in ((1, 3), (5, 5), (8, 2)):
        for s_t, s_c in itertools.product(range(n_t + 1), range(n_c + 1)):
            if s_t + s_c in (0, n_t + n_c):
                continue
            found = proportions_difference(s_t, n_t, s_c, n_c)
            assert -1 <= found.low <= found.difference <= found.high <= 1
            assert 0 <= found.p_value <= 1


def test_proportions_with_no_success_in_the_control_have_no_lift() -> None:
    found = proportions_difference(5, 100, 0, 100)
    assert found.relative is None
    assert found.low > 0


@pytest.mark.parametrize("successes", [0, 100])
def test_proportions_without_spread_are_refused(successes: int) -> None:
    with pytest.raises(InputError, match="does not vary"):
        proportions_difference(successes, 100, successes, 100)


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(InputError, match=f"treatment has {successes} successes among {n} units"):
        proportions_difference(successes, n, 1, 10)


@pytest.mark.parametrize(
    ("method", "column"),
    [
        ("holm", "holm"),
        ("simes-hochberg", "hochberg"),
        ("holm-sidak", "holm_sidak"),
        ("fdr_bh", "fdr_bh"),
        ("fdr_by", "fdr_by"),
    ],
)
def test_adjusted_p_values_equal_those_of_tea_tasting(constants: dict[str, Any], method: Any, column: str) -> None:
    case = constants["multiplicity"]
    assert adjusted(case["p"], method=method) == pytest.approx(case[column])


def test_no_p_values_need_no_adjustment() -> None:
    assert adjusted([]) == ()


def test_a_p_value_above_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"p_value of row 1 is 1\.5, must lie between 0 and 1"):
        adjusted([0.1, 1.5])
