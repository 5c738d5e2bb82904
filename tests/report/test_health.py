"""What must be in order before an experiment's figures mean anything."""

import numpy as np
import pytest
from scipy.stats import binom

from bandstand.chance import bits
from bandstand.events import Exposed
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric
from bandstand.report.health import _uneven
from bandstand.stats.moments import PairMoments

from .logs import DAY, START, At, check, comparison, earned, experiment, reported, saw, users

CHANCE = np.random.default_rng(bits("health"))


def test_a_metric_of_which_nothing_comes_is_pointed_out_and_in_the_end_breaks_the_report() -> None:
    few = reported(experiment(), users("control", np.zeros(400)) + users("treatment", np.zeros(400)))
    assert check(few, "metrics")[0] is None
    many = reported(experiment(), users("control", np.zeros(500)) + users("treatment", np.zeros(500)))
    ok, text = check(many, "metrics")
    assert ok is False
    assert (
        text
        == "clicks is 0 for all 1000 users; look whether the app sends 'click' under this name, with the decision's id"
    )
    assert many.verdict.outcome == "broken"
    assert comparison(many).p_value is None
    assert "do not vary" in (comparison(many).reason or "")


def test_a_control_without_any_value_has_no_lift_but_a_difference() -> None:
    values = CHANCE.poisson(1.0, 200)
    one = comparison(reported(experiment(), users("control", np.zeros(200)) + users("treatment", values)))
    assert (one.lift, one.difference) == (None, pytest.approx(values.mean()))


def test_one_arm_without_units_is_a_failed_split_and_a_sentence() -> None:
    found = reported(experiment(), users("control", np.ones(40)))
    assert check(found, "sample ratio")[0] is False
    assert "variant 'treatment' has 0 users" in (comparison(found).reason or "")
    assert "look whether anybody is sent there" in (comparison(found).reason or "")


def deferred(variant: str, users: int, *, lost: float, lag_s: float = 1.0) -> list[At]:
    """Slates that are shown later, of which a share is never seen."""
    facts: list[At] = []
    for k in range(users):
        facts.append(saw(f"{variant}{k}", variant, f"{variant}-{k}", shown=False))
        if CHANCE.random() >= lost:
            facts.append((START + lag_s * (1 + k % 3), Exposed(f"{variant}{k}")))
    return facts


def test_a_variant_that_loses_more_of_its_exposures_breaks_the_report() -> None:
    # Trap: who has to wait longer leaves more often, and is then missing from one side only.
    alike = reported(experiment(), deferred("control", 600, lost=0.1) + deferred("treatment", 600, lost=0.1))
    assert check(alike, "exposures")[0] is None
    worse = reported(experiment(), deferred("control", 2000, lost=0.05) + deferred("treatment", 2000, lost=0.3))
    ok, text = check(worse, "exposures")
    assert ok is False
    assert "one of them is shown less reliably" in text


def often(variant: str, *, silent: int) -> list[At]:
    """A hundred users with twenty slates each, of whom some never report an exposure."""
    facts: list[At] = []
    for k in range(100):
        for n in range(20):
            facts.append(saw(f"{variant}{k}-{n}", variant, f"{variant}-{k}", n=1, shown=False))
            if k >= silent:
                facts.append((START + 1, Exposed(f"{variant}{k}-{n}")))
    return facts


def test_exposures_are_lost_by_units_and_not_by_decisions() -> None:
    """15 and 25 of 100 users who never report: p = 0.08 by users (χ²), 0.0004 by their 4000 decisions."""
    ok, text = check(reported(experiment(), often("control", silent=15) + often("treatment", silent=25)), "exposures")
    assert (ok, text.split(" decisions")[0]) == (None, "800 of 4000")
    worse = reported(experiment(), often("control", silent=5) + often("treatment", silent=25))
    assert check(worse, "exposures")[0] is False


@pytest.mark.parametrize(
    ("sizes", "share"),
    [((2000, 2000), 0.2), ((400, 3600), 0.1), ((100, 1900), 0.03), ((1000, 1000, 1000), 0.4)],
    ids=lambda some: str(some),
)
def test_loss_by_chance_is_seldom_called_uneven(sizes: tuple[int, ...], share: float) -> None:
    rng = np.random.default_rng(bits("uneven", str(sizes)))
    runs, alarms = 1000, 0
    for _ in range(runs):
        decided = [rng.geometric(1 / 20, size) for size in sizes]
        lost = [PairMoments.of(count * (rng.random(len(count)) < share), count) for count in decided]
        alarms += _uneven(lost)
    assert alarms <= binom.ppf(0.999, runs, 0.003)  # a skewed sum has a little more beyond 3.3 errors than a normal


def test_a_variant_that_loses_all_or_a_small_one_that_loses_more_is_found() -> None:
    ones = np.ones(500)
    assert _uneven([PairMoments.of(0 * ones, ones), PairMoments.of(ones, ones)])
    small, many = np.repeat([1.0, 0.0], [30, 70]), np.repeat([1.0, 0.0], [190, 1710])
    assert _uneven([PairMoments.of(small, np.ones(100)), PairMoments.of(many, np.ones(1900))])
    assert not _uneven(
        [PairMoments.of(small[29::3], np.ones(24)), PairMoments.of(0 * ones, ones)]
    )  # one of 24, and none
    assert not _uneven([PairMoments.of(ones, ones), PairMoments.of(ones, ones)])


def test_a_variant_that_is_shown_much_later_is_pointed_out() -> None:
    facts = deferred("control", 50, lost=0.1) + deferred("treatment", 50, lost=0.1, lag_s=20.0)
    assert "shown much later" in check(reported(experiment(), facts), "exposure lag")[1]


def test_rewards_that_take_longer_than_most_units_are_old_are_pointed_out() -> None:
    # Trap: figures that are still growing favour what converts fast.
    facts: list[At] = []
    for k in range(300):
        first = START + k / 300 * 6 * DAY
        facts += [saw(f"d{k}", ("control", "treatment")[k % 2], f"u{k}", at=first)]
        facts += [earned(f"d{k}", f"u{k}", at=first + CHANCE.uniform(0, 5) * DAY)]
    facts = [one for one in facts if one[0] < START + 6 * DAY]
    found = reported(experiment(), facts, end=START + 6 * DAY)
    assert "their figures will grow: give it a window_s, or wait" in check(found, "reward lag")[1]
    windowed = reported(experiment(Metric("clicks", "click", window_s=DAY)), facts, end=START + 6 * DAY)
    assert "reward lag" not in [each.name for each in windowed.health]


def test_the_split_is_tested_at_every_look_too() -> None:
    rule = Analysis()
    fair = reported(experiment(analysis=rule), users("control", np.ones(500)) + users("treatment", np.ones(520)))
    assert check(fair, "sample ratio")[0] is True
    foul = reported(experiment(analysis=rule), users("control", np.ones(500)) + users("treatment", np.ones(700)))
    assert check(foul, "sample ratio")[0] is False
