"""The one idea, as properties: the log is the truth, the model a fold over it, a decision a function of the model."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bandstand.configuration import definitions, recorded, recorded_rule
from bandstand.engine import Engine, interaction
from bandstand.errors import InputError
from bandstand.events import (
    Decided,
    ExperimentMoved,
    HoldoutPut,
    Inline,
    ItemPut,
    ItemRemoved,
    Request,
    RuleRemoved,
    SignalsPut,
    UserPut,
)
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.freeze import Freeze
from bandstand.follow import Follower, newest_weights
from bandstand.model import Model, fold
from bandstand.replay import replay
from bandstand.rules import converted
from bandstand.store.memory import MemoryLog, MemorySnapshots

START = 1_795_000_000.0
ITEMS = [f"i{k}" for k in range(8)]
SURFACES = {"home": {"n": 3, "window_s": 30.0, "default_reward": -0.1, "rewards": {"click": 1.0, "buy": 3.0}}}
STRATEGIES = {
    "square": {"policy": {"kind": "squarecb", "gamma_scale": 5.0}, "learning": {"bits": 12}},
    "soft": {
        "policy": {"kind": "softmax"},
        "learning": {"bits": 12},
        "generators": {"content": 1.0, "popular": 1.0, "newcomers": 1.0},
        "diversity": {
            "mmr": 0.3,
            "dpp": 0.1,
            "calibration": 0.3,
            "seen": {"penalty": 0.5, "half_life_s": 60.0},
            "serendipity": 0.1,
            "newcomers": {"share": 0.2, "exposures": 3},
        },
    },
    "default": {"learning": {"bits": 12}},
}

items = st.sampled_from(ITEMS)
users = st.sampled_from(["ann", "bob", "cem"])
a_request = st.builds(
    dict,
    user=st.none() | users,
    session=st.none() | st.sampled_from(["s1", "s2"]),
    n=st.none() | st.integers(1, 5),
    context=st.fixed_dictionaries({}, optional={"device": st.sampled_from(["mobile", "tv"]), "item": items}),
    candidates=st.none()
    | st.lists(items | st.builds(Inline, st.just("own"), st.just({"price": 3.0})), max_size=5).map(tuple),
    exclude=st.lists(items, max_size=2).map(tuple),
    shown=st.booleans(),
)
RULES = [
    {"action": "promote", "items": ["i1", "i2"], "most": 1},
    {"action": "pin", "where": 'item.kind in ["a", "c"] and not (item.id == context.item)', "positions": [0, 2]},
    {"action": "sponsor", "where": "item.price == 3 or item.text == 'text 1'", "positions": [1]},
    {"action": "boost", "where": 'user.age == "old" and item.kind != "b"'},
    {"action": "bury", "where": 'item.kind == "b"', "audience": 'context.device == "tv"'},
    {"action": "block", "where": 'item.kind == "d" or item.price == 3'},
    {"action": "require", "where": 'item.text in ["text 0", "text 1"]', "audience": "user.newcomer"},
    {"action": "cap", "by": "kind", "most": 1},
]
an_action = st.one_of(
    st.tuples(st.just("rank"), a_request),
    st.tuples(
        st.just("reward"), st.integers(0, 5), st.none() | st.integers(0, 4), st.sampled_from(["click", "buy", "look"])
    ),
    st.tuples(st.just("expose"), st.integers(0, 5)),
    st.tuples(st.just("interact"), users, items),
    st.tuples(st.just("put"), items, st.integers(0, 3), st.booleans()),
    st.tuples(st.just("remove"), items),
    st.tuples(st.just("profile"), users, st.booleans(), items),
    st.tuples(st.just("wait"), st.floats(0, 60)),
    st.tuples(st.just("publish")),
    st.tuples(st.just("experiment"), st.sampled_from(["ab", "interleave"]), st.sampled_from(["own", "all"])),
    st.tuples(st.just("freeze"), users, items),
    st.tuples(st.just("stop")),
    st.tuples(st.just("rule"), st.sampled_from("xyz"), st.none() | st.sampled_from(RULES)),
    st.tuples(st.just("weigh"), st.sampled_from([0.1, 0.9])),
    st.tuples(st.just("holdout"), st.sampled_from([0.0, 0.4])),
    st.tuples(st.just("signals"), st.sampled_from([0.0, 0.5, 5.0])),
)
histories = st.lists(an_action, min_size=1, max_size=40)


class Story:
    """An engine to which a list of actions happens."""

    def __init__(self, engine: Engine, publish: Callable[[], object]) -> None:
        self.engine = engine
        self.now = START
        self.decisions: list[str] = []
        self.trials = 0
        self._publish = publish
        commit(engine, definitions(engine.model.state, surfaces=SURFACES, strategies=STRATEGIES), at=START)
        commit(
            engine,
            [ItemPut(item, {"kind": "ab"[k % 2], "text": f"text {k % 3}"}) for k, item in enumerate(ITEMS)],
            at=START,
        )

    def tell(self, actions: list[tuple[object, ...]]) -> None:
        for action in actions:
            self.now += 1
            getattr(self, f"_{action[0]}")(*action[1:])

    def _rank(self, fields: dict[str, object]) -> None:
        decision = f"d{len(self.decisions)}"
        self.engine.rank(Request("home", self.now, **fields), decision=decision, at=self.now)
        self.decisions.append(decision)

    def _reward(self, back: int, position: int | None, name: str) -> None:
        if back < len(self.decisions):
            try:
                fact = self.engine.reward(self.decisions[-1 - back], name, 1.0, position=position)
            except InputError:
                return  # that position was not in the slate
            commit(self.engine, [fact], at=self.now)

    def _expose(self, back: int) -> None:
        if back < len(self.decisions):
            commit(self.engine, [self.engine.exposure(self.decisions[-1 - back])], at=self.now)

    def _interact(self, user: str, item: str) -> None:
        commit(self.engine, [interaction(item, "view", user=user)], at=self.now)

    def _signals(self, worth: float) -> None:
        commit(self.engine, [SignalsPut({"buy": worth})], at=self.now)

    def _rule(self, name: str, fields: dict[str, object] | None) -> None:
        facts = [RuleRemoved(name)]
        if fields is not None:
            facts = recorded_rule(self.engine.model.state, converted({"name": name} | fields))
        commit(self.engine, facts, at=self.now)

    def _put(self, item: str, kind: int, available: bool) -> None:
        commit(self.engine, [ItemPut(item, {"kind": "abcd"[kind]}, available=available)], at=self.now)

    def _remove(self, item: str) -> None:
        commit(self.engine, [ItemRemoved(item)], at=self.now)

    def _profile(self, user: str, personalize: bool, blocked: str) -> None:
        commit(
            self.engine, [UserPut(user, {"age": "old"}, personalize=personalize, blocked_items=(blocked,))], at=self.now
        )

    def _wait(self, seconds: float) -> None:
        self.now += seconds

    def _experiment(self, method: str, learn_from: str) -> None:
        self._stop()
        self.trials += 1
        variants = (Variant("a", "square", 0.5), Variant("b", "soft", 0.5, {"candidates": 3}))
        trial = Experiment(
            f"trial {self.trials}",
            "home",
            variants,
            method=method,
            learn_from=learn_from,
            sticky=method == "ab",
            frozen=Freeze(0.5, 5.0 / 86_400) if method == "ab" else None,
            start=True,
        )
        commit(self.engine, recorded(self.engine.model.state, trial), at=self.now)

    def _freeze(self, user: str, item: str) -> None:
        """Time passes for a running experiment until its weights freeze, servers hear of it, and everybody comes."""
        if f"trial {self.trials}" not in self.engine.model.state.trials:
            self._experiment("ab", "own")
        self.now += 10.0
        self._interact(user, item)
        self._publish()
        for who in ("ann", "bob", "cem"):
            self._rank({"user": who})

    def _weigh(self, share: float) -> None:
        trial = self.engine.model.state.trials.get(f"trial {self.trials}")
        if trial is not None and trial.stage == "running" and trial.definition.sticky:
            a, b = trial.definition.variants
            variants = (replace(a, weight=share), replace(b, weight=1 - share))
            changed = replace(trial.definition, variants=variants)
            commit(self.engine, recorded(self.engine.model.state, changed), at=self.now)

    def _holdout(self, share: float) -> None:
        self._stop()
        commit(self.engine, [HoldoutPut(share)], at=self.now)

    def _stop(self) -> None:
        name = f"trial {self.trials}"
        if self.trials and self.engine.model.state.trials[name].stage == "running":
            commit(self.engine, [ExperimentMoved(name, "stopped")], at=self.now)


def commit(engine: Engine, facts: list[object], *, at: float) -> None:
    engine.commit(facts, at=at)


def told(actions: list[tuple[object, ...]]) -> Engine:
    engine = Engine(Model(), MemoryLog())
    Story(engine, engine.model.publish).tell(actions)
    return engine


def everything(log: MemoryLog) -> list[object]:
    return log.read(limit=10_000)


def same(one: Model, other: Model) -> None:
    """Equal state, equal weights, equal answers."""
    assert one.state.dump() == other.state.dump()
    ours, theirs = one.publish().weights, other.publish().weights
    assert ours.keys() == theirs.keys()
    for name, weights in ours.items():
        assert weights.learned == theirs[name].learned
        np.testing.assert_array_equal(weights.table, theirs[name].table)


@given(histories)
@settings(max_examples=60, deadline=None)
def test_live_model_equals_the_fold_of_its_log(actions: list[tuple[object, ...]]) -> None:
    engine = told(actions)
    same(engine.model, fold(Model(), everything(engine.log)))


@given(histories, st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_snapshot_and_the_rest_of_the_log_equal_the_fold(actions: list[tuple[object, ...]], share: float) -> None:
    entries = everything(told(actions).log)
    cut = round(share * len(entries))
    resumed = Model.load(fold(Model(), entries[:cut]).dump())
    same(fold(resumed, entries[cut:]), fold(Model(), entries))


@given(histories)
@settings(max_examples=60, deadline=None)
def test_every_decision_can_be_made_again_from_the_log(actions: list[tuple[object, ...]]) -> None:
    engine = told(actions)
    replayed = replay(engine.log)
    assert replayed.decisions == sum(isinstance(entry.fact, Decided) for entry in everything(engine.log))
    assert replayed.divergences == []


@given(histories)
@settings(max_examples=40, deadline=None)
def test_decisions_of_a_server_behind_its_learner_can_be_made_again(actions: list[tuple[object, ...]]) -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    server = Engine(Model(learning=False), log)
    follower = Follower(Model(), log, snapshots, weights_every_s=0.0)

    def publish() -> None:
        follower.turn()
        weights = newest_weights(snapshots, server.model.published.seq)
        if weights is not None:
            server.model.adopt(weights)

    Story(server, publish).tell(actions)
    assert replay(log).divergences == []
