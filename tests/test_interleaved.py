"""Interleaved decisions, from the request to the report: what is served, recorded, learned from and counted."""

from typing import Any

import pytest

from bandstand.configuration import definitions, recorded, recorded_rule
from bandstand.engine import Engine
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.events import Decided, ExperimentMoved, Interleaved, ItemPut, Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Interleave, Metric, Variant
from bandstand.experiments.interleaving import Placed
from bandstand.experiments.interleaving.contests import Chances, Merged, chances, duels, merged, won
from bandstand.experiments.interleaving.registry import METHODS as METHOD
from bandstand.replay import replay
from bandstand.report import report
from bandstand.rules import converted
from bandstand.store import entries

METHODS: list[Interleave] = ["team_draft", "balanced", "probabilistic", "optimised"]
GREEDY = {"policy": {"kind": "epsilon_greedy", "epsilon": 0.0}, "learning": {"bits": 10}}


ONCE = Analysis("fixed", units=30)


def trial(interleave: Interleave = "team_draft", *strategies: str, **fields: Any) -> Experiment:
    names = strategies or ("default", "random")
    variants = tuple(Variant(f"v{at}", name, 1 / len(names)) for at, name in enumerate(names))
    return Experiment("x", "home", variants, method="interleave", interleave=interleave, start=True, **fields)


def start(engine: Engine, noon: float, experiment: Experiment, **strategies: dict[str, Any]) -> None:
    engine.commit(definitions(engine.model.state, strategies=strategies), at=noon)
    engine.commit(recorded(engine.model.state, experiment), at=noon)


def ask(engine: Engine, noon: float, decision: str, n: int = 4, **fields: Any) -> Decided:
    request = Request(**{"surface": "home", "time": noon, "user": "ann", "n": n} | fields)
    return engine.rank(request, decision=decision, at=noon)


def turn(engine: Engine, noon: float, page: Decided, n: int | None = None) -> Decided:
    request = engine.next_page(page.decision, n, time=noon)
    return engine.rank(request, decision=page.decision + "+", at=noon)


def items(decided: Decided) -> list[str]:
    return [pick.item for pick in decided.picks]


@pytest.mark.parametrize("interleave", METHODS)
def test_every_method_records_both_rankings_and_is_decided_again_by_replay(
    shop: Engine, noon: float, interleave: Interleave
) -> None:
    start(shop, noon, trial(interleave))
    for k in range(8):
        decided = ask(shop, noon, f"d{k}")
        second = turn(shop, noon, decided)
        assert set(decided.rankings) == {"v0", "v1"}
        assert all(len(ranking) == 4 for ranking in decided.rankings.values())
        assert [pick.position for pick in second.picks] == [4, 5, 6, 7]
        assert not set(items(decided)) & set(items(second))
        used = decided.interleaved.method if decided.interleaved else "team_draft"
        assert used == interleave
    assert replay(shop.log).divergences == []


def test_three_variants_share_a_slate(shop: Engine, noon: float) -> None:
    start(shop, noon, trial("team_draft", "default", "popular", "random"))
    decided = ask(shop, noon, "d", n=6)
    assert [{pick.team for pick in decided.picks[at : at + 3]} for at in (0, 3)] == [{"v0", "v1", "v2"}] * 2
    assert len(duels(merged(trial("team_draft", "default", "popular", "random"), decided))) == 2
    assert replay(shop.log).divergences == []


def test_the_coin_is_fresh_for_each_impression_of_a_user(shop: Engine, noon: float) -> None:
    # A coin that belonged to the user would give one ranking the first position for good.
    start(shop, noon, trial())
    first = [ask(shop, noon, f"d{k}").picks[0].team for k in range(64)]
    assert 16 < first.count("v0") < 48


