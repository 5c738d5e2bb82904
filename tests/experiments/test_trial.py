"""What an experiment under way remembers, and what it says to a request."""

import msgspec
import pytest
from msgspec.structs import replace

from bandstand.events import Assignment, Decided, Request
from bandstand.experiments.assignment import assign
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.trial import MOST_KEPT, Trial

AB = Experiment("x", "home", (Variant("a", "default", 0.9), Variant("b", "explore", 0.1)), sticky=True)
EVEN = replace(AB, variants=(Variant("a", "default", 0.2), Variant("b", "explore", 0.8)))
USERS = [f"user-{k}" for k in range(500)]


def decided(user: str, variant: str) -> Decided:
    request = Request("home", 0.0, user=user)
    return Decided("d", request, "default", (), as_of=0, assignments=(Assignment("x", variant, "default"),))


def running(experiment: Experiment = AB) -> Trial:
    return Trial(experiment, "running")


def test_a_unit_keeps_its_first_variant_when_the_weights_change() -> None:
    trial = running()
    first = {}
    for user in USERS[:250]:
        got = trial.variant(user)
        assert got is not None
        first[user] = got.name
        trial.saw(decided(user, got.name), got.name)
    trial.put(EVEN)
    for user in USERS:
        now = trial.variant(user)
        assert now is not None
        assert now.name == first.get(user, now.name)
        assert user in first or now == assign(EVEN, user)  # newcomers go by the new weights
        assert now in EVEN.variants
    assert any(assign(EVEN, user) != trial.variant(user) for user in USERS)


def test_each_change_of_weights_under_way_begins_a_phase() -> None:
    trial = Trial(AB)
    trial.put(EVEN)
    assert trial.phase == 0  # a draft has measured nothing
    trial.moved("running", at=0.0)
    trial.put(AB)
    trial.put(replace(AB, hypothesis="better"))
    assert trial.phase == 1


@pytest.mark.parametrize("experiment", [replace(AB, sticky=False), AB])
def test_only_a_sticky_experiment_that_runs_remembers_units(experiment: Experiment) -> None:
    trial = running(experiment)
    trial.saw(decided("ann", "a"), "a")
    trial.saw(decided("ann", "b"), "b")
    trial.saw(decided("bob", "interleaved"), "interleaved")
    assert trial.kept == ({"ann": 0} if experiment.sticky else {})
    trial.moved("stopped", at=0.0)
    trial.saw(decided("ann", "a"), "a")
    assert trial.kept == {}


def test_what_is_remembered_is_bounded() -> None:
    trial = Trial(AB, "running", kept={str(k): 0 for k in range(MOST_KEPT)})
    trial.saw(decided("ann", "b"), "b")
    assert "ann" not in trial.kept


def test_a_unit_outside_the_traffic_has_no_variant_to_keep() -> None:
    trial = Trial(replace(AB, traffic=1e-9), "running", kept={"ann": 1})
    assert trial.variant("ann") is None


def test_nobody_takes_part_before_it_begins_or_elsewhere() -> None:
    trial = running(replace(AB, surface=None, surfaces=("home", "related"), starts=100.0))
    assert not trial.open(Request("home", 99.0))
    assert trial.open(Request("home", 100.0))
    assert trial.open(Request("related", 100.0))
    assert not trial.open(Request("cart", 100.0))
    trial.moved("stopped", at=0.0)
    assert not trial.open(Request("home", 100.0))


def test_a_trial_survives_a_snapshot() -> None:
    trial = Trial(AB, "running", phase=2, kept={"ann": 1})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(trial), type=Trial) == trial
