import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.regression.linear_model import OLS

from bandstand.errors import InputError
from bandstand.stats.adjust import adjusted_difference, adjusted_moments
from bandstand.stats.cross import CrossMoments
from bandstand.stats.means import difference, ratio_difference
from bandstand.stats.moments import Moments, PairMoments

CASES = json.loads((Path(__file__).parents[1] / "reference/stats/experiments.json").read_text())["cases"]


def of_sums(arm: dict[str, Any]) -> CrossMoments:
    post, pre = arm["post"], arm["pre"]
    n, means = post["n"], (post["sum"] / post["n"], pre["sum"] / pre["n"])
    shared = arm["postpre"] - post["sum"] * means[1]
    return CrossMoments(
        n,
        means,
        ((post["sum_squares"] - post["sum"] * means[0], shared), (shared, pre["sum_squares"] - pre["sum"] * means[1])),
    )


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"].startswith("cuped")], ids=lambda case: case["kind"])
def test_cuped_equals_that_of_growthbook(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    found = adjusted_difference(of_sums(given["b"]), of_sums(given["a"]), alpha=given["alpha"])
    if case["kind"].endswith("relative"):
        assert found.relative is not None
        assert found.relative.value == pytest.approx(expected["expected"], rel=1e-9)
        assert found.relative.std_error == pytest.approx(expected["se"], rel=1e-9)
        assert (found.relative.low, found.relative.high) == pytest.approx(expected["ci"], rel=1e-9)
        z = abs(found.relative.value) / found.relative.std_error
        assert 2 * t.sf(z, found.df) == pytest.approx(expected["pValue"], rel=1e-9)
    else:
        assert found.difference == pytest.approx(expected["expected"], rel=1e-9)
        assert found.std_error == pytest.approx(expected["se"], rel=1e-9)
        assert (found.low, found.high) == pytest.approx(expected["ci"], rel=1e-9)
        assert found.p_value == pytest.approx(expected["pValue"], rel=1e-9)


def arm(rng: np.random.Generator, n: int, effect: float) -> list[np.ndarray]:
    x, w = rng.normal(3, 1, n), rng.gamma(2, size=n)
    return [effect + 2 * x - w + rng.normal(size=n), x, w]


def test_several_covariates_give_the_residuals_of_the_least_squares_of_statsmodels(rng: np.random.Generator) -> None:
    treatment, control = arm(rng, 300, 0.2), arm(rng, 500, 0.0)
    y, *xs = (np.concatenate(pair) for pair in zip(treatment, control, strict=True))
    fit = OLS(y, np.column_stack([np.ones(800), *xs])).fit()
    adjusted = adjusted_moments(CrossMoments.of(*treatment), CrossMoments.of(*control))
    for found, residuals in zip(adjusted, (fit.resid[:300], fit.resid[300:]), strict=True):
        assert found.mean - y.mean() == pytest.approx(residuals.mean(), abs=1e-9)
        assert found.variance == pytest.approx(residuals.var(ddof=1), rel=1e-9)


def test_adjustment_comes_near_lins_regression_with_robust_errors(rng: np.random.Generator) -> None:
    # Lin (2013): OLS on T, X - X̄ and T (X - X̄) with HC2 errors; the two agree as n grows.
    treatment, control = arm(rng, 4000, 0.2), arm(rng, 4000, 0.0)
    y, *xs = (np.concatenate(pair) for pair in zip(treatment, control, strict=True))
    t, centred = np.repeat([1.0, 0.0], 4000), [x - x.mean() for x in xs]
    design = np.column_stack([np.ones(8000), t, *centred, *(t * x for x in centred)])
    fit = OLS(y, design).fit(cov_type="HC2")
    found = adjusted_difference(CrossMoments.of(*treatment), CrossMoments.of(*control))
    assert found.difference == pytest.approx(fit.params[1], abs=0.02 * fit.bse[1])
    assert found.std_error == pytest.approx(fit.bse[1], rel=0.01)
    assert found.std_error < 0.5 * difference(Moments.of(treatment[0]), Moments.of(control[0])).std_error


def test_a_ratio_is_adjusted_by_the_same_ratio_before(rng: np.random.Generator) -> None:
    def clicks(n: int) -> list[np.ndarray]:
        taste, views, before = rng.beta(2, 6, n), 1 + rng.poisson(20, n), 1 + rng.poisson(20, n)
        return [rng.binomial(views, taste), views, rng.binomial(before, taste), before]

    treatment, control = clicks(400), clicks(600)
    cross = [CrossMoments.of(*a).linearised((0, 1), (2, 3)) for a in (treatment, control)]
    plain = ratio_difference(PairMoments.of(*treatment[:2]), PairMoments.of(*control[:2]))
    unadjusted = difference(*(a.combination([1.0, 0.0]) for a in cross))
    assert unadjusted.difference == pytest.approx(plain.difference)
    assert unadjusted.std_error == pytest.approx(plain.std_error)
    assert adjusted_difference(*cross).std_error < 0.75 * plain.std_error


def test_cross_moments_of_shards_add_to_those_of_the_whole(rng: np.random.Generator) -> None:
    rows = rng.normal(1e6, 1.0, size=(3, 90))
    whole = CrossMoments.of(*rows)
    parts = [CrossMoments.of(*rows[:, i::3]) for i in range(3)]
    merged = parts[0] + CrossMoments() + parts[1] + parts[2]
    assert merged.n == whole.n
    assert merged.means == pytest.approx(whole.means)
    assert np.array(whole.products) / 89 == pytest.approx(np.cov(rows), rel=1e-9)
    assert np.array(merged.products) == pytest.approx(np.array(whole.products), rel=1e-7)


def test_a_covariate_that_does_not_vary_is_refused() -> None:
    one = CrossMoments.of([1.0, 2.0, 3.0], [5.0, 5.0, 5.0])
    with pytest.raises(InputError, match=r"covariate 1 is the same for all 6 units, must vary; leave it out"):
        adjusted_moments(one, one)


def test_a_covariate_that_repeats_another_is_refused(rng: np.random.Generator) -> None:
    y, x = rng.normal(size=(2, 50))
    one = CrossMoments.of(y, x, 1e6 * x)
    with pytest.raises(InputError, match=r"of 2 covariates one is a combination of the others.*leave it out"):
        adjusted_moments(one, one)


def test_an_empty_arm_is_refused_with_what_to_look_at() -> None:
    full = CrossMoments.of([1.0, 2.0, 3.0], [1.0, 2.5, 3.0])
    with pytest.raises(InputError, match=r"control has 0 unit\(s\).*whether exposures are recorded") as refusal:
        adjusted_moments(full, CrossMoments())
    assert refusal.value.code == "too_few"


def test_a_ratio_without_denominator_is_refused() -> None:
    with pytest.raises(InputError, match=r"denominator \(column 1\) of 2 unit\(s\) is 0"):
        CrossMoments.of([1.0, 2.0], [0.0, 0.0]).linearised((0, 1))


def test_columns_of_different_arms_must_match() -> None:
    with pytest.raises(InputError, match="moments of 2 and of 1 values per unit do not add"):
        adjusted_moments(CrossMoments.of([1.0, 2.0], [1.0, 3.0]), CrossMoments.of([1.0, 2.0]))
