"""How often the report errs, where the truth is known: under many looks, and by how often its intervals hold it."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from bandstand.chance import bits
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment
from bandstand.experiments.metrics import Metric
from bandstand.report.compare import differences
from bandstand.report.exposure import units
from bandstand.report.gather import gather
from bandstand.report.health import checks
from bandstand.report.measure import table
from bandstand.report.result import Arm

from .logs import DAY, START, At, comparison, earned, experiment, log_of, reported, saw

pytestmark = pytest.mark.calibration

ARMS = ("control", "treatment")
RATE = Metric("m", "click", "ratio")
ADJUSTED = Metric("m", "click", covariates=("before",))
FIXED = Analysis("fixed", units=2)


def visits(name: str, users: int, *, lift: float = 0.0, before: bool = False) -> list[At]:
    """Users of very unequal activity and taste. With `before` half of them did the same things a day earlier, when no
    experiment ran; in the treatment clicks are more likely by the share `lift`."""
    chance = np.random.default_rng(bits(name))
    facts: list[At] = []
    for k in range(users):
        side, taste = int(chance.integers(2)), float(chance.beta(0.8, 3))
        first, rate = START + DAY * k / users, 0.6 + 2 * float(chance.random())
        for earlier in (True, False) if before and k % 2 else (False,):
            for visit in range(1 + int(chance.poisson(rate))):
                decision = f"{k}-{visit}-{earlier}"
                at = first + 60.0 * visit - (DAY if earlier else 0.0)
                at, seen = saw(decision, ARMS[side], f"u{k}", at=at, n=1)
                facts.append((at, replace(seen, assignments=()) if earlier else seen))  # type: ignore[type-var]
                if chance.random() < taste * (1 + lift * side * (not earlier)):
                    facts.append(earned(decision, f"u{k}", at=at + 1))
    return facts


def true_values(lift: float) -> tuple[float, float]:
    """Clicks per visit in the control, and visits per user: of a beta of mean 0.8 / 3.8, and 1 plus a mean of 1.6."""
    return 0.8 / 3.8, 2.6


@pytest.mark.parametrize("metric", [RATE, Metric("m", "click")], ids=["ratio", "mean"])
def test_a_sequence_alarms_within_alpha_under_a_hundred_looks(metric: Metric) -> None:
    worlds, users, alarms, fixed = 60, 500, 0, 0
    for world in range(worlds):
        rules = [experiment(metric, analysis=rule) for rule in (Analysis(units=400), FIXED)]
        seen = units(gather(log_of(rules[0], visits(f"looks {world}", users)), "x"), slates=True)
        looks = [(at, table(rules[0].metrics, seen, at=at)) for at in START + DAY * np.linspace(0.2, 1.1, 100)]
        found = [
            [bool(differences(rule, seen, now, among=seen.first <= at)[0].significant) for at, now in looks]
            for rule in rules
        ]
        alarms += any(found[0])
        fixed += any(found[1])
    assert alarms <= stats.binom.ppf(0.999, worlds, 0.05)
    assert fixed > stats.binom.ppf(0.999, worlds, 0.05)  # the same looks at a fixed test


@pytest.mark.parametrize(("name", "metric"), [("ratio", RATE), ("covariates", ADJUSTED)])
def test_intervals_hold_the_truth_in_94_of_100_experiments_at_least(name: str, metric: Metric) -> None:
    worlds, lift, held = 250, 0.2, 0
    rate, each = true_values(lift)
    truth = lift * rate * (each if metric is ADJUSTED else 1.0)
    for world in range(worlds):
        facts = visits(f"{name} {world}", 160, lift=lift, before=metric is ADJUSTED)
        one = comparison(reported(experiment(metric, analysis=FIXED), facts, end=START + 2 * DAY), "m")
        assert one.low is not None
        assert one.high is not None
        assert one.adjusted == (metric is ADJUSTED)
        held += one.low <= truth <= one.high
    assert held >= stats.binom.ppf(0.001, worlds, 0.94)
    assert held <= stats.binom.ppf(0.999, worlds, 0.97)  # nor are they wide without need


def test_a_fair_split_is_seldom_called_foul_though_it_is_looked_at_a_hundred_times() -> None:
    # Pearson's test at 0.001 and the Bayes factor together, as health asks them; and Pearson's alone at 0.05.
    worlds, looks, per_look = 150, 100, 100
    rule = experiment(analysis=Analysis())
    empty = units(gather(log_of(rule, []), "x"), slates=True)
    alarms = naive = 0
    for world in range(worlds):
        treated = np.random.default_rng(bits(f"split {world}")).binomial(per_look, 0.5, size=looks).cumsum()
        counts = [(per_look * look - int(n), int(n)) for look, n in enumerate(treated, start=1)]
        alarms += any(_split(rule, empty, pair) is False for pair in counts)
        naive += any(stats.chisquare(pair).pvalue < 0.05 for pair in counts)
    assert alarms <= stats.binom.ppf(0.999, worlds, 0.02)
    assert naive > stats.binom.ppf(0.999, worlds, 0.2)


def _split(rule: Experiment, seen: Any, counts: tuple[int, int]) -> bool | None:
    arms = [Arm(one.name, one.strategy, one.weight, n, n, n, ()) for one, n in zip(rule.variants, counts, strict=True)]
    found = checks(rule, seen, arms, [], shared=False, at=START)
    return next(one.ok for one in found if one.name == "sample ratio")
