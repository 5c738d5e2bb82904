"""Frozen groups: units whose policies learn no more, from a moment on that the log alone tells."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from bandstand.configuration import recorded
from bandstand.engine import Engine, interaction
from bandstand.errors import ConflictError, InputError
from bandstand.events import Decided, ExperimentMoved, Request
from bandstand.experiments.assignment import assign, frozen
from bandstand.experiments.definition import Experiment, Variant, parse, problems
from bandstand.experiments.freeze import Freeze
from bandstand.follow import Follower, newest_model, newest_weights
from bandstand.model import Model, fold
from bandstand.replay import replay
from bandstand.store.memory import MemorySnapshots

DAY = 86_400.0
HALF = Experiment(
    "x",
    "home",
    (Variant("a", "default", 0.5), Variant("b", "popular", 0.5)),
    frozen=Freeze(0.5, 1.0),
    start=True,
)
LATER = 2 * DAY


def begin(engine: Engine, now: float, experiment: Experiment = HALF) -> None:
    engine.commit(recorded(engine.model.state, experiment), at=now)


def ask(engine: Engine, k: int, now: float, **fields: Any) -> Decided:
    request = replace(Request("home", now, user=f"user-{k}"), **fields)
    return engine.rank(request, decision=f"d{k} {now}", at=now)


def visits(engine: Engine, now: float, users: range = range(40)) -> list[Decided]:
    """One visit of each user, a second apart, each with a click on the first pick."""
    found = []
    for k in users:
        found.append(ask(engine, k, now + k))
        engine.commit([engine.reward(found[-1].decision, "click", 1.0, position=0)], at=now + k)
    return found


def published(engine: Engine, now: float) -> None:
    """Time passes until `now`, and servers know what was learned until then."""
    engine.commit([interaction("i1", "view", user="somebody")], at=now)
    engine.model.publish()


def groups(decisions: list[Decided]) -> set[str]:
    return {one.assignments[0].group for one in decisions}


@pytest.fixture
def frozen_shop(shop: Engine, noon: float) -> Engine:
    """A shop where the experiment has run for two days, and frozen its weights after the first."""
    begin(shop, noon)
    visits(shop, noon)
    published(shop, noon + LATER)
    return shop


def test_before_the_freeze_every_unit_is_served_and_teaches_like_all_others(shop: Engine, noon: float) -> None:
    begin(shop, noon)
    before = visits(shop, noon)
    published(shop, noon + DAY - 1)
    before += visits(shop, noon + DAY - 100, range(40, 60))
    assert groups(before) == {""}
    assert {one.teaches for one in before} == {("x/a",), ()}  # what is popular is never taught
    assert shop.model.frozen == {}


def test_after_it_the_group_is_served_by_its_variants_frozen_weights_and_teaches_nothing(
    frozen_shop: Engine, noon: float
) -> None:
    decisions = visits(frozen_shop, noon + LATER + 60)
    assert groups(decisions) == {"", "frozen"}
    for one in decisions:
        (assignment,) = one.assignments
        user = one.request.user
        assert user is not None
        variant = assign(HALF, user)
        assert variant is not None
        assert variant.name == assignment.variant
        assert (assignment.group == "frozen") == frozen(HALF, user)
        if assignment.group:
            assert (one.scored_by, one.teaches) == ("x/a/frozen/" if assignment.variant == "a" else "", ())
        else:
            assert (one.scored_by, one.teaches) == (("x/a", ("x/a",)) if assignment.variant == "a" else ("", ()))
    learned = frozen_shop.model.learners["x/a"].learned
    published(frozen_shop, noon + 2 * LATER)
    weights = frozen_shop.model.published.weights
    assert weights["x/a"].learned == frozen_shop.model.learners["x/a"].learned > learned
    assert weights["x/a/frozen/"].learned == learned
    assert replay(frozen_shop.log).divergences == []


def test_weights_freeze_as_they_were_at_that_moment_however_long_nothing_came(shop: Engine, noon: float) -> None:
    """Windows of visits just before the freeze close after it; both are seen at once, by an entry a day later."""
    begin(shop, noon)
    visits(shop, noon)
    visits(shop, noon + DAY - 100)
    cut = shop.log.head()
    published(shop, noon + LATER)
    until = fold(Model(), shop.log.read(limit=cut))
    until.learners["x/a"].changed = True
    then, now = until.publish().weights["x/a"], shop.model.published.weights
    assert 0 < now["x/a/frozen/"].learned == then.learned < now["x/a"].learned
    np.testing.assert_array_equal(now["x/a/frozen/"].table, then.table)
    assert shop.model.published.frozen == {"x": noon + DAY}


def test_a_variant_that_was_never_taught_freezes_untaught(shop: Engine, noon: float) -> None:
    begin(shop, noon)
    published(shop, noon + LATER)
    decided = visits(shop, noon + LATER + 1)
    assert shop.model.published.weights["x/a/frozen/"].learned == 0
    assert groups(decided) == {"", "frozen"}
    published(shop, noon + 2 * LATER)
    assert shop.model.published.weights["x/a"].learned > 0
    assert replay(shop.log).divergences == []


def test_the_freeze_counts_from_when_people_may_take_part(shop: Engine, noon: float) -> None:
    begin(shop, noon, replace(HALF, starts=noon + DAY))
    published(shop, noon + LATER - 1)
    assert shop.model.published.frozen == {}
    published(shop, noon + LATER)
    assert shop.model.published.frozen == {"x": noon + LATER}


def test_nobody_is_served_by_frozen_weights_once_it_is_stopped(frozen_shop: Engine, noon: float) -> None:
    frozen_shop.commit([ExperimentMoved("x", "stopped")], at=noon + LATER + 1)
    published(frozen_shop, noon + LATER + 2)
    assert frozen_shop.model.published.frozen == {}
    assert "x/a/frozen/" not in frozen_shop.model.published.weights
    decided = ask(frozen_shop, 1, noon + LATER + 3)
    assert (decided.assignments, decided.scored_by) == ((), "default")
    assert replay(frozen_shop.log).divergences == []


def test_a_server_serves_frozen_weights_from_when_its_learner_has_published_them(shop: Engine, noon: float) -> None:
    snapshots = MemorySnapshots()
    server = Engine(Model(learning=False), shop.log)
    learner = Follower(Model(), shop.log, snapshots, weights_every_s=0.0, model_every_s=0.0)
    server.catch_up()
    begin(server, noon)
    assert groups(visits(server, noon)) == {""}
    server.commit([interaction("i1", "view", user="somebody")], at=noon + DAY - 1)
    learner.turn()
    assert newest_weights(snapshots, after=0) is not None
    # Nothing is learned any more, but the weights freeze, so that is published too.
    server.commit([interaction("i1", "view", user="somebody")], at=noon + LATER)
    assert groups(visits(server, noon + LATER + 1)) == {""}
    learner.turn()
    weights = newest_weights(snapshots, after=0)
    assert weights is not None
    assert server.model.adopt(weights)
    assert groups(visits(server, noon + LATER + 100)) == {"", "frozen"}
    # One that has only just started, and a learner that went on from its snapshot, know them too.
    fresh = Engine(newest_model(snapshots, shop.log, learning=False), shop.log)
    fresh.catch_up()
    assert groups(visits(fresh, noon + LATER + 200)) == {"", "frozen"}
    resumed = newest_model(snapshots, shop.log, learning=True)
    assert resumed.state.seq > 0
    assert resumed.frozen["x"].at == noon + DAY
    np.testing.assert_array_equal(
        fold(resumed, shop.log.read(after=resumed.state.seq)).publish().weights["x/a/frozen/"].table,
        weights.weights["x/a/frozen/"].table,
    )
    assert replay(shop.log).divergences == []


def test_variants_that_learn_from_everybody_learn_nothing_from_the_frozen_group(shop: Engine, noon: float) -> None:
    both = (Variant("a", "default", 0.5), Variant("b", "default", 0.5, {"policy": {"epsilon": 0.2}}))
    begin(shop, noon, replace(HALF, variants=both, learn_from="all"))
    assert {one.teaches for one in visits(shop, noon)} == {("x/a", "x/b")}
    published(shop, noon + LATER)
    after = visits(shop, noon + LATER + 1)
    assert {(one.assignments[0].group, one.teaches) for one in after} == {("", ("x/a", "x/b")), ("frozen", ())}


def test_what_all_variants_would_have_shown_is_of_frozen_policies_too(shop: Engine, noon: float) -> None:
    begin(shop, noon, replace(HALF, analysis=replace(HALF.analysis, trigger="changed")))
    visits(shop, noon)
    published(shop, noon + LATER)
    for one in visits(shop, noon + LATER + 1):
        assert one.rankings[one.assignments[0].variant] == tuple(pick.item for pick in one.picks)
    assert replay(shop.log).divergences == []


def test_a_forced_variant_is_served_by_weights_that_learn(frozen_shop: Engine, noon: float) -> None:
    (user,) = [k for k in range(40) if frozen(HALF, f"user-{k}")][:1]
    decided = ask(frozen_shop, user, noon + LATER + 1, force={"x": "a"})
    assert (decided.assignments[0].group, decided.scored_by) == ("", "x/a")


def test_the_group_is_drawn_apart_from_the_variant_and_the_layer() -> None:
    trial = replace(HALF, traffic=0.5, frozen=Freeze(0.3, 1.0))
    users = [f"user {k}" for k in range(20_000)]
    mine = {user: variant.name for user in users if (variant := assign(trial, user)) is not None}
    shares = [np.mean([frozen(trial, user) for user in mine if mine[user] == name]) for name in ("a", "b")]
    # Of some 5,000 each; the standard error of a share is 0.0065.
    assert shares == pytest.approx([0.3, 0.3], abs=0.026)
    larger = replace(trial, frozen=Freeze(0.4, 1.0))
    assert all(frozen(larger, user) for user in users if frozen(trial, user))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"frozen": Freeze(0.0, 1.0)}, "frozen: share is 0, must be between 0 and 1"),
        ({"frozen": Freeze(1.0, 1.0)}, "frozen: share is 1, must be"),
        ({"frozen": Freeze(float("nan"), 1.0)}, "frozen: share is nan, must be"),
        ({"frozen": Freeze(0.2, 0.0)}, "frozen: after_days is 0, must be above 0"),
        ({"frozen": Freeze(0.2, float("inf"))}, "frozen: after_days is inf, must be above 0"),
        ({"method": "interleave"}, "leave frozen out"),
        (
            {"variants": (Variant("a", weight=0.5), Variant("b", weight=0.5, parameters={"candidates": 9}))},
            "frozen asks for variants with strategies of their own",
        ),
    ],
)
def test_what_cannot_be_frozen_is_refused(fields: dict[str, Any], said: str) -> None:
    found = problems(replace(HALF, **fields), surfaces=["home"], strategies=["default", "popular"])
    assert any(said in one.message and one.field.startswith("frozen") for one in found)


def test_a_misspelt_field_of_it_is_named() -> None:
    with pytest.raises(InputError, match=r"frozen\.days: unknown field; known: share, after_days"):
        parse({"name": "x", "frozen": {"share": 0.2, "after_days": 1, "days": 7}})
    with pytest.raises(InputError, match=r"frozen\.after_days: missing; it is required"):
        parse({"name": "x", "frozen": {"share": 0.2}})


def test_it_cannot_change_once_the_experiment_runs_and_nobody_may_tune_what_is_frozen(
    shop: Engine, noon: float
) -> None:
    begin(shop, noon)
    with pytest.raises(ConflictError, match="frozen cannot change"):
        begin(shop, noon, replace(HALF, frozen=None))
    sides = (Variant("as it is", weight=0.5), Variant("few", weight=0.5, parameters={"candidates": 9}))
    tuner = Experiment("y", "home", sides, layer="other", start=True)
    with pytest.raises(InputError, match="'x' freezes what ranks there"):
        begin(shop, noon, tuner)
