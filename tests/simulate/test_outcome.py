"""Outcomes: figures from traces by hand, and expectations that a sabotaged strategy fails."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import binomtest, t

from bandstand.experiments.definition import Experiment, Variant
from bandstand.policy.baseline import Popular, Random
from bandstand.simulate.nature import Arrival, Nature
from bandstand.simulate.outcome import Figure, outcome, simulate
from bandstand.simulate.run import Trace
from bandstand.simulate.scenario import Arm, Expectation, Scenario, read
from bandstand.strategy import Strategy

SHIPPED = Path(__file__).parents[2] / "simulations"
SABOTAGED = {"default": Strategy(policy=Random())}
SPLIT = Experiment("split", "home", (Variant("a", "random", 0.5), Variant("b", "random", 0.5)))


def trace(arm: str, seed: int, *, clicks: list[float], **known: object) -> Trace:
    """A run of slates of four in which an ideal slate gets two clicks and a random one half a click."""
    n = len(clicks)
    plain = Trace(
        arm=arm,
        seed=seed,
        shown=np.full(n, 4.0),
        clicks=np.array(clicks),
        expected=np.array(clicks),
        ideal=np.full(n, 2.0),
        by_chance=np.full(n, 0.5),
        star=np.zeros(n, np.bool_),
        first=np.zeros(n, np.bool_),
        variant=np.full(n, -1),
        p_value=None,
        divergences=None,
    )
    return plain._replace(**known)


def found(scenario: Scenario, runs: list[Trace], **expectation: object) -> Figure | None:
    """The figure of one expectation."""
    wanted = Expectation(**({"at_least": 0.0} | expectation))  # type: ignore[arg-type]
    (judged,) = outcome(replace(scenario, expect=(wanted,)), runs).expectations
    return judged.figure


TWO = Scenario(requests=4, seeds=2, arms={"a": Arm(), "b": Arm()})
RUNS = [
    trace("a", 1, clicks=[0, 0, 1, 1]),
    trace("a", 2, clicks=[0, 0, 2, 1]),
    trace("b", 1, clicks=[0, 1, 0, 1]),
    trace("b", 2, clicks=[1, 1, 1, 1]),
]


def test_click_through_is_clicks_a_pick_with_an_interval_over_seeds() -> None:
    figure = found(TWO, RUNS, metric="click_through", side="a")
    values = [2 / 16, 3 / 16]
    interval = t.interval(0.95, df=1, loc=np.mean(values), scale=np.std(values, ddof=1) / 2**0.5)
    assert figure is not None
    assert figure.mean == pytest.approx(np.mean(values))
    assert (figure.low, figure.high) == pytest.approx(interval)


def test_one_seed_has_a_mean_and_no_interval() -> None:
    assert found(replace(TWO, seeds=1), RUNS[::2], metric="click_through", side="b") == Figure(2 / 16)


def test_a_lift_compares_seed_by_seed() -> None:
    figure = found(TWO, RUNS, metric="lift", side="a", against="b")
    assert figure is not None
    assert figure.mean == pytest.approx(np.mean([2 / 2 - 1, 3 / 4 - 1]))


def test_regret_is_the_share_of_the_ideal_that_is_lost() -> None:
    figure = found(TWO, RUNS, metric="regret", side="a")
    assert figure is not None
    assert figure.mean == pytest.approx(np.mean([1 - 2 / 8, 1 - 3 / 8]))


def test_a_span_leaves_the_other_visits_out() -> None:
    figure = found(TWO, RUNS, metric="click_through", side="a", over="last 50%")
    assert figure is not None
    assert figure.mean == pytest.approx(np.mean([2 / 8, 3 / 8]))


def test_first_visits_can_be_looked_at_alone() -> None:
    scenario = Scenario(requests=4, seeds=1, arms={"a": Arm()}, world=Nature(newcomers=0.5))
    run = trace("a", 1, clicks=[0, 1, 0, 2], first=np.array([True, False, True, True]))
    figure = found(scenario, [run], metric="click_through", visits="first")
    assert figure == Figure(2 / 12)


def test_stars_count_from_when_the_first_arrived() -> None:
    nature = Nature(arrivals=(Arrival(1, items=5), Arrival(2, items=5, stars=1)))
    scenario = Scenario(requests=4, seeds=1, arms={"a": Arm()}, world=nature)
    run = trace("a", 1, clicks=[0, 0, 0, 0], star=np.array([False, False, False, True]))
    assert found(scenario, [run], metric="stars") == Figure(0.5)


def test_variants_are_measured_on_their_own_visits() -> None:
    scenario = Scenario(requests=4, seeds=1, experiment=SPLIT)
    run = trace("default", 1, clicks=[1, 0, 1, 2], variant=np.array([0, 1, 0, 1]))
    assert found(scenario, [run], metric="click_through", side="b") == Figure(2 / 8)
    assert found(scenario, [run], metric="lift", side="b", against="a") == Figure(0.0)


def test_significant_is_a_share_of_seeds_with_wilsons_interval() -> None:
    scenario = Scenario(requests=1, seeds=3, experiment=SPLIT)
    runs = [trace("default", seed, clicks=[1], p_value=p) for seed, p in enumerate((0.04, 0.06, 0.9))]
    interval = binomtest(1, 3).proportion_ci(0.95, "wilson")
    assert found(scenario, runs, metric="significant") == Figure(1 / 3, interval.low, interval.high)


def test_what_cannot_be_computed_is_no_success() -> None:
    scenario = Scenario(requests=2, seeds=2, experiment=SPLIT, expect=(Expectation("significant", at_most=1.0),))
    runs = [trace("default", seed, clicks=[1, 1], p_value=p) for seed, p in enumerate((None, 0.5))]
    (judged,) = outcome(scenario, runs).expectations
    assert judged.figure is None
    assert not judged.ok


@pytest.mark.parametrize(
    ("bounds", "ok"),
    [
        ({"at_least": 0.15}, True),
        ({"at_least": 0.16}, False),
        ({"at_most": 0.16}, True),
        ({"at_most": 0.15}, False),
        ({"at_least": 0.1, "at_most": 0.2}, True),
        ({"at_least": 0.1, "at_most": 0.15}, False),
    ],
)
def test_bounds_are_about_the_mean(bounds: dict[str, float], ok: bool) -> None:
    scenario = replace(TWO, expect=(Expectation("click_through", side="a", **bounds),))  # its mean is 0.15625
    result = outcome(scenario, RUNS)
    assert result.expectations[0].ok is result.ok is ok


def test_curves_are_clicks_a_pick_over_all_seeds_and_empty_where_nothing_was_shown() -> None:
    nothing = [run._replace(shown=np.array([0.0, 4, 4, 4]), expected=run.expected * [0, 1, 1, 1]) for run in RUNS]
    result = outcome(TWO, nothing)
    assert result.sides[0].curve == (None, 0.0, 3 / 8, 2 / 8)
    assert result.ideal == (None, 4 / 8, 4 / 8, 4 / 8)
    long = outcome(Scenario(requests=400, seeds=1, arms={"a": Arm()}), [trace("a", 1, clicks=[1, 0] * 200)])
    assert long.sides[0].curve == (0.125,) * 40


def test_a_bandit_keeps_what_is_expected_of_it_and_a_sabotaged_one_does_not(small: Scenario) -> None:
    assert simulate(small, n_jobs=1).ok
    result = simulate(replace(small, strategies=SABOTAGED), n_jobs=1)
    assert [judged.ok for judged in result.expectations] == [False, False]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_holds(path: Path) -> None:
    failed = [judged for judged in simulate(read(path)).expectations if not judged.ok]
    assert failed == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["taste-by-context", "cold-start", "drift"])
def test_random_order_in_the_bandits_place_fails_each_bound_on_it(name: str) -> None:
    scenario = replace(read(SHIPPED / f"{name}.toml"), strategies=SABOTAGED, seeds=1)
    held = [judged.expectation for judged in simulate(scenario).expectations if judged.ok]
    # What is left are bounds on the world, which must hurt when tastes move on, and on replay.
    assert all(one.metric == "divergences" or (one.metric == "regret" and one.at_least) for one in held)
    assert len(held) < len(scenario.expect)


@pytest.mark.slow
def test_two_variants_that_differ_fail_the_calibration() -> None:
    scenario = read(SHIPPED / "aa-calibration.toml")
    assert scenario.experiment is not None
    same, other = scenario.experiment.variants
    strategies = scenario.strategies | {"other": replace(scenario.strategies["chance"], policy=Popular())}
    different = replace(scenario.experiment, variants=(same, replace(other, strategy="other")))
    result = simulate(replace(scenario, seeds=40, strategies=strategies, experiment=different))
    assert not result.ok
