"""Runs: the same whatever the number of workers, fair between arms, and through the real engine."""

import numpy as np
import pytest
from msgspec.structs import replace

from bandstand.chance import token, uniform
from bandstand.events import Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.policy.explore import EpsilonGreedy
from bandstand.simulate.items import made
from bandstand.simulate.nature import Arrival, Bots, Churn, Nature, Purchases
from bandstand.simulate.run import START, play, request, traces
from bandstand.simulate.scenario import Arm, Expectation, Scenario
from bandstand.simulate.trace import Trace
from bandstand.simulate.world import World

RANDOM = Arm("random")
SPLIT = Experiment(
    "split",
    "home",
    (Variant("a", "random", 0.5), Variant("b", "random", 0.5)),
    analysis=Analysis(method="fixed"),
)


def same(one: Trace, other: Trace) -> bool:
    """Whether the two runs went alike, whatever their names."""
    pairs = list(zip(one[2:], other[2:], strict=True))
    return all(np.array_equal(mine, theirs, equal_nan=isinstance(mine, np.ndarray)) for mine, theirs in pairs)


def asked(hide: tuple[str, ...]) -> Request:
    visit = World(made(10), Nature(locations={"JP-13": 9.0}), seed=1).visit(3, time=START + 3600.0)
    return request(visit, Arm(hide=hide), surface="home")  # type: ignore[arg-type]


def test_results_do_not_depend_on_the_number_of_workers(small: Scenario) -> None:
    scenario = replace(small, requests=100, expect=())
    alone, together = (traces(scenario, n_jobs=n) for n in (1, 2))
    assert [run[:2] for run in alone] == [("bandit", 1), ("bandit", 2), ("random", 1), ("random", 2)]
    assert [run[:2] for run in together] == [run[:2] for run in alone]
    assert all(map(same, alone, together))


