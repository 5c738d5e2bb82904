"""What the alarm promises: experiments that harm nobody are stopped in at most 5 % of all runs, looked at a hundred
times each, with three variants."""

import numpy as np
import pytest

from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric
from bandstand.report.infer import alarm
from bandstand.report.measure import Sample
from bandstand.stats.moments import Moments

pytestmark = pytest.mark.calibration

RUNS, LOOKS, PER_LOOK = 400, 100, 40
ALPHA = 0.05
RAIL = Metric("clicks", "click", role="guardrail")
RULES = [Analysis(units=12_000), Analysis("fixed", units=1500)]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Chance seeded from the test's own name."""
    return np.random.default_rng(list(request.node.name.encode()))


def stopped(rng: np.random.Generator, rule: Analysis, *, harm: float = 0.0) -> bool:
    """Whether a run is stopped at any look: clicks of users who differ; the last variant loses a share of them."""
    rates = rng.gamma(0.5, 2.0, (3, LOOKS * PER_LOOK))
    rates[2] *= 1 - harm
    clicks = rng.poisson(rates).astype(float)
    for n in range(PER_LOOK, LOOKS * PER_LOOK + 1, PER_LOOK):
        control, *others = (
            Sample(n, int(np.count_nonzero(arm)), float(arm.sum()), Moments(n, arm.mean(), n * arm.var()))
            for arm in clicks[:, :n]
        )
        if any(alarm(RAIL, ours, control, analysis=rule, alpha=ALPHA / 2) for ours in others):
            return True
    return False


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.method)
def test_experiment_that_harms_nobody_is_seldom_stopped(rule: Analysis, rng: np.random.Generator) -> None:
    assert sum(stopped(rng, rule) for _ in range(RUNS)) / RUNS <= ALPHA


def test_experiment_that_harms_is_stopped(rng: np.random.Generator) -> None:
    assert sum(stopped(rng, RULES[0], harm=0.3) for _ in range(30)) >= 28
