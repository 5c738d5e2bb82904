"""Several experiments on one surface, in layers of their own: one says what ranks, others tune it."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from scipy.stats import chi2_contingency

from bandstand.configuration import definitions, recorded, shipped, started
from bandstand.engine import Engine
from bandstand.errors import BandstandError, ConflictError, InputError
from bandstand.events import Decided, ExperimentMoved, Request, Rewarded
from bandstand.experiments.definition import Experiment, Variant, problems
from bandstand.model import Model
from bandstand.recipe import behind, wanted_fits
from bandstand.replay import replay
from bandstand.report import report
from bandstand.strategy import varied

RANKS = Experiment("which", "home", (Variant("a", "default", 0.5), Variant("b", "random", 0.5)), start=True)
WIDTH = Experiment(
    "width",
    "home",
    (Variant("wide", weight=0.5), Variant("narrow", weight=0.5, parameters={"candidates": 4})),
    layer="width",
    start=True,
)
BOLD = {"policy": {"epsilon": 0.9}}
BOLDNESS = Experiment(
    "boldness",
    "home",
    (Variant("as it is", weight=0.5), Variant("bold", weight=0.5, parameters=BOLD)),
    layer="boldness",
    start=True,
)


def begin(engine: Engine, experiment: Experiment, now: float) -> None:
    engine.commit(recorded(engine.model.state, experiment), at=now)


def ask(engine: Engine, k: int, now: float, **fields: Any) -> Decided:
    request = replace(Request("home", now, user=f"user-{k}"), **fields)
    return engine.rank(request, decision=f"d{k} {sorted(fields)} {now}", at=now)


def got(decided: Decided) -> dict[str, str]:
    return {one.experiment: one.variant for one in decided.assignments}


def test_a_request_takes_part_in_all_of_them_and_their_hashes_know_nothing_of_each_other(
    shop: Engine, noon: float
) -> None:
    begin(shop, RANKS, noon)
    begin(shop, WIDTH, noon)
    table: Counter[tuple[str, str]] = Counter()
    for k in range(400):
        decided = ask(shop, k, noon)
        sides = got(decided)
        assert [*sides] == ["which", "width"]
        assert decided.strategy == {"a": "default", "b": "random"}[sides["which"]]
        assert (len(decided.picks) == 4) == (sides["width"] == "narrow")
        table[sides["which"], sides["width"]] += 1
    counts = [[table[side, width] for width in ("wide", "narrow")] for side in ("a", "b")]
    assert chi2_contingency(counts).pvalue > 1e-3
    assert replay(shop.log).diverged == 0


def test_each_combination_learns_alone_by_the_settings_of_all(shop: Engine, noon: float) -> None:
    begin(shop, WIDTH, noon)
    begin(shop, BOLDNESS, noon)
    begin(shop, replace(RANKS, variants=(Variant("a", "default", 0.5), Variant("b", "default", 0.5))), noon)
    state = shop.model.state
    taught = {ask(shop, k, noon).teaches for k in range(60)}
    assert len(taught) == 8
    assert ("which/a + width/narrow + boldness/bold",) in taught
    settings = behind(state, "which/a + width/narrow + boldness/bold")
    assert settings == varied(varied(state.strategies["default"], {"candidates": 4}), BOLD)
    assert behind(state, "default + width/narrow") == varied(state.strategies["default"], {"candidates": 4})
    assert behind(state, "default + width/unknown") is None


def test_what_was_learned_in_a_combination_is_what_it_serves_from(shop: Engine, noon: float) -> None:
    begin(shop, WIDTH, noon)
    decided = next(one for one in (ask(shop, k, noon) for k in range(20)) if got(one)["width"] == "narrow")
    assert decided.scored_by == "default + width/narrow"
    reward = Rewarded(decided.decision, "click", 1.0, "home", position=0, item=decided.picks[0].item)
    shop.commit([reward], at=noon + 1)
    ask(shop, 99, noon + 100_000)
    learned = {name for name, learner in shop.model.learners.items() if learner.learned}
    assert "default + width/narrow" in learned
    assert "default" not in learned


def test_the_report_of_each_reads_its_own_assignments(shop: Engine, noon: float) -> None:
    begin(shop, RANKS, noon)
    begin(shop, WIDTH, noon)
    for k in range(40):
        ask(shop, k, noon)
    assert [arm.variant for arm in report(shop.log, "width").variants] == ["wide", "narrow"]
    assert sum(arm.units for arm in report(shop.log, "width").variants) == 40
    assert sum(arm.units for arm in report(shop.log, "which").variants) == 40


def test_shipping_keeps_the_parameters_and_what_was_learned_with_them(shop: Engine, noon: float) -> None:
    begin(shop, WIDTH, noon)
    ask(shop, 1, noon)
    shop.commit([shipped(shop.model.state, "width", "narrow")], at=noon)
    decided = ask(shop, 2, noon)
    assert (decided.strategy, len(decided.picks)) == ("default + width/narrow", 4)
    assert decided.teaches == ("default + width/narrow",)
    assert Model.load(shop.model.dump()).state.surfaces == shop.model.state.surfaces
    assert replay(shop.log).diverged == 0


def test_it_is_not_shipped_while_strategies_of_their_own_are_compared_there(shop: Engine, noon: float) -> None:
    begin(shop, WIDTH, noon)
    begin(shop, RANKS, noon)
    with pytest.raises(ConflictError, match="'which' compares strategies there, which would go"):
        shipped(shop.model.state, "width", "narrow")
    assert shipped(shop.model.state, "which", "b").winner == "b"


def test_several_can_be_forced_together(shop: Engine, noon: float) -> None:
    begin(shop, RANKS, noon)
    begin(shop, WIDTH, noon)
    decided = ask(shop, 1, noon, force={"which": "b", "width": "narrow"})
    assert (decided.strategy, len(decided.picks), decided.teaches) == ("random", 4, ())
    begin(shop, replace(RANKS, name="other", start=False), noon)
    with pytest.raises(InputError, match="force: both 'which' and 'other' say which strategy ranks; force one"):
        ask(shop, 1, noon, force={"which": "b", "other": "a"})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(WIDTH, name="y", layer="y"), "both 'y' and 'width' change candidates; put both into layer 'width'"),
        (replace(RANKS, name="y", method="interleave"), "'y' merges whole rankings"),
        (replace(WIDTH, name="y", layer="y", learn_from="all"), "learn_from asks for variants with strategies of"),
        (replace(WIDTH, name="y + z", layer="y"), "'y \\+ z': the name must not contain ' \\+ '"),
        (
            replace(WIDTH, name="y", variants=(Variant("a", "default", 0.5), Variant("b", weight=0.5))),
            "variant 'b' names none; known: default, popular, random",
        ),
        (
            replace(RANKS, name="y", layer="y", variants=(RANKS.variants[0], Variant("b", "random", 0.5, BOLD))),
            "variant 'b': parameters of strategy 'random': Object contains unknown field `epsilon`",
        ),
        (
            replace(BOLDNESS, variants=(Variant("a", weight=0.5), Variant("b", weight=0.5, parameters={"n": 3}))),
            "strategy 'default' with the parameters of 'b', 'wide': Object contains unknown field `n`",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(
    shop: Engine, noon: float, other: Experiment, message: str
) -> None:
    begin(shop, WIDTH, noon)
    with pytest.raises(BandstandError, match=message):
        recorded(shop.model.state, other)


def test_parameters_must_fit_every_strategy_that_they_may_tune(shop: Engine, noon: float) -> None:
    begin(shop, BOLDNESS, noon)
    with pytest.raises(InputError, match="strategy 'random' with the parameters of 'bold': Object contains unknown"):
        recorded(shop.model.state, RANKS)
    shop.commit(recorded(shop.model.state, replace(RANKS, start=False)), at=noon)
    with pytest.raises(InputError, match="strategy 'random' with the parameters of 'bold'"):
        started(shop.model.state, "which")


def test_the_strategy_that_is_tuned_cannot_change_meanwhile(shop: Engine, noon: float) -> None:
    begin(shop, WIDTH, noon)
    with pytest.raises(ConflictError, match="surface 'home': its strategy cannot change while experiment 'width'"):
        definitions(shop.model.state, surfaces={"home": {"strategy": "random"}})
    shop.commit([ExperimentMoved("width", "stopped")], at=noon)
    assert definitions(shop.model.state, surfaces={"home": {"strategy": "random"}})


def test_weights_of_an_experiment_that_is_over_are_learned_on_when_its_strategy_changed(
    shop: Engine, noon: float
) -> None:
    begin(shop, BOLDNESS, noon)
    shop.commit([ExperimentMoved("boldness", "stopped")], at=noon)
    changed = definitions(shop.model.state, strategies={"default": {"policy": {"kind": "random"}}})
    shop.commit(changed, at=noon)
    assert behind(shop.model.state, "default + boldness/bold") == shop.model.state.strategies["default"]


def test_more_combinations_than_can_learn_are_refused(shop: Engine, noon: float) -> None:
    for field in ("candidates", "learning"):
        parameters: list[dict[str, Any]] = [
            {"candidates": k} if field == "candidates" else {"learning": {"rate": k / 100}} for k in range(1, 41)
        ]
        many = tuple(Variant(f"v{k}", weight=1 / 40, parameters=one) for k, one in enumerate(parameters))
        wanted = replace(WIDTH, name=field, layer=field, variants=many)
        if field == "candidates":
            begin(shop, wanted, noon)
    with pytest.raises(InputError, match="1600 combinations of variants on surface 'home', must be at most 1000"):
        recorded(shop.model.state, wanted)


def test_a_surface_where_nothing_overlaps_is_free_of_problems() -> None:
    known = {"surfaces": ["home"], "strategies": ["default", "random"]}
    assert problems(WIDTH, running=[RANKS, BOLDNESS], **known) == []


MISFIT = {"default": {"policy": {"kind": "popular"}}}
NAMED = replace(
    RANKS, variants=(Variant("a", "default", 0.5), Variant("b", "default", 0.5, parameters=BOLD)), start=False
)


def redefine(engine: Engine, now: float, **fields: Any) -> None:
    engine.commit(definitions(engine.model.state, **fields), at=now)


def end(engine: Engine, name: str, now: float) -> None:
    engine.commit([ExperimentMoved(name, "stopped", left="running")], at=now)


def test_strategy_that_is_tuned_cannot_change_meanwhile(shop: Engine, noon: float) -> None:
    begin(shop, BOLDNESS, noon)
    with pytest.raises(ConflictError, match="strategy 'default': it cannot change while experiment 'boldness' tunes"):
        redefine(shop, noon, strategies=MISFIT)
    redefine(shop, noon, strategies={"popular": {"candidates": 50}})
    end(shop, "boldness", noon)
    redefine(shop, noon, strategies=MISFIT)


@pytest.mark.parametrize("experiment", [replace(BOLDNESS, start=False), NAMED], ids=["tunes", "ranks"])
def test_draft_that_fits_no_more_is_neither_started_nor_forced_and_disturbs_nobody(
    experiment: Experiment, shop: Engine, noon: float
) -> None:
    begin(shop, experiment, noon)
    redefine(shop, noon, strategies=MISFIT)
    with pytest.raises(InputError, match="unknown field `epsilon`"):
        started(shop.model.state, experiment.name)
    with pytest.raises(InputError, match="do not fit what ranks here"):
        ask(shop, 1, noon, force={experiment.name: experiment.variants[1].name})
    assert ask(shop, 1, noon).strategy == "default"
    assert "collaborative" not in wanted_fits(shop.model.state)


@pytest.mark.parametrize("experiment", [BOLDNESS, replace(NAMED, start=True)], ids=["tunes", "ranks"])
def test_winner_that_fits_no_more_is_not_shipped_and_a_log_that_says_so_can_be_read(
    experiment: Experiment, shop: Engine, noon: float
) -> None:
    winner = experiment.variants[1].name
    begin(shop, experiment, noon)
    ask(shop, 1, noon)
    end(shop, experiment.name, noon)
    redefine(shop, noon, strategies=MISFIT)
    with pytest.raises(InputError, match=f"parameters of '{winner}': Object contains unknown field `epsilon`"):
        shipped(shop.model.state, experiment.name, winner)
    shop.commit([ExperimentMoved(experiment.name, "shipped", winner, left="stopped")], at=noon)
    assert ask(shop, 2, noon).strategy == "default"
    assert replay(shop.log).diverged == 0


def test_strategy_that_does_not_fit_those_who_tune_is_not_shipped_under_them(shop: Engine, noon: float) -> None:
    begin(shop, RANKS, noon)
    end(shop, "which", noon)
    begin(shop, BOLDNESS, noon)
    with pytest.raises(InputError, match="strategy 'random' with the parameters of 'bold'"):
        shipped(shop.model.state, "which", "b")
    shop.commit([shipped(shop.model.state, "which", "a")], at=noon)
    assert ask(shop, 1, noon).strategy == "default"