def test_a_next_page_goes_on_with_what_is_left_of_both_rankings_and_whose_turn_it_is(shop: Engine, noon: float) -> None:
    start(shop, noon, trial())
    for k in range(10):
        first = ask(shop, noon, f"d{k}", n=3)
        second = turn(shop, noon, first)
        third = turn(shop, noon, second)
        for before, after in ((first, second), (second, third)):
            for name, ranking in before.rankings.items():
                assert after.rankings[name][: len(ranking)] == ranking
        # Three picks a page, two a round: the fourth belongs to whoever was second in the second round.
        assert {first.picks[2].team, second.picks[0].team} == {"v0", "v1"}
        assert {second.picks[1].team, second.picks[2].team} == {"v0", "v1"}
        assert len({*items(first), *items(second), *items(third)}) == 9


def test_what_cannot_be_shown_any_more_leaves_the_draft(shop: Engine, noon: float) -> None:
    start(shop, noon, trial())
    first = ask(shop, noon, "d", n=3)
    left = next(item for item in first.rankings["v0"] if item not in items(first))
    shop.commit([ItemPut(left, available=False)], at=noon)
    second = turn(shop, noon, first, n=8)
    assert left not in items(second)
    assert left not in second.rankings["v0"]
    assert len(second.picks) == 6  # of twelve items two were gone before, three were shown
    assert replay(shop.log).divergences == []


def test_given_candidates_are_drafted_over_pages_too(shop: Engine, noon: float) -> None:
    start(shop, noon, trial())
    first = ask(shop, noon, "d", n=3, candidates=("i0", "i1", "i2", "i5", "i6"))
    assert {*items(first), *items(turn(shop, noon, first))} == {"i0", "i1", "i2", "i5", "i6"}


@pytest.mark.parametrize("interleave", METHODS)
def test_what_rules_place_stands_in_its_place_and_speaks_for_nobody(
    shop: Engine, noon: float, interleave: Interleave
) -> None:
    pin = {"name": "r", "action": "pin", "items": ["i7"], "positions": [1]}
    shop.commit(recorded_rule(shop.model.state, converted(pin)), at=noon)
    experiment = trial(interleave)
    start(shop, noon, experiment)
    for k in range(10):
        first = ask(shop, noon, f"d{k}", n=3)
        second = turn(shop, noon, first)
        assert [(pick.item, pick.team) for pick in first.picks if pick.rule is not None] == [("i7", None)]
        assert items(first)[1] == "i7"
        assert len({*items(first), *items(second)}) == 6
        slate = merged(experiment, first)
        assert not any("i7" in ranking for ranking in (*first.rankings.values(), *second.rankings.values()))
        assert METHOD[slate.method].earned(duels(slate)[0], [(1, 1.0)]) == (0.0, 0.0)
        if interleave in ("team_draft", "balanced"):
            assert chances(slate, [(1, 1.0)]).tie == pytest.approx(1.0)
            assert sum(chances(slate, [(1, 1.0), (2, 1.0)])) == pytest.approx(1.0)
        if interleave == "team_draft":
            assert {first.picks[0].team, first.picks[2].team} == {"v0", "v1"}
    assert replay(shop.log).divergences == []


def test_a_page_after_the_experiment_has_ended_is_an_ordinary_one(shop: Engine, noon: float) -> None:
    start(shop, noon, trial())
    first = ask(shop, noon, "d", n=3)
    shop.commit([ExperimentMoved("x", "stopped")], at=noon)
    second = turn(shop, noon, first)
    assert (second.rankings, second.assignments) == ({}, ())
    assert turn(shop, noon, second).request.drafted is None


@pytest.mark.parametrize("interleave", METHODS)
def test_nobody_learns_from_interleaved_slates_of_rankings_that_explore(
    shop: Engine, noon: float, interleave: Interleave
) -> None:
    start(shop, noon, trial(interleave))
    assert ask(shop, noon, "d").teaches == ()


def by_hand(*order: str) -> dict[str, Any]:
    """A strategy that always ranks these items in this order."""
    return {
        "policy": {
            "kind": "fixed",
            "table": {item: [float(at == k) for k in range(4)] for at, item in enumerate(order)},
        }
    }