def test_progress_is_told_after_each_run(small: Scenario) -> None:
    told: list[tuple[int, int | None]] = []
    traces(replace(small, requests=5, expect=()), n_jobs=1, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_arms_that_do_the_same_have_the_same_luck_and_seeds_do_not(small: Scenario) -> None:
    scenario = replace(small, requests=100, expect=(), arms={"one": RANDOM, "other": RANDOM})
    one, one_again, other, other_again = traces(scenario, n_jobs=1)
    assert same(one, other)
    assert same(one_again, other_again)
    assert not same(one, one_again)


def test_a_bandit_learns_from_the_simulated_clicks(small: Scenario) -> None:
    bandit, chance = (play(small, name, small.arms[name], 1) for name in ("bandit", "random"))
    assert bandit.expected[300:].sum() > 1.5 * chance.expected[300:].sum()
    assert (bandit.expected <= bandit.ideal + 1e-9).all()


def test_clicks_that_come_after_their_window_teach_nothing(small: Scenario) -> None:
    """A window of ten visits, and clicks that take two hundred: the bandit sees slates that nobody ever clicks."""
    scenario = replace(small, world=replace(small.world, delay_s=6000.0))
    late, prompt = (play(one, "bandit", small.arms["bandit"], 1) for one in (scenario, small))
    assert late.expected[300:].sum() < 0.8 * prompt.expected[300:].sum()


def test_requests_carry_the_context_but_for_what_is_hidden() -> None:
    everything = asked(())
    assert everything.context.keys() == {"device", "location"}
    assert everything.context["location"] == "JP-13"
    assert everything.utc_offset_s == 9 * 3600
    assert everything.user is not None
    nothing = asked(("user", "device", "location", "time"))
    assert nothing.context == {}
    assert nothing.user is nothing.session is None
    assert (nothing.time + nothing.utc_offset_s) % 86400 == 0


def test_late_items_are_shown_only_after_they_arrived(small: Scenario) -> None:
    nature = replace(small.world, arrivals=(Arrival(60, items=10, stars=10),))
    run = play(replace(small, requests=150, world=nature), "random", RANDOM, 1)
    assert not run.star[:60].any()
    assert run.star[60:].mean() > 0.5  # a quarter of the items, five picks: 0.77 of random slates


def test_an_experiment_divides_the_visitors_anew_with_each_seed(small: Scenario) -> None:
    scenario = replace(small, requests=150, arms={}, expect=(), experiment=SPLIT)
    runs = traces(scenario, n_jobs=1)
    assert [set(run.variant.tolist()) for run in runs] == [{0, 1}, {0, 1}]
    assert not np.array_equal(runs[0].variant, runs[1].variant)
    assert all(run.finding and run.finding.p_value is not None and 0 <= run.finding.p_value <= 1 for run in runs)


def test_every_simulated_decision_can_be_made_again(small: Scenario) -> None:
    wanted = Expectation("divergences", side="bandit", at_most=0)
    nature = replace(small.world, delay_s=200.0, arrivals=(Arrival(60, items=5),))
    runs = traces(replace(small, requests=150, seeds=1, expect=(wanted,), world=nature), n_jobs=1)
    assert [(run.arm, run.divergences) for run in runs] == [("bandit", 0), ("random", None)]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_first_visits_are_marked(small: Scenario, share: float) -> None:
    run = play(replace(small, requests=100, world=replace(small.world, newcomers=share)), "random", RANDOM, 1)
    assert run.first.mean() == share


def test_an_interleaving_inside_a_scenario_finds_the_better_ranker(small: Scenario) -> None:
    sides = (Variant("random", "random", 0.5), Variant("popular", "popular", 0.5))
    mixed = replace(SPLIT, method="interleave", variants=sides)
    world = replace(small.world, quality=1.5, click_through=0.2)
    scenario = replace(small, requests=250, seeds=1, arms={}, expect=(), experiment=mixed, world=world)
    (run,) = traces(scenario, n_jobs=1)
    assert set(run.variant.tolist()) == {0}
    assert run.finding is not None
    assert run.finding.better == "popular"


def test_what_exploring_costs_is_nothing_where_nobody_explores(small: Scenario) -> None:
    """Asked at one visit in eight, of policies that learn."""
    greedy = replace(small.strategies["default"], policy=EpsilonGreedy(epsilon=0.0))
    curious = replace(small.strategies["default"], policy=EpsilonGreedy(epsilon=0.9))
    scenario = replace(small, requests=240, strategies={"greedy": greedy, "curious": curious}, expect=())
    one, other, chance = (play(scenario, name, Arm(name), 1) for name in ("greedy", "curious", "random"))
    asked = np.arange(240) % 8 == 0
    assert (one.explored[asked] == 0).all()
    assert np.isnan(one.explored[~asked]).all()
    assert other.explored[asked][15:].mean() > 0.1 * other.ideal.mean()
    assert np.isnan(chance.explored).all()


def test_who_stays_away_is_shown_nothing_and_machines_are_counted_nowhere(small: Scenario) -> None:
    nature = replace(small.world, churn=Churn(patience=1, leaves=1.0), bots=Bots(0.2), click_through=0.02)
    run = play(replace(small, requests=200, world=nature), "random", RANDOM, 1)
    assert not run.person.all()
    assert not run.came[~run.person].any()
    assert run.came[:20].sum() > run.came[-20:].sum()
    away = ~run.came
    for column in (run.shown, run.clicks, run.expected, run.ideal, run.by_chance):
        assert not column[away].any()


def test_purchases_reach_the_learner_as_rewards_of_their_own(small: Scenario) -> None:
    nature = replace(small.world, click_through=0.2, purchases=Purchases(rate=0.9))
    run = play(replace(small, requests=60, world=nature), "random", RANDOM, 1)
    assert 0 < (run.revenue > 0).sum() <= (run.clicks > 0).sum()
    assert (run.expected_revenue <= run.ideal_revenue + 1e-9).all()


def test_world_ranker_and_learner_draw_from_chance_of_their_own(small: Scenario) -> None:
    """Whoever draws more must not move what the others draw: a world asked twice as often gives the same run, and a
    decision under a world's key or a world under a decision's gives other numbers."""
    plain = play(replace(small, requests=120), "bandit", small.arms["bandit"], 1)
    world_1 = World(made(40), small.world, seed=1)
    for number in range(500):
        visit = world_1.visit(number, time=START)
        world_1.clicks(visit, [item.item for item in world_1.items[:5]])
    assert same(plain, play(replace(small, requests=120), "bandit", small.arms["bandit"], 1))
    # Where ranker and world shared their draws, an item would be shown just where its visitor likes it.
    runs = [play(replace(small, requests=300), "random", RANDOM, seed) for seed in (1, 2)]
    clicks, expected = (sum(getattr(run, name).sum() for run in runs) for name in ("clicks", "expected"))
    assert abs(clicks - expected) < 4 * np.sqrt(expected)
    chances = [
        [uniform(token("simulation", "small", 1, number), "default", 0), uniform("world", 1, "like", number, "i3")]
        for number in range(2000)
    ]
    assert abs(np.corrcoef(np.array(chances).T)[0, 1]) < 4 / np.sqrt(2000)
