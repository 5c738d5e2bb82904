"""Known ways in which the analysis of an experiment goes wrong, each simulated, and the report held against it."""

from typing import Literal

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from bandstand.chance import bits, uniform
from bandstand.events import AnyFact, Decided, Rewarded
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric

from .logs import DAY, START, At, comparison, earned, experiment, reported, saw

pytestmark = pytest.mark.calibration

CTR = Metric("rate", "click", "ratio")


def visits(name: str, users: int, *, days: float = 1.0) -> list[At]:
    """Users of very unequal activity and taste, split by a fair coin between two variants that are the same."""
    chance = np.random.default_rng(bits(name))
    facts: list[At] = []
    for k in range(users):
        arm, taste = ("control", "treatment")[int(chance.integers(2))], chance.beta(0.4, 2)
        first = START + days * DAY * k / users
        for visit in range(int(chance.geometric(0.2))):
            decision, at = f"{k}-{visit}", first + 60.0 * visit
            facts.append(saw(decision, arm, f"u{k}", at=at, n=1))
            if chance.random() < taste:
                facts.append(earned(decision, f"u{k}", at=at + 1))
    return facts


def within(alarms: int, times: int, rate: float) -> bool:
    low, high = stats.binom.interval(0.999, times, rate)
    return bool(low <= alarms <= high)


def test_peeking_at_a_confidence_sequence_errs_with_alpha_and_at_a_fixed_test_far_more_often() -> None:
    times, looks = 150, 8
    rules = (Analysis(units=400), Analysis("fixed", units=2))
    alarms = {rule.method: 0 for rule in rules}
    for world in range(times):
        facts = visits(f"peeking {world}", 400)
        until = [[one for one in facts if one[0] <= START + look / looks * DAY] for look in range(1, looks + 1)]
        for rule in rules:
            seen = (comparison(reported(experiment(CTR, analysis=rule), so_far), "rate") for so_far in until)
            alarms[rule.method] += any(one.significant for one in seen)
    assert alarms["always-valid"] <= stats.binom.ppf(0.999, times, 0.05)
    assert alarms["fixed"] > stats.binom.ppf(0.999, times, 0.05)


def test_impressions_are_analysed_by_the_users_who_were_randomised() -> None:
    # Trap: taken for independent, the impressions of few heavy users make differences out of nothing.
    times, clustered, naive = 400, 0, 0
    for world in range(times):
        found = reported(experiment(CTR), visits(f"impressions {world}", 150))
        clustered += comparison(found, "rate").p_value < 0.05
        clicks = [arm.metrics[0].total for arm in found.variants]
        shown = [arm.picks for arm in found.variants]
        table = [clicks, [n - c for n, c in zip(shown, clicks, strict=True)]]
        naive += stats.chi2_contingency(table, correction=False).pvalue < 0.05
    assert within(clustered, times, 0.05)
    assert naive > stats.binom.ppf(0.9999, times, 0.05)


@pytest.mark.parametrize(
    "metric",
    [
        Metric("m", "click"),
        Metric("m", "click", "proportion"),
        Metric("m", "click", cap=0.95),
        Metric("m", "click", window_s=DAY / 2),
        Metric("m", kind="custom", expression="min(count('click'), 3) - 0.1 * decisions"),
    ],
    ids=["mean", "proportion", "capped", "window", "custom"],
)
def test_alike_variants_differ_in_every_kind_of_metric_as_often_as_alpha_says(metric: Metric) -> None:
    times = 400
    alarms = sum(
        (comparison(reported(experiment(metric), visits(f"{metric.kind} {world}", 120)), "m").p_value or 1.0) < 0.05
        for world in range(times)
    )
    assert within(alarms, times, 0.05)


def test_planned_looks_together_err_with_alpha() -> None:
    times = 400
    rule = experiment(Metric("m", "click"), analysis=Analysis("group-sequential", units=160, looks=4))
    alarms = sum(
        bool(comparison(reported(rule, visits(f"looks {world}", 160)), "m").significant) for world in range(times)
    )
    assert within(alarms, times, 0.05)


RATES = np.r_[np.linspace(0.1, 0.3, 19), 0.6]
"""How often each of twenty items is clicked."""


def learners(name: str, learn_from: Literal["own", "all"], shares: tuple[float, float]) -> list[At]:
    """A greedy variant and one that explores a tenth of the time, each slate one item: the best by the mean of its
    clicks so far, of this variant's slates or of everybody's."""
    chance = np.random.default_rng(bits(name))
    clicks, shown = np.zeros((2, len(RATES))), np.zeros((2, len(RATES)))
    facts: list[At] = []
    for k in range(12_000):
        user = k % 3000
        side = int(uniform(name, user) >= shares[0])
        means = clicks[side] / np.maximum(shown[side], 1)
        best = int(chance.choice(np.flatnonzero(means == means.max())))
        item = int(chance.integers(len(RATES))) if side and chance.random() < 0.1 else best
        clicked = chance.random() < RATES[item]
        for student in (0, 1) if learn_from == "all" else (side,):
            clicks[student, item] += clicked
            shown[student, item] += 1
        _, fact = saw(str(k), ("control", "treatment")[side], f"u{user}", at=START + k, n=1)
        assert isinstance(fact, Decided)
        taught = ("x/control", "x/treatment") if learn_from == "all" else (f"x/{fact.assignments[0].variant}",)
        facts.append((START + k, replace(fact, teaches=taught)))
        if clicked:
            facts.append(earned(str(k), f"u{user}", at=START + k + 0.5))
    return facts


def test_one_model_for_both_turns_the_sign_and_is_not_compared_and_isolated_ones_find_the_truth() -> None:
    def rate(facts: list[At]) -> float:
        return sum(isinstance(fact, Rewarded) for _, fact in facts) / 12_000

    # The truth: everybody explores, or nobody does.
    truth = rate(learners("explore", "own", (0.0, 1.0))) - rate(learners("exploit", "own", (1.0, 0.0)))
    definition = experiment(CTR, analysis=Analysis(units=2000))
    isolated = comparison(reported(definition, learners("isolated", "own", (0.5, 0.5))), "rate")
    assert truth > 0.1
    assert isolated.significant
    assert isolated.low is not None
    assert isolated.high is not None
    assert 0 < isolated.low < truth < isolated.high
    shared = learners("shared", "all", (0.5, 0.5))
    found = reported(replace(definition, learn_from="all"), shared)
    assert comparison(found, "rate").difference is None
    assert found.verdict.outcome == "broken"
    assert "learned from each other's traffic" in found.verdict.text
    # What it is that is refused: a difference of the wrong sign, and sure of itself.
    naive = comparison(reported(definition, [(at, _alone(fact)) for at, fact in shared]), "rate")
    assert naive.significant
    assert naive.high is not None
    assert naive.high < 0


def _alone(fact: AnyFact) -> AnyFact:
    """As if the decision had taught its own variant alone."""
    return replace(fact, teaches=(f"x/{fact.assignments[0].variant}",)) if isinstance(fact, Decided) else fact
