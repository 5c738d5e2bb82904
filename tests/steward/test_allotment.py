"""How much traffic goes to which variant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.chance import bits
from bandstand.experiments.metrics import Metric
from bandstand.report.exposure import units
from bandstand.report.gather import gather
from bandstand.report.measure import measured
from bandstand.stats.bayes import best_arm
from bandstand.stats.moments import Moments
from bandstand.steward.allotment import allotted, chances

from ..report.logs import CLICKS, DAY, START, At, earned, experiment, log_of, saw, users


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda some: sum(some) > 1e-6), st.floats(0.001, 0.999))
def test_weights_add_up_and_none_is_below_the_floor(some: list[float], share: float) -> None:
    floor = share / len(some)
    weights = allotted([one / sum(some) for one in some], floor=floor)
    assert sum(weights) == pytest.approx(1, abs=1e-9)
    assert min(weights) >= floor - 1e-12
    assert weights[int(np.argmax(some))] == max(weights)


def test_weights_are_the_chances_above_the_floor() -> None:
    assert allotted([0.0, 0.25, 0.75], floor=0.1) == (0.1, 0.275, 0.625)
    # where clipping and dividing by the sum would leave 0.05 / 1.1 = 0.045, below the floor
    assert allotted([0.0, 0.0, 1.0], floor=0.05) == (0.05, 0.05, 0.9)


def drawn(name: str, mean: float, size: int) -> np.ndarray:
    return np.random.default_rng(bits(name)).poisson(mean, size).astype(float)


def told(metric: Metric, facts: list[At], phases: list[float]) -> tuple[float, ...] | None:
    gathered = gather(log_of(experiment(metric), facts), "x")
    seen = units(gathered, slates=True)
    return chances(measured(metric, seen, at=gathered.life.at), seen, phases, variants=2)


def came(day: str, variant: str, values: np.ndarray, *, at: float = START) -> list[At]:
    """Users of one variant, other ones each day."""
    facts: list[At] = []
    for k, value in enumerate(values):
        who = f"{day}-{variant}-{k}"
        facts += [saw(who, variant, who, at=at), earned(who, who, value=float(value), at=at + 1)]
    return facts


def test_in_one_phase_the_chances_are_those_of_the_means() -> None:
    a, b = drawn("control", 2.0, 300), drawn("treatment", 2.1, 300)
    facts = users("control", a) + users("treatment", b)
    assert told(CLICKS, facts, [START - 1]) == pytest.approx(best_arm([Moments.of(a), Moments.of(b)]))
    lower = told(Metric("clicks", "click", better="lower"), facts, [START - 1])
    assert lower == pytest.approx(best_arm([Moments.of(a), Moments.of(b)])[::-1])


def test_phases_are_compared_within_and_not_across() -> None:
    """On a good day with few users in the treatment and a bad one with many, it loses in sum and wins on each day."""
    good = came("good", "control", drawn("c1", 6.0, 900)) + came("good", "treatment", drawn("t1", 6.6, 100))
    late = START + DAY / 2
    bad = came("bad", "control", drawn("c2", 2.0, 100), at=late)
    bad += came("bad", "treatment", drawn("t2", 2.6, 900), at=late)
    pooled, stratified = (told(CLICKS, good + bad, phases) for phases in ([START - 1], [START - 1, late - 1]))
    assert pooled is not None
    assert stratified is not None
    assert pooled[1] < 0.01
    assert stratified[1] > 0.95


def test_too_few_units_or_nothing_done_say_nothing() -> None:
    few = users("control", drawn("a", 2.0, 99)) + users("treatment", drawn("b", 2.0, 400))
    assert told(CLICKS, few, [START - 1]) is None
    idle = users("control", np.zeros(300)) + users("treatment", np.zeros(300))
    assert told(CLICKS, idle, [START - 1]) is None
    assert told(CLICKS, [], [START - 1]) is None
