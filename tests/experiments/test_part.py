"""Which experiment a request takes part in, and as what."""

import pytest
from msgspec.structs import replace

from bandstand.errors import InputError, UnknownError
from bandstand.events import Request
from bandstand.experiments.assignment import held_out
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.lifecycle import Stage
from bandstand.experiments.part import Part, parts
from bandstand.experiments.trial import Trial

AB = Experiment("x", "home", (Variant("a", "default", 0.5), Variant("b", "explore", 0.5)))
USERS = [f"user-{k}" for k in range(300)]


def trials(*experiments: Experiment, stage: Stage = "running") -> dict[str, Trial]:
    return {one.name: Trial(one, stage) for one in experiments}


def found(
    of: dict[str, Trial], request: Request, *, holdout: float = 0.0, audiences: tuple[str, ...] = ()
) -> Part | None:
    mine = parts(of, request, holdout=holdout, fits=audiences.__contains__)
    return mine[0] if mine else None


def home(user: str = "ann", **more: object) -> Request:
    return replace(Request("home", 0.0, user=user), **more)


def test_a_request_takes_part_in_one_experiment_of_a_layer_at_most() -> None:
    low, high = replace(AB, traffic=0.4), replace(AB, name="y", traffic=0.4, traffic_from=0.4)
    names = [None if (mine := found(trials(low, high), home(user))) is None else mine.experiment.name for user in USERS]
    assert {*names} == {"x", "y", None}


def test_who_is_held_out_takes_part_in_nothing() -> None:
    for user in USERS:
        assert (found(trials(AB), home(user), holdout=0.3) is None) == held_out(0.3, home(user))


def test_only_the_audience_takes_part() -> None:
    aimed = trials(replace(AB, audience="context.device == 'mobile'"))
    assert found(aimed, home()) is None
    assert found(aimed, home(), audiences=("context.device == 'mobile'",)) is not None


def test_a_request_without_the_unit_takes_no_part() -> None:
    by_device = trials(replace(AB, unit="device"))
    assert found(by_device, home()) is None
    assert found(by_device, home(device="phone-1")) is not None


@pytest.mark.parametrize("stage", ["draft", "running"])
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_variant_can_be_forced_and_is_marked(stage: Stage, side: str) -> None:
    mine = found(trials(AB, stage=stage), home(force={"x": side}), holdout=0.999)
    assert mine is not None
    assert (mine.variant.name, mine.assignment.forced) == (side, True)
    mixed = found(trials(replace(AB, method="interleave")), home(force={"x": side}))
    assert mixed is not None
    assert not mixed.mixed


def test_what_cannot_be_forced_is_said() -> None:
    with pytest.raises(UnknownError, match="force: experiment 'y' is not defined; known: x"):
        found(trials(AB), home(force={"y": "a"}))
    with pytest.raises(UnknownError, match="variant 'c' is not defined; known: a, b"):
        found(trials(AB), home(force={"x": "c"}))
    with pytest.raises(InputError, match="force: experiment 'x' is stopped, must be a draft or running"):
        found(trials(AB, stage="stopped"), home(force={"x": "a"}))
    with pytest.raises(InputError, match="force: experiment 'x' is not about surface 'cart'; ask for 'home'"):
        found(trials(AB), replace(home(force={"x": "a"}), surface="cart"))