def test_an_exact_mixture_teaches_those_that_learn(shop: Engine, noon: float) -> None:
    strategies = {"greedy": GREEDY, "falling": by_hand("i2", "i1", "i0")}
    shop.commit(
        definitions(shop.model.state, surfaces={"related": {"strategy": "greedy"}}, strategies=strategies), at=noon
    )
    start(shop, noon, trial("probabilistic", "greedy", "falling"))
    given = {"n": 3, "candidates": ("i0", "i1", "i2")}
    assert ask(shop, noon, "untaught", **given).teaches == ()  # all scores are 0, and ties are drawn
    for k in range(10):
        request = Request("related", noon, **given)
        decided = shop.rank(request, decision=f"r{k}", at=noon)
        shop.commit([shop.reward(decided.decision, "click", 1.0, item="i1")], at=noon)
    shop.catch_up()
    shop.commit([ItemPut("i11")], at=noon + 1000.0)  # closes the windows
    shop.model.publish()
    decided = ask(shop, noon + 1000.0, "taught", **given)
    assert decided.rankings["v0"][0] == "i1"
    assert decided.teaches == ("greedy",)
    learned = shop.model.learners["greedy"].learned
    shop.commit([ItemPut("i11")], at=noon + 2000.0)
    assert shop.model.learners["greedy"].learned == learned + 3


def test_chances_of_an_exact_mixture_are_the_picks_propensities(shop: Engine, noon: float) -> None:
    strategies = {"rising": by_hand("i0", "i1", "i2"), "falling": by_hand("i2", "i1", "i0")}
    start(shop, noon, trial("probabilistic", "rising", "falling"), **strategies)
    # 1, 1/8 and 1/27 for ranks 1, 2 and 3; i0 and i2 are first for one and last for the other.
    total = 1 + 1 / 8 + 1 / 27
    expected = {"i0": (1 + 1 / 27) / total / 2, "i1": 1 / 8 / total, "i2": (1 + 1 / 27) / total / 2}
    for k in range(20):
        decided = ask(shop, noon, f"d{k}", n=3, user=f"u{k}", candidates=("i0", "i1", "i2"))
        assert decided.rankings == {"v0": ("i0", "i1", "i2"), "v1": ("i2", "i1", "i0")}
        assert decided.interleaved == Interleaved("probabilistic", exact=True)
        assert decided.teaches == ()  # such policies learn nothing
        assert decided.picks[0].propensity == pytest.approx(expected[decided.picks[0].item])
        assert decided.picks[2].propensity == 1.0
        reward = float(decided.picks[0].item == "i0")
        shop.commit([shop.reward(decided.decision, "click", reward, position=0)], at=noon)
    assert evaluate(shop.log, Question(("random",), pending=True)).decisions == 20
    assert replay(shop.log).divergences == []


def test_a_reward_counts_for_the_team_of_its_own_slate(shop: Engine, noon: float) -> None:
    # The same item may have been another team's in an earlier slate of this user.
    experiment = trial(metrics=(Metric("click", "click"),))
    start(shop, noon, experiment)
    found: dict[str, set[str]] = {}
    for k in range(40):
        decided = ask(shop, noon, f"d{k}")
        pick = decided.picks[0]
        found.setdefault(pick.item, set()).add(str(pick.team))
        reward = shop.reward(decided.decision, "click", 1.0, item=pick.item)
        assert (reward.position, reward.item) == (0, pick.item)
        shop.commit([reward], at=noon)
    assert any(len(teams) == 2 for teams in found.values())
    mine = [
        (duels(merged(experiment, entry.fact))[0][0]) for entry in entries(shop.log) if isinstance(entry.fact, Decided)
    ]
    arms = report(shop.log, "x").variants
    assert [arm.metrics[0].total for arm in arms] == [sum(one[side] for one in mine) for side in (0, 1)]


