"""Outcomes: figures from traces by hand, and expectations that a sabotaged strategy fails."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import binomtest, t

from bandstand.experiments.definition import Experiment, Variant
from bandstand.policy.baseline import Popular, Random
from bandstand.simulate.nature import Arrival, Bots, Churn, Nature, Purchases
from bandstand.simulate.outcome import Figure, outcome, simulate
from bandstand.simulate.scenario import Arm, Expectation, Scenario, read
from bandstand.simulate.trace import Finding, Trace
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
        revenue=np.zeros(n),
        expected_revenue=np.zeros(n),
        ideal_revenue=np.zeros(n),
        explored=np.full(n, np.nan),
        person=np.ones(n, np.bool_),
        came=np.ones(n, np.bool_),
        first=np.zeros(n, np.bool_),
        star=np.zeros(n, np.bool_),
        pushed=np.zeros(n, np.bool_),
        variant=np.full(n, -1),
        finding=None,
        divergences=None,
    )
    return plain._replace(**known)


def at(p_value: float | None) -> Finding:
    return Finding(p_value, None, "keep running")


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
    runs = [trace("default", seed, clicks=[1], finding=at(p)) for seed, p in enumerate((0.04, 0.06, 0.9))]
    interval = binomtest(1, 3).proportion_ci(0.95, "wilson")
    assert found(scenario, runs, metric="significant") == Figure(1 / 3, interval.low, interval.high)


def test_power_and_verdict_are_shares_of_seeds() -> None:
    scenario = Scenario(requests=1, seeds=4, experiment=SPLIT)
    said = [
        Finding(0.01, "b", "ship"),
        Finding(0.02, "a", "stop"),
        Finding(0.5, None, "stop"),
        Finding(0.01, "b", "ship"),
    ]
    runs = [trace("default", seed, clicks=[1], finding=one) for seed, one in enumerate(said)]
    for wanted, share in (
        ({"metric": "power", "side": "b"}, 0.5),
        ({"metric": "power", "side": "a"}, 0.25),
        ({"metric": "verdict", "verdict": "stop"}, 0.5),
        ({"metric": "verdict", "verdict": "broken"}, 0.0),
        ({"metric": "significant"}, 0.75),
    ):
        figure = found(scenario, runs, **wanted)
        assert figure is not None
        assert figure.mean == share


def test_an_interleaving_is_one_side_and_its_power_is_of_a_variant() -> None:
    scenario = Scenario(requests=4, seeds=1, experiment=replace(SPLIT, method="interleave"))
    run = trace("default", 1, clicks=[1, 0, 1, 2], variant=np.zeros(4, np.int64), finding=Finding(0.01, "b", "ship"))
    assert [side.name for side in outcome(scenario, [run]).sides] == ["interleaved"]
    assert found(scenario, [run], metric="click_through") == Figure(4 / 16)
    power = found(scenario, [run], metric="power", side="b")
    assert power is not None
    assert power.mean == 1.0


def test_revenue_visits_pushed_items_and_the_cost_of_exploring_are_shares_and_means() -> None:
    nature = Nature(purchases=Purchases(), churn=Churn(), bots=Bots(0.1, "one"))
    scenario = Scenario(requests=4, seeds=1, arms={"a": Arm()}, world=nature)
    came = np.array([True, True, False, True])
    run = trace(
        "a",
        1,
        clicks=[1, 0, 0, 1],
        revenue=np.array([6.0, 0, 0, 3]),
        expected_revenue=np.array([2.0, 1, 0, 1]),
        ideal_revenue=np.array([4.0, 2, 0, 4]),
        explored=np.array([0.5, np.nan, np.nan, 0.1]),
        came=came,
        pushed=np.array([True, False, False, False]),
    )
    for wanted, value in (
        ({"metric": "revenue"}, 9 / 3),
        ({"metric": "visits"}, 3 / 4),
        ({"metric": "pushed"}, 1 / 3),
        ({"metric": "regret", "of": "revenue"}, 1 - 4 / 10),
        ({"metric": "exploration_cost"}, 0.6 / 4),  # of two clicks at each of the two visits that were looked at
    ):
        assert found(scenario, [run], **wanted) == Figure(pytest.approx(value))
    # A stretch at which nobody looked is taken to cost what the others do: 0.15 of its two clicks.
    explored = [figure.mean for figure in outcome(scenario, [run]).sides[0].explored if figure]
    assert explored == pytest.approx([0.5, 0.8, 1.1, 1.2])
    assert [figure.mean for figure in outcome(scenario, [run]).sides[0].lost if figure] == [1, 3, 5, 6]


def test_what_cannot_be_computed_is_no_success() -> None:
    scenario = Scenario(requests=2, seeds=2, experiment=SPLIT, expect=(Expectation("significant", at_most=1.0),))
    runs = [trace("default", seed, clicks=[1, 1], finding=at(p)) for seed, p in enumerate((None, 0.5))]
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
@pytest.mark.parametrize("name", ["taste-by-context", "cold-start", "drift", "cascade", "seasons"])
def test_random_order_in_the_bandits_place_fails_each_bound_on_it(name: str) -> None:
    scenario = replace(read(SHIPPED / f"{name}.toml"), strategies=SABOTAGED, seeds=1)
    held = [judged.expectation for judged in simulate(scenario).expectations if judged.ok]
    # What is left are bounds on the world, which must hurt when tastes move on, and on replay.
    assert all(one.metric == "divergences" or (one.metric == "regret" and one.at_least) for one in held)
    assert len(held) < len(scenario.expect)


def sabotaged(name: str, **changes: object) -> list[tuple[str, bool]]:
    """Which expectations of a shipped scenario hold in one world where something of it was changed."""
    scenario = replace(read(SHIPPED / f"{name}.toml"), **({"seeds": 1} | changes))
    return [(judged.expectation.metric, judged.ok) for judged in simulate(scenario, n_jobs=1).expectations]


@pytest.mark.slow
def test_people_who_never_leave_fail_the_bounds_on_churn() -> None:
    loyal = replace(read(SHIPPED / "churn.toml").world, churn=Churn(leaves=0.0))
    assert sabotaged("churn", world=loyal, requests=500) == [("lift", False), ("visits", False)]


@pytest.mark.slow
def test_learners_that_are_taught_alike_fail_the_bounds_between_objectives() -> None:
    arms = {"clicks": Arm(rewards={"click": 1.0}), "revenue": Arm(rewards={"click": 1.0})}
    assert sabotaged("objectives", arms=arms, requests=1000)[:2] == [("lift", False), ("lift", False)]


@pytest.mark.slow
@pytest.mark.parametrize(("share", "held"), [(0.0, [False, True, True]), (0.9, [True, False])])
def test_machines_that_are_none_or_too_many_fail_the_bounds_on_them(share: float, held: list[bool]) -> None:
    world = replace(read(SHIPPED / "click-farm.toml").world, bots=Bots(share, "one"))
    assert [ok for _, ok in sabotaged("click-farm", world=world)][: len(held)] == held


@pytest.mark.slow
def test_who_does_not_rotate_and_who_does_not_tire_fail_the_bounds_on_novelty() -> None:
    world = replace(read(SHIPPED / "novelty.toml").world, novelty=None)
    assert sabotaged("novelty", world=world)[1] == ("regret", False)
    assert sabotaged("novelty", arms={"rotating": Arm(), "plain": Arm()})[0] == ("regret", False)


@pytest.mark.slow
def test_a_strategy_that_is_told_nothing_fails_the_bound_on_the_labelled_table() -> None:
    arms = {"bandit": Arm("quick", hide=("context",)), "blind": Arm("quick")}
    assert [ok for _, ok in sabotaged("labelled", arms=arms)] == [False, False]


@pytest.mark.slow
def test_random_order_on_both_sides_fails_the_bound_on_the_interleavings_power() -> None:
    scenario = read(SHIPPED / "interleaving.toml")
    assert scenario.experiment is not None
    same = tuple(replace(variant, strategy="random") for variant in scenario.experiment.variants)
    assert ("power", False) in sabotaged(
        "interleaving", seeds=10, experiment=replace(scenario.experiment, variants=same)
    )


@pytest.mark.slow
def test_two_variants_that_differ_fail_the_calibration() -> None:
    scenario = read(SHIPPED / "aa-calibration.toml")
    assert scenario.experiment is not None
    same, other = scenario.experiment.variants
    strategies = scenario.strategies | {"other": replace(scenario.strategies["chance"], policy=Popular())}
    different = replace(scenario.experiment, variants=(same, replace(other, strategy="other")))
    result = simulate(replace(scenario, seeds=40, strategies=strategies, experiment=different))
    assert not result.ok
