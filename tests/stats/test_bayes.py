import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bandstand.errors import InputError
from bandstand.stats.bayes import Prior, bayesian_critical, best_arm, difference_posterior, lift_posterior, posterior
from bandstand.stats.means import difference
from bandstand.stats.moments import Moments

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "experiments.json").read_text())["cases"]
PRINTED = json.loads((REFERENCE / "sequential_constants.json").read_text())["gbstats_tests"]["bayes"]


def of_sums(n: float, total: float, squares: float) -> Moments:
    return Moments(int(n), total / n, squares - total * total / n)


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"].startswith("bayes")], ids=lambda case: case["kind"])
def test_posteriors_equal_those_of_growthbook(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    control, treatment = (of_sums(*given[arm].values()) for arm in "ab")
    prior = Prior(given["prior_mean"], given["prior_variance"] ** 0.5)
    if case["kind"].endswith("relative"):
        found = lift_posterior(difference(treatment, control).relative, prior=prior, alpha=given["alpha"])
    else:
        found = difference_posterior(treatment, control, prior=prior, alpha=given["alpha"])
    assert found.value == pytest.approx(expected["expected"], rel=1e-9)
    assert found.std_error == pytest.approx(expected["se"], rel=1e-9)
    assert (found.low, found.high) == pytest.approx(expected["ci"], rel=1e-9)
    assert found.chance_to_win == pytest.approx(expected["chanceToWin"], rel=1e-9)
    assert (found.risk_control, found.risk_treatment) == pytest.approx(expected["risk"], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "control", "treatment", "prior"),
    [
        # gbstats gives a proportion the variance p(1 - p): m2 = p(1 - p)(n - 1)
        (
            "binom 49/100 vs 51/100 flat prior",
            Moments(100, 0.49, 0.2499 * 99),
            Moments(100, 0.51, 0.2499 * 99),
            Prior(),
        ),
        (
            "mean n=10 sum=100 ss=1002.25 vs sum=105 ss=1111.5 flat",
            of_sums(10, 100, 1002.25),
            of_sums(10, 105, 1111.5),
            Prior(),
        ),
        ("same, prior N(0.1,0.1)", of_sums(10, 100, 1002.25), of_sums(10, 105, 1111.5), Prior(0.1, 0.1**0.5)),
    ],
)
def test_posteriors_equal_those_printed_in_growthbooks_tests(
    name: str, control: Moments, treatment: Moments, prior: Prior
) -> None:
    expected = PRINTED[name]
    found = lift_posterior(difference(treatment, control).relative, prior=prior)
    assert found.value == pytest.approx(expected["expected"], abs=5.1e-6)
    assert (found.low, found.high) == pytest.approx(expected["ci"], abs=5.1e-6)
    assert found.chance_to_win == pytest.approx(expected["ctw"], abs=5.1e-6)
    assert (found.risk_control, found.risk_treatment) == pytest.approx(expected["risk"], abs=5.1e-6)


def test_the_risk_is_the_mean_of_the_loss() -> None:
    # E[max(0, -δ)] as an integral by scipy
    found = posterior(0.3, 0.5)
    loss = stats.norm(0.3, 0.5).expect(lambda delta: np.maximum(0, -delta), lb=-8, ub=0)
    assert found.risk_treatment == pytest.approx(loss, rel=1e-9)
    assert found.risk_control - found.risk_treatment == pytest.approx(0.3)


@pytest.mark.parametrize("z", [-1e3, -40.0, 40.0, 1e3])
def test_far_from_zero_the_risk_stays_finite(z: float) -> None:
    # where GrowthBook's truncated normal had to be patched: beyond 37 standard errors
    found = posterior(z, 1.0)
    assert (found.risk_treatment, found.risk_control) == pytest.approx((max(0, -z), max(0, z)), abs=1e-12)


def test_the_best_arm_is_that_of_the_known_integral() -> None:
    # 128-node Gauss-Hermite of three arms at 0, 0.1, 0.2 with standard error 0.1, to six printed digits
    arms = [Moments(101, m, 101.0) for m in (0.0, 0.1, 0.2)]
    assert best_arm(arms) == pytest.approx((0.047151, 0.224098, 0.728751), abs=5e-7)
    assert best_arm(arms[1:])[1] == pytest.approx(posterior(0.1, 0.1 * 2**0.5).chance_to_win)


@pytest.mark.parametrize("narrow", [1.0, 0.1, 0.03, 0.001])
def test_the_best_arm_is_told_though_one_has_far_more_units(narrow: float) -> None:
    # of two arms, P(N(m, s²) > 0) of the difference; m2 gives std_error 1 and `narrow`
    for ahead in (0.1, 0.3, 2.0):
        arms = Moments(1001, 0.0, 1001.0 * 1000), Moments(1001, ahead, narrow**2 * 1001 * 1000)
        won = stats.norm.sf(ahead / np.hypot(1, narrow))
        assert best_arm(arms) == pytest.approx((won, 1 - won), abs=1e-10)


def test_the_chances_of_a_dozen_unlike_arms_add_up_to_one() -> None:
    errors = 10.0 ** np.linspace(-4, 1, 12)
    arms = [Moments(101, 0.1 * k, float(se) ** 2 * 101 * 100) for k, se in enumerate(errors)]
    assert sum(best_arm(arms)) == pytest.approx(1, abs=1e-10)


def test_a_prior_over_a_baseline_of_zero_is_refused() -> None:
    arms = Moments(100, 0.1, 99.0), Moments(100, 0.0, 99.0)
    assert difference_posterior(*arms).chance_to_win > 0.5
    with pytest.raises(InputError, match="take the flat prior") as refusal:
        difference_posterior(*arms, prior=Prior(0.0, 0.3))
    assert refusal.value.code == "zero_baseline"
    with pytest.raises(InputError, match="look at the absolute difference"):
        lift_posterior(difference(*arms).relative)


def test_what_does_not_vary_is_refused() -> None:
    with pytest.raises(InputError, match=r"std_error is 0.0.*wait for data that vary"):
        posterior(0.1, 0.0)
    with pytest.raises(InputError, match="1 of 2 arms do not vary"):
        best_arm([Moments(10, 1.0, 0.0), Moments(10, 1.0, 9.0)])
    with pytest.raises(InputError, match=r"treatment has 0 unit\(s\)"):
        difference_posterior(Moments(), Moments(10, 1.0, 9.0))


@pytest.mark.parametrize("prior_std", [np.inf, 0.3, 0.02])
@pytest.mark.parametrize("accepted_loss", [np.inf, 0.0025, 1e-6])
@pytest.mark.parametrize("std_error", [0.001, 0.05, 2.0])
def test_at_the_critical_value_the_posterior_just_meets_the_rule(
    std_error: float, accepted_loss: float, prior_std: float
) -> None:
    z = bayesian_critical(std_error, prior_std=prior_std, accepted_loss=accepted_loss, alpha=0.2)

    def meets(value: float) -> bool:
        found = posterior(value, std_error, prior=Prior(0.0, prior_std), alpha=0.2)
        return found.chance_to_win >= 0.9 and found.risk_treatment <= accepted_loss

    assert meets(z * std_error * (1 + 1e-9))
    assert not meets(z * std_error * (1 - 1e-9))


def test_a_rule_that_nothing_can_meet_is_refused() -> None:
    for given in ({"prior_std": 0.0}, {"accepted_loss": 0.0}, {"accepted_loss": np.nan}):
        with pytest.raises(InputError, match=f"{next(iter(given))} is .*, must be above 0"):
            bayesian_critical(0.1, **given)
