"""How much traffic goes to which variant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from bandstand.chance import bits
from bandstand.experiments.metrics import Metric
from bandstand.report.exposure import Units, units
from bandstand.report.gather import gather
from bandstand.report.measure import Measured, measured
from bandstand.report.phases import Chances
from bandstand.stats.bayes import best_arm
from bandstand.stats.moments import Moments
from bandstand.steward.allotment import allotted, chances

from ..report.logs import CLICKS, START, At, earned, experiment, log_of, saw, users


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda some: sum(some) > 1e-6), st.floats(0.001, 0.999))
def test_weights_add_up_and_none_is_below_the_floor(some: list[float], share: float) -> None:
    floor = share / len(some)
    weights = allotted([one / sum(some) for one in some], floor=floor)
    assert sum(weights) == pytest.approx(1, abs=1e-9)
    assert min(weights) >= floor - 1e-12
    assert weights[int(np.argmax(some))] == max(weights)


def test_the_best_of_a_tie_has_no_less_than_the_other() -> None:
    first, second, third = allotted([0.0, 1.0, 1.0], floor=1 / 6)
    assert second >= third > first


def test_weights_are_the_chances_above_the_floor() -> None:
    assert allotted([0.0, 0.25, 0.75], floor=0.1) == (0.1, 0.275, 0.625)
    # where clipping and dividing by the sum would leave 0.05 / 1.1 = 0.045, below the floor
    assert allotted([0.0, 0.0, 1.0], floor=0.05) == (0.05, 0.05, 0.9)


def drawn(name: str, mean: float, size: int) -> np.ndarray:
    return np.random.default_rng(bits(name)).poisson(mean, size).astype(float)


def told(metric: Metric, facts: list[At]) -> tuple[float, ...] | None:
    gathered = gather(log_of(experiment(metric), facts), "x")
    seen = units(gathered, slates=True)
    return chances(measured(metric, seen, at=gathered.life.at), seen, variants=2)


def assigned(phase: np.ndarray, variant: np.ndarray, values: np.ndarray, weights: list[float]) -> tuple[float, ...]:
    """By units that were first assigned in these phases, with these weights of the treatment; they were shown something
    in the order of their rows."""
    p = np.column_stack((1 - np.array(weights)[phase], np.array(weights)[phase]))
    everybody = np.ones(len(values), np.bool_)
    of = Measured(Metric("clicks", "click", kind="mean"), everybody, values, None, (), None, {})
    whole = Units(
        who=np.arange(len(values)),
        variant=variant,
        first=np.arange(len(values), dtype=np.float64),
        newcomer=everybody,
        labels={},
        names={},
        events={},
        crossed=0,
        merged=0,
        decided=np.bincount(variant),
        unseen=np.zeros(2, np.int64),
        lost=(),
        lag_s=np.empty(0),
        lag_variant=np.empty(0, np.int64),
        chances=Chances(p, phase, p, variant),
    )
    found = chances(of, whole, variants=2)
    assert found is not None
    return found


def test_in_one_phase_the_chances_are_those_of_the_means() -> None:
    a = drawn("control", 2.0, 300)
    b = np.random.default_rng(bits("treatment")).permutation(a) + 0.1  # the same spread
    facts = users("control", a) + users("treatment", b)
    assert told(CLICKS, facts) == pytest.approx(best_arm([Moments.of(a), Moments.of(b)]))
    lower = told(Metric("clicks", "click", better="lower"), facts)
    assert lower == pytest.approx(best_arm([Moments.of(a), Moments.of(b)])[::-1])


def test_of_many_units_each_arm_has_its_own_spread() -> None:
    a, b = drawn("narrow", 4.0, 4000), 3.0 * drawn("wide", 4.1 / 3, 1000)
    own = best_arm([Moments.of(a), Moments.of(b)])
    common = float(np.concatenate((a - a.mean(), b - b.mean())).var())
    alike = best_arm([Moments(len(x), float(x.mean()), common * len(x)) for x in (a, b)])
    assert abs(own[1] - alike[1]) > 0.03
    assert told(CLICKS, users("control", a) + users("treatment", b)) == pytest.approx(own, abs=0.005)


def test_phases_are_compared_within_and_not_across() -> None:
    """On a good day with few users in the treatment and a bad one with many, it loses in sum and wins on each day."""
    days = [drawn("c1", 6.0, 900), drawn("t1", 6.6, 100), drawn("c2", 2.0, 100), drawn("t2", 2.6, 900)]
    facts = [fact for k, some in enumerate(days) for fact in _came(str(k), ("control", "treatment")[k % 2], some)]
    pooled = told(CLICKS, facts)
    sizes = [len(day) for day in days]
    phase, variant = np.repeat([0, 0, 1, 1], sizes), np.repeat([0, 1, 0, 1], sizes)
    mixed = np.random.default_rng(bits("order")).permutation(len(phase))
    mixed = mixed[np.argsort(phase[mixed], kind="stable")]
    within = assigned(phase[mixed], variant[mixed], np.concatenate(days)[mixed], [0.1, 0.9])
    assert pooled is not None
    assert pooled[1] < 0.01
    assert within[1] > 0.95


def test_units_are_of_the_phase_of_their_first_assignment() -> None:
    """Half of the units of the first phase, whose weights are even, are shown something in the second only; good ones,
    for they were waited for. Taken for units of the second, its few treated ones would be mostly these."""
    rng = np.random.default_rng(bits("late"))
    n = 4000
    phase = rng.integers(0, 2, n)
    weights = np.array([0.5, 0.05])
    variant = (rng.random(n) < weights[phase]).astype(np.int64)
    late = (phase == 0) & (rng.random(n) < 0.5)
    values = rng.poisson(np.where(late, 6.0, 2.0)).astype(float)
    shown = np.argsort((phase == 1) | late, kind="stable")  # by first exposure
    by_assignment = assigned(phase[shown], variant[shown], values[shown], weights.tolist())
    by_exposure = assigned(((phase == 1) | late).astype(int)[shown], variant[shown], values[shown], weights.tolist())
    assert 0.05 < by_assignment[1] < 0.95
    assert by_exposure[1] > 0.999


def test_a_small_arm_is_not_called_the_best_for_the_phases_in_which_it_earned_something() -> None:
    """Of 20 phases with 20 units in the small arm, of which 2 % earn something, two thirds have no earner there."""
    rng = np.random.default_rng(bits("small"))
    runs, phase = 250, np.repeat(np.arange(20), 400)
    found = []
    for _ in range(runs):
        variant = (rng.random(len(phase)) < 0.05).astype(np.int64)
        values = (rng.random(len(phase)) < 0.02).astype(float)
        found.append(assigned(phase, variant, values, [0.05] * 20))
    best = np.array(found)
    assert np.abs(best.mean(axis=0) - 0.5).max() < 0.05
    assert np.count_nonzero(best > 0.95, axis=0).max() <= binom.ppf(0.999, runs, 0.05)


def test_too_few_units_or_nothing_done_say_nothing() -> None:
    few = users("control", drawn("a", 2.0, 99)) + users("treatment", drawn("b", 2.0, 400))
    assert told(CLICKS, few) is None
    idle = users("control", np.zeros(300)) + users("treatment", np.zeros(300))
    assert told(CLICKS, idle) is None
    assert told(CLICKS, []) is None


def _came(day: str, variant: str, values: np.ndarray) -> list[At]:
    """Users of one variant, other ones each day."""
    facts: list[At] = []
    for k, value in enumerate(values):
        who = f"{day}-{variant}-{k}"
        facts += [saw(who, variant, who), earned(who, who, value=float(value), at=START + 1)]
    return facts
