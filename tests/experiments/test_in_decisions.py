"""Experiments as requests meet them: what is shown, recorded, learned from, shipped and made again."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bandstand.cli.check import checked
from bandstand.configuration import definitions, described, raw, recorded, shipped, started
from bandstand.engine import Engine
from bandstand.erasure import erase
from bandstand.errors import ConflictError, InputError
from bandstand.events import Assignment, Decided, ExperimentMoved, ExperimentPut, Request, UserPut
from bandstand.experiments.definition import Experiment, Metric, Variant
from bandstand.model import Model, fold
from bandstand.policy.explore import EpsilonGreedy, Softmax
from bandstand.recipe import behind
from bandstand.replay import replay
from bandstand.report import report

MARGIN = Metric("g", "click", role="guardrail", margin=0.02)
AB = Experiment("x", "home", (Variant("a", "default", 0.5), Variant("b", "default", 0.5)), start=True)
BOLD = {"policy": {"epsilon": 0.9}, "candidates": 7, "generators": {"popular": 1.0}}
VARIED = replace(AB, variants=(Variant("a", "default", 0.5), Variant("b", "default", 0.5, BOLD)))


def begin(engine: Engine, experiment: Experiment, now: float) -> None:
    engine.commit(recorded(engine.model.state, experiment), at=now)


def ask(engine: Engine, k: int, now: float, **fields: Any) -> Decided:
    request = Request("home", now, user=f"user-{k}")
    return engine.rank(replace(request, **fields), decision=f"d{k} {sorted(fields)} {now}", at=now)


def sides(engine: Engine, now: float, count: int = 40) -> list[str]:
    return [one.variant for k in range(count) for one in ask(engine, k, now).assignments]


def test_parameters_change_the_strategy_for_their_variant_only(shop: Engine, noon: float) -> None:
    begin(shop, VARIED, noon)
    for k in range(40):
        decided = ask(shop, k, noon)
        (assignment,) = decided.assignments
        sources = {source.name for pick in decided.picks for source in pick.sources}
        assert len(decided.picks) == (7 if assignment.variant == "b" else 10)
        assert assignment.variant == "a" or sources == {"popular"}
    found = behind(shop.model.state, "x/b")
    assert found is not None
    assert found.policy == EpsilonGreedy(epsilon=0.9)
    assert behind(shop.model.state, "x/a") == shop.model.state.strategies["default"]
    assert replay(shop.log).diverged == 0


def test_a_variant_with_parameters_is_shipped_as_a_strategy_of_its_own(shop: Engine, noon: float) -> None:
    begin(shop, replace(VARIED, surface=None, surfaces=("home", "related")), noon)
    ask(shop, 1, noon)
    shop.commit([ExperimentMoved("x", "shipped", "b")], at=noon)
    state = shop.model.state
    assert (state.surfaces["home"].strategy, state.surfaces["related"].strategy) == ("x/b", "x/b")
    decided = ask(shop, 2, noon)
    assert (decided.strategy, decided.scored_by, len(decided.picks)) == ("x/b", "x/b", 7)
    assert state.strategies["default"].candidates == 200
    assert fold(Model(), shop.log.read(limit=1000)).state.strategies == state.strategies
    assert replay(shop.log).diverged == 0


def test_settings_that_name_what_was_replaced_do_not_undo_a_shipping(shop: Engine, noon: float) -> None:
    def told(**home: Any) -> str:
        shop.commit(definitions(shop.model.state, surfaces={"home": home}), at=noon)
        return shop.model.state.surfaces["home"].strategy

    told(n=5)
    for name, winner in (("x", "b"), ("y", "b")):
        begin(shop, replace(VARIED, name=name), noon)
        shop.commit([shipped(shop.model.state, name, winner)], at=noon)
    assert definitions(shop.model.state, surfaces={"home": {"n": 5}}) == []
    assert told(n=6) == "y/b"
    assert Model.load(shop.model.dump()).state.replaced == {"home": "default"}
    assert told(strategy="random") == "random"
    assert told() == "default"


@pytest.mark.parametrize("method", ["ab", "interleave"])
def test_a_forced_variant_is_marked_teaches_nothing_and_is_no_part_of_the_figures(
    shop: Engine, noon: float, method: Any
) -> None:
    begin(shop, replace(VARIED, method=method), noon)
    forced = ask(shop, 1, noon, force={"x": "b"})
    assert forced.assignments == (Assignment("x", "b", "default", forced=True),)
    assert (len(forced.picks), forced.teaches) == (7, ())
    assert sum(arm.units for arm in report(shop.log, "x").variants) == 0
    assert replay(shop.log).diverged == 0


def test_units_of_a_sticky_experiment_stay_when_its_weights_change_and_newcomers_follow_them(
    shop: Engine, noon: float
) -> None:
    begin(shop, replace(AB, sticky=True), noon)
    before = sides(shop, noon)
    weighed = (Variant("a", "default", 0.1), Variant("b", "default", 0.9))
    begin(shop, replace(AB, sticky=True, variants=weighed), noon)
    assert sides(shop, noon + 1) == before
    newcomers = [ask(shop, k, noon).assignments[0] for k in range(100, 140)]
    assert {one.phase for one in newcomers} == {1}
    # P(X <= 26) of a binomial with n = 40 and p = 0.9 is 1e-5; under the old weights 20 are expected.
    assert sum(one.variant == "b" for one in newcomers) > 26
    assert replay(shop.log).diverged == 0
    assert Model.load(shop.model.dump()).state.trials["x"] == shop.model.state.trials["x"]


def test_a_user_who_is_erased_is_not_remembered_by_an_experiment(shop: Engine, noon: float) -> None:
    begin(shop, replace(AB, sticky=True), noon)
    begin(shop, replace(AB, name="y", surface="related", unit="device", sticky=True, layer="devices"), noon)
    for k in range(3):
        ask(shop, k, noon)
        ask(shop, k, noon, surface="related", device=f"phone-{k}")
    shop.commit([erase(shop.log, "user-1", pseudonym="erased-1")], at=noon)
    kept = {name: set(trial.kept) for name, trial in shop.model.state.trials.items()}
    assert kept == {"x": {"user-0", "user-2"}, "y": {"phone-0", "phone-2"}}
    anew = fold(Model(), shop.log.read(limit=1000)).state.trials
    assert {name: set(trial.kept) for name, trial in anew.items()} == kept
    assert not any(b"phone-1" in str(entry.fact).encode() for entry in shop.log.read(limit=1000))


def test_who_is_held_out_sees_the_surfaces_own_strategy(shop: Engine, noon: float) -> None:
    begin(shop, AB, noon)
    assert len(sides(shop, noon)) == 40
    with pytest.raises(ConflictError, match=r"0 to 0\.5 would take units out of experiments that are running, x; stop"):
        definitions(shop.model.state, holdout=0.5)
    shop.commit([ExperimentMoved("x", "stopped")], at=noon)
    shop.commit(definitions(shop.model.state, holdout=0.5), at=noon)
    begin(shop, replace(AB, name="y"), noon)
    assert definitions(shop.model.state, holdout=0.5) == []
    # P(|X - 20| > 13) of a binomial with n = 40 and p = 0.5 is 2e-5.
    assert 7 <= len(sides(shop, noon + 1)) <= 33
    assert len(definitions(shop.model.state, holdout=0.2)) == 1  # nobody has to leave
    assert replay(shop.log).diverged == 0


def test_a_strategy_cannot_change_under_a_running_experiment(shop: Engine, noon: float) -> None:
    begin(shop, AB, noon)
    with pytest.raises(ConflictError, match="'default': it cannot change while experiment 'x' compares it; stop that"):
        definitions(shop.model.state, strategies={"default": {"candidates": 5}})
    assert definitions(shop.model.state, strategies={"default": {}, "random": {"candidates": 5}})
    shop.commit([ExperimentMoved("x", "stopped")], at=noon)
    assert definitions(shop.model.state, strategies={"default": {"candidates": 5}})


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_holdout_must_be_a_share(empty: Engine, share: float) -> None:
    with pytest.raises(InputError, match="must be at least 0 and below 1"):
        definitions(empty.model.state, holdout=share)


def test_an_experiment_with_a_time_to_start_begins_then(shop: Engine, noon: float) -> None:
    begin(shop, replace(AB, starts=noon + 60), noon)
    assert sides(shop, noon + 59, 5) == []
    assert len(sides(shop, noon + 60, 5)) == 5


def test_an_experiment_cannot_start_in_the_past(shop: Engine, noon: float) -> None:
    late = replace(AB, starts=noon - 90, start=False)
    with pytest.raises(InputError, match=r"'x': starts 2026-.*Z, which was 0:01:30 before now; name a later time, or"):
        recorded(shop.model.state, late)
    shop.commit(recorded(shop.model.state, replace(late, starts=noon + 1)), at=noon)
    shop.commit([ExperimentMoved("x", "archived")], at=noon + 2)
    shop.commit(recorded(shop.model.state, replace(late, name="y", starts=noon + 3)), at=noon)
    ask(shop, 1, noon + 4)
    with pytest.raises(InputError, match="name a later time"):
        started(shop.model.state, "y")


@pytest.mark.parametrize("written", ["2026-12-01T08:00:00Z", "2026-12-01T09:00:00+01:00", 1796112000.0])
def test_a_time_to_start_is_read_as_people_write_it(written: object) -> None:
    assert described({"name": "x", "starts": written}).starts == 1796112000.0


@pytest.mark.parametrize("written", ["tomorrow", "2026-12-01T08:00:00", "2026-12-01"])
def test_a_time_to_start_without_an_offset_is_refused(written: object) -> None:
    with pytest.raises(InputError, match="must be a time with its offset, as 2026-12-01T08:00:00Z") as caught:
        described({"name": "x", "starts": written})
    assert caught.value.field == "starts"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"polizy": {}}, "parameters of strategy 'default': Object contains unknown field `polizy`"),
        ({"candidates": 0}, "parameters of strategy 'default': Expected `int` >= 1"),
        ({"policy": {"kind": "guess"}}, "parameters of strategy 'default': Invalid value 'guess'"),
        ({"generators": {"oracle": 1.0}}, "generator 'oracle' is not defined; known: "),
    ],
)
def test_parameters_that_make_no_strategy_are_refused(shop: Engine, parameters: dict[str, Any], message: str) -> None:
    wrong = replace(AB, variants=(AB.variants[0], Variant("b", "default", 0.5, parameters)))
    with pytest.raises(InputError) as caught:
        recorded(shop.model.state, wrong)
    assert str(caught.value).startswith("experiment 'x': variant 'b': ")
    assert message in str(caught.value)
    assert caught.value.field == "variants[1].parameters"


def test_another_kind_of_policy_replaces_the_table_whole(shop: Engine, noon: float) -> None:
    softer = {"policy": {"kind": "softmax", "temperature": 0.5}}
    begin(shop, replace(AB, variants=(AB.variants[0], Variant("b", "default", 0.5, softer))), noon)
    found = behind(shop.model.state, "x/b")
    assert found is not None
    assert found.policy == Softmax(temperature=0.5)


def test_a_metric_of_a_reward_that_no_surface_knows_is_refused_where_they_are_named(shop: Engine, noon: float) -> None:
    odd = replace(AB, metrics=(Metric("m", "clik"),))
    recorded(shop.model.state, odd)  # the surface takes any reward
    shop.commit(definitions(shop.model.state, surfaces={"home": {"rewards": {"click": 1, "buy": 5}}}), at=noon)
    with pytest.raises(
        InputError, match="metric 'm': reward 'clik' is not defined; known: buy, click; name it in"
    ) as e:
        recorded(shop.model.state, odd)
    assert e.value.field == "metrics[0].reward"


@pytest.mark.parametrize(
    ("metric", "field"),
    [
        (Metric("m", "click", "ratio", per="seen"), "per"),
        (Metric("m", kind="custom", expression="count('seen') / count('click')"), "expression"),
        (Metric("m", "click", covariates=("before", "sum('seen')")), "covariates"),
    ],
    ids=["per", "expression", "covariates"],
)
def test_every_reward_that_a_metric_names_must_be_known(shop: Engine, noon: float, metric: Metric, field: str) -> None:
    shop.commit(definitions(shop.model.state, surfaces={"home": {"rewards": {"click": 1, "buy": 5}}}), at=noon)
    with pytest.raises(InputError, match="metric 'm': reward 'seen' is not defined; known: buy, click") as caught:
        recorded(shop.model.state, replace(AB, metrics=(metric,)))
    assert caught.value.field == f"metrics[0].{field}"
    views = Metric("m", kind="custom", expression="interactions('seen')")  # interactions need no value
    assert recorded(shop.model.state, replace(AB, metrics=(views,)))


def test_an_interleaving_that_runs_may_grow_though_it_wishes_what_is_now_refused(shop: Engine, noon: float) -> None:
    guarded = replace(AB, method="interleave", traffic=0.5, metrics=(*AB.metrics, MARGIN))
    with pytest.raises(InputError, match=r"metric 'g': margin is 0\.02"):
        recorded(shop.model.state, guarded)
    shop.commit([ExperimentPut("x", raw(guarded)), ExperimentMoved("x", "running")], at=noon)
    assert recorded(shop.model.state, replace(guarded, traffic=1.0))


def test_a_salt_is_used_once_since_the_same_units_would_meet_again(shop: Engine, noon: float) -> None:
    begin(shop, AB, noon)
    elsewhere = replace(AB, name="y", surface="related", layer="other", salt="x")
    with pytest.raises(
        InputError, match="salt 'x' split the units of 'x' already, and would split them alike"
    ) as caught:
        recorded(shop.model.state, elsewhere)
    assert caught.value.field == "salt"
    assert recorded(shop.model.state, replace(elsewhere, salt=None))


def test_a_draft_whose_salt_was_used_meanwhile_cannot_start(shop: Engine, noon: float) -> None:
    begin(shop, replace(AB, name="y", surface="related", layer="other", salt="x", start=False), noon)
    begin(shop, AB, noon)
    with pytest.raises(InputError, match="salt 'x' split the units of 'x' already"):
        started(shop.model.state, "y")


def test_only_who_fits_the_audience_takes_part(shop: Engine, noon: float) -> None:
    begin(shop, replace(AB, audience='context.device == "mobile" and user.plan != "free"'), noon)
    shop.commit([UserPut("user-1", {"plan": "pro"}), UserPut("user-2", {"plan": "free"})], at=noon)
    took = {k: bool(ask(shop, k, noon, context={"device": "mobile"}).assignments) for k in range(3)}
    assert took == {0: False, 1: True, 2: False}  # of user-0 no plan is known
    assert ask(shop, 1, noon + 1, context={"device": "tv"}).assignments == ()
    shop.commit([UserPut("user-1", {"plan": "pro"}, personalize=False)], at=noon)
    assert ask(shop, 1, noon + 2, context={"device": "mobile"}).assignments == ()
    assert replay(shop.log).diverged == 0


@pytest.mark.parametrize(
    ("audience", "message"),
    [
        ("item.price > 5", "audience 'item.price > 5' asks about items, must ask about context and user only"),
        ("device == 'tv'", "experiment 'x': audience: expression \"device == 'tv'\": 'device' is not known"),
        ("__import__('os')", "it is not allowed"),
    ],
)
def test_an_audience_is_a_condition_on_context_and_user(shop: Engine, audience: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        recorded(shop.model.state, replace(AB, audience=audience))
    assert message in str(caught.value)
    assert caught.value.field == "audience"


def test_check_knows_what_time_it_is_though_the_log_is_empty(tmp_path: Path) -> None:
    (tmp_path / "late.toml").write_text(
        'name = "late"\nsurface = "home"\nstarts = 2020-01-01T00:00:00Z\n'
        'variants = [{name = "a", strategy = "default", weight = 0.5}, {name = "b", strategy = "random", weight = 0.5}]'
    )
    (line,) = [one for one in checked(f"sqlite:///{tmp_path}/none.db", tmp_path) if one.kind == "experiment"]
    assert not line.ok
    assert "starts 2020-01-01T00:00:00Z, which was" in line.text


def test_check_refuses_what_the_server_would_as_the_files_do_not_fit_together(tmp_path: Path) -> None:
    for name, surface in (("first", "home"), ("second", "related")):
        (tmp_path / f"{name}.toml").write_text(
            f'name = "{name}"\nsurface = "{surface}"\nstart = true\n[[variants]]\nname = "a"\nweight = 0.5\n'
            '[[variants]]\nname = "b"\nweight = 0.5\nparameters = { policy = { epsilon = 0.2 }, candidates = 50 }'
        )
    first, second = [one for one in checked(f"sqlite:///{tmp_path}/none.db", tmp_path) if one.kind == "experiment"]
    assert first.ok
    assert "b (what ranks with policy.epsilon = 0.2, candidates = 50, 50%)" in first.text
    assert not second.ok
    assert "overlaps [0, 1) of 'first', which is running; free: nothing; on another surface" in second.text
