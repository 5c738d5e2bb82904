"""Every kind of metric, computed from a log and compared with reference libraries and with arithmetic."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import mstats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.formula import Term, parse
from bandstand.experiments.metrics import Metric

from .logs import CLICKS, DAY, START, At, comparison, did, earned, experiment, reported, saw, users

score_test = test_proportions_2indep
test_proportions_2indep = None  # pytest would take it for one of ours


def drawn(name: str, scale: float = 1.0, size: int = 60) -> np.ndarray:
    rng = np.random.default_rng(bits(name))
    return np.round(rng.gamma(0.8, 3 * scale, size) * (rng.random(size) < 0.7), 2)


CONTROL, TREATMENT = drawn("control"), drawn("treatment", 1.6, 64)
FACTS = users("control", CONTROL) + users("treatment", TREATMENT)


def test_a_mean_is_the_sum_of_rewards_per_unit() -> None:
    one = comparison(reported(experiment(), FACTS))
    expected = stats.ttest_ind(TREATMENT, CONTROL, equal_var=False)
    assert one.p_value == pytest.approx(expected.pvalue)
    assert one.difference == pytest.approx(TREATMENT.mean() - CONTROL.mean())


def test_a_proportion_is_the_share_of_units_with_any_and_has_a_score_test() -> None:
    one = comparison(reported(experiment(Metric("buyers", "click", "proportion")), FACTS), "buyers")
    counts = (int((TREATMENT > 0).sum()), 64, int((CONTROL > 0).sum()), 60)
    assert one.difference == pytest.approx(counts[0] / 64 - counts[2] / 60)
    assert one.p_value == pytest.approx(score_test(*counts, compare="diff", method="score").pvalue)
    interval = confint_proportions_2indep(*counts, compare="diff", method="newcomb")
    assert (one.low, one.high) == pytest.approx(interval)


def test_a_ratio_of_two_rewards_divides_their_sums() -> None:
    orders = [
        earned(f"{arm}-{k}", f"{arm}-user-{k}", name="order") for arm in ("control", "treatment") for k in range(30)
    ]
    found = reported(experiment(Metric("basket", "click", "ratio", per="order")), FACTS + orders)
    values = [arm.metrics[0].value for arm in found.variants]
    assert values == pytest.approx([CONTROL.sum() / 30, TREATMENT.sum() / 30])


def test_a_quantile_is_that_of_the_rewards_with_users_as_the_unit() -> None:
    found = reported(experiment(Metric("median", "click", "quantile")), FACTS)
    assert found.variants[0].metrics[0].value == pytest.approx(np.median(CONTROL[CONTROL > 0]))
    one = comparison(found, "median")
    assert one.low is not None
    assert one.low < np.median(TREATMENT[TREATMENT > 0]) - np.median(CONTROL[CONTROL > 0])


def test_a_cap_is_one_quantile_of_all_arms_together() -> None:
    # Trap: a cap for each arm would cut off the very effect that is looked for.
    found = reported(experiment(Metric("revenue", "click", cap=0.9)), FACTS)
    every = np.r_[CONTROL, TREATMENT]
    cap = np.quantile(every[every > 0], 0.9)
    capped = [np.minimum(arm, cap).mean() for arm in (CONTROL, TREATMENT)]
    assert [arm.metrics[0].value for arm in found.variants] == pytest.approx(capped)
    # SciPy winsorises at an order statistic, which differs from the interpolated quantile by less than one step.
    positive = np.sort(every[every > 0])
    assert positive.max() > cap >= mstats.winsorize(positive, (0, 0.1)).max() - np.diff(positive).max()


def test_retention_counts_who_comes_back_in_the_window_among_those_old_enough() -> None:
    facts: list[At] = []
    for k, gap_days in enumerate([0.5, 1.2, 1.9, 2.1]):
        facts += [saw(f"a{k}", "control", f"u{k}"), saw(f"b{k}", "control", f"u{k}", at=START + gap_days * DAY)]
    facts.append(saw("young", "control", "young", at=START + 2.5 * DAY))
    facts.append(saw("t", "treatment", "t"))
    found = reported(experiment(Metric("back", kind="retention", after_days=1)), facts, end=START + 3 * DAY)
    assert (found.variants[0].metrics[0].value, found.variants[0].metrics[0].units) == (0.5, 4)
    assert "leaves out 1 users whose window has not passed" in next(c.text for c in found.health if "window" in c.name)


def test_a_conversion_window_runs_from_each_units_own_first_exposure() -> None:
    facts = [
        saw("d", "control", "u"),
        earned("d", "u", at=START + 0.9 * DAY),
        earned("d", "u", at=START + DAY),  # at the very end: too late
        saw("d2", "control", "young", at=START + 1.5 * DAY),
        earned("d2", "young", at=START + 1.6 * DAY),
    ]
    found = reported(experiment(Metric("clicks", "click", window_s=DAY)), facts, end=START + 2 * DAY)
    assert (found.variants[0].units, found.variants[0].metrics[0].units) == (2, 1)
    assert found.variants[0].metrics[0].total == 1


def test_a_custom_metric_computes_an_expression_per_unit_from_rewards_and_interactions() -> None:
    facts = [
        saw("d", "control", "u"),
        earned("d", "u", value=10.0, name="sale"),
        earned("d", "u", value=4.0, name="refund"),
        did("u", "view", at=START + 5),
        did("u", "view", at=START - 5),  # before the first exposure
        did("stranger", "view", at=START + 5),
    ]
    profit = Metric(
        "profit", kind="custom", expression="max(sum('sale') - sum('refund'), 0) + 0.5 * interactions('view')"
    )
    assert reported(experiment(profit), facts).variants[0].metrics[0].total == 6.5


def test_an_expression_that_divides_is_a_ratio_by_the_delta_method() -> None:
    custom = experiment(Metric("rate", kind="custom", expression="sum('click') / picks"))
    ratio = experiment(Metric("rate", "click", "ratio"))
    assert comparison(reported(custom, FACTS), "rate") == comparison(reported(ratio, FACTS), "rate")


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "sum(click)", "sum('a').real", "1 if picks else 2", "picks ** 2", "sum('a') / 0", "True", "("],
)
def test_an_expression_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="allowed are"):
        parse(text)


def test_terms_of_an_expression_are_each_named_once() -> None:
    assert parse("sum('a') + 2 * sum('a') - picks").terms() == (Term("sum", "a"), Term("picks"))


def test_covariates_come_from_before_the_first_exposure_and_narrow_the_interval() -> None:
    rng = np.random.default_rng(bits("cuped"))
    facts: list[At] = []
    rows = []
    for k in range(200):
        arm = ("control", "treatment")[k % 2]
        before, user = float(rng.poisson(4)), f"u{k}"
        after = before + float(rng.poisson(1)) + k % 2
        facts += [earned(f"old{k}", user, value=before, at=START - 2 * DAY), saw(f"d{k}", arm, user)]
        facts.append(earned(f"d{k}", user, value=after, at=START + 2))
        rows.append((k % 2, before, after))
    side, x, y = np.array(rows).T
    plain = comparison(reported(experiment(), facts))
    one = comparison(reported(experiment(Metric("clicks", "click", covariates=("before",))), facts))
    # Reference: least squares on treatment and the covariate with robust errors; the same in large samples.
    fit = OLS(y, np.column_stack([np.ones(200), side, x])).fit(cov_type="HC2")
    assert one.adjusted
    assert not plain.adjusted
    assert one.difference == pytest.approx(fit.params[1], rel=0.02)
    assert one.std_error == pytest.approx(fit.bse[1], rel=0.02)
    assert one.std_error < 0.6 * plain.std_error


def test_what_a_unit_earned_after_its_first_exposure_is_no_covariate() -> None:
    # Trap: adjusting by what the treatment can change removes the effect that is looked for.
    facts: list[At] = []
    for k in range(100):
        arm, user = ("control", "treatment")[k % 2], f"u{k}"
        facts += [saw(f"d{k}", arm, user), earned(f"d{k}", user, value=1.0 + k % 2 + k % 3, at=START + 1)]
    one = comparison(reported(experiment(Metric("clicks", "click", covariates=("before",))), facts))
    assert (one.adjusted, one.difference) == (False, pytest.approx(1.0, abs=0.05))


def test_users_are_broken_down_by_the_context_of_their_first_decision() -> None:
    facts = users("control", CONTROL, context={"device": "mobile"}) + users(
        "treatment", TREATMENT, context={"device": "mobile"}
    )
    facts.append(saw("again", "control", "control-user-0", at=START + 9, context={"device": "tv"}))
    facts.append(saw("none", "control", "unnamed"))
    found = reported(experiment(CLICKS, analysis=Analysis("fixed", segments=("device",))), facts)
    assert [(row.value, row.units) for row in found.segments] == [("mobile", 124), ("unknown", 1)]
    whole = stats.ttest_ind(TREATMENT, CONTROL, equal_var=False)
    assert found.segments[0].comparison.p_value == pytest.approx(whole.pvalue)
    assert "has 0 users" in (found.segments[1].comparison.reason or "")
