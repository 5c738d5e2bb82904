"""Runs: the same whatever the number of workers, fair between arms, and through the real engine."""

import numpy as np
import pytest
from msgspec.structs import replace

from bandstand.events import Request
from bandstand.experiments.definition import Experiment, Variant
from bandstand.simulate.items import made
from bandstand.simulate.nature import Arrival, Nature
from bandstand.simulate.run import START, Trace, play, request, traces
from bandstand.simulate.scenario import Arm, Expectation, Scenario
from bandstand.simulate.world import World

RANDOM = Arm("random")
SPLIT = Experiment("split", "home", (Variant("a", "random", 0.5), Variant("b", "random", 0.5)))


def same(one: Trace, other: Trace) -> bool:
    """Whether the two runs went alike, whatever their names."""
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(one[2:], other[2:], strict=True))


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
    assert all(run.p_value is not None and 0 <= run.p_value <= 1 for run in runs)


def test_every_simulated_decision_can_be_made_again(small: Scenario) -> None:
    wanted = Expectation("divergences", side="bandit", at_most=0)
    nature = replace(small.world, delay_s=200.0, arrivals=(Arrival(60, items=5),))
    runs = traces(replace(small, requests=150, seeds=1, expect=(wanted,), world=nature), n_jobs=1)
    assert [(run.arm, run.divergences) for run in runs] == [("bandit", 0), ("random", None)]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_first_visits_are_marked(small: Scenario, share: float) -> None:
    run = play(replace(small, requests=100, world=replace(small.world, newcomers=share)), "random", RANDOM, 1)
    assert run.first.mean() == share