@pytest.mark.parametrize("interleave", ["team_draft", "balanced"])
def test_the_coins_that_might_have_been_are_known_from_what_was_recorded(
    shop: Engine, noon: float, interleave: Interleave
) -> None:
    experiment = trial(interleave)
    start(shop, noon, experiment)
    for k in range(10):
        first = ask(shop, noon, f"d{k}", n=3)
        for decided in (first, turn(shop, noon, first)):
            slate = merged(experiment, decided)
            loss, tie, win = chances(slate, [(0, 1.0)])
            assert loss + tie + win == pytest.approx(1.0)
            assert {-1: loss, 0: tie, 1: win}[won(slate, [(0, 1.0)])] > 0
            if interleave == "team_draft":
                # Given the first page, whose turn the fourth position is has been decided.
                assert (loss, win) in ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0))


@pytest.mark.parametrize("interleave", METHODS)
def test_the_report_finds_the_ranking_whose_items_are_wanted(shop: Engine, noon: float, interleave: Interleave) -> None:
    strategies = {"rising": by_hand("i0", "i1", "i2", "i5"), "falling": by_hand("i5", "i2", "i1", "i0")}
    start(shop, noon, trial(interleave, "rising", "falling", analysis=ONCE), **strategies)
    slates = wins = 0
    for k in range(60):
        decided = ask(shop, noon, f"d{k}", n=3, user=f"u{k}", candidates=("i0", "i1", "i2", "i5"))
        wanted = "i0" if k % 6 == 0 else "i5"
        if wanted in items(decided):
            shop.commit([shop.reward(decided.decision, "click", 1.0, item=wanted)], at=noon)
            slates, wins = slates + 1, wins + (wanted == "i5")
    shop.commit([ExperimentMoved("x", "stopped")], at=noon)
    found = report(shop.log, "x")
    assert (found.verdict.outcome, found.verdict.variant) == ("ship", "v1")
    votes = found.comparisons[0].votes
    assert votes is not None
    assert (votes.impressions, votes.users) == (slates, slates)
    # Their rankings are opposites, so team draft alone may give an item to whoever ranks it last.
    if interleave != "team_draft":
        assert votes.win_rate == wins / slates


def test_each_of_two_treatments_is_compared_with_the_control(shop: Engine, noon: float) -> None:
    strategies = {
        "rising": by_hand("i0", "i1", "i2", "i5"),
        "good": by_hand("i5", "i1", "i2", "i0"),
        "same": by_hand("i0", "i1", "i2", "i5"),
    }
    start(shop, noon, trial("team_draft", "rising", "good", "same", analysis=ONCE), **strategies)
    for k in range(60):
        decided = ask(shop, noon, f"d{k}", n=2, user=f"u{k}", candidates=("i0", "i1", "i2", "i5"))
        wanted = "i5" if k % 4 else "i0"
        if wanted in items(decided):
            shop.commit([shop.reward(decided.decision, "click", 1.0, item=wanted)], at=noon)
    good, same = report(shop.log, "x").comparisons
    assert (good.variant, same.variant) == ("v1", "v2")
    assert good.low is not None
    assert good.low > 0
    assert good.p_value is not None
    assert good.p_adjusted is not None
    assert good.p_adjusted >= good.p_value
    assert same.low is None or same.low < 0 < (same.high or 0)


def test_chances_are_the_share_of_coins_by_which_either_wins() -> None:
    # The first two positions are one round: whoever goes first has the better one.
    slate = Merged("team_draft", [list("ab"), list("cd")], (), [Placed("a", 0), Placed("c", 1)])
    assert chances(slate, [(0, 1.0)]) == Chances(0.5, 0.0, 0.5)
    assert chances(slate, [(0, 1.0), (1, 1.0)]) == Chances(0.0, 1.0, 0.0)
    assert won(slate, [(0, 1.0)]) == -1
