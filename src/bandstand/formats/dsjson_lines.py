"""What a line of Vowpal Wabbit's dsjson holds: a decision joined with what came of it, or a reward that found none."""

from typing import Literal

import msgspec

from bandstand.events import Decided

LOGGER = "dsjson"
"""The strategy of decisions that were read from such a line, and the surface."""
REWARD = "reward"

Number = float | Literal["NaN"] | None
"""Vowpal Wabbit has no other way to write what is none."""


NOTHING = msgspec.Raw()


class Model(msgspec.Struct, frozen=True):
    m: str = ""


class Observed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reward as it came in; `position`, `name` and below are what this log adds to it."""

    value: object = msgspec.field(name="v", default=None)
    event: str = msgspec.field(name="EventId", default="")
    taken: bool | None = msgspec.field(name="ActionTaken", default=None)
    deferred: bool | None = msgspec.field(name="DeferredAction", default=None)
    position: int | str | None = msgspec.field(name="Index", default=None)
    name: str | None = None
    time: float | None = None
    key: str | None = None
    at: float | None = None

    @property
    def activates(self) -> bool:
        """Whether it says that the action was shown; older logs say so by `DeferredAction` false."""
        return self.taken is True or self.deferred is False


Seen = Observed | float | str | None
"""Some tools list bare numbers, which say nothing more than the cost does."""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was shown in a slot. Actions count from 0, the chosen one first."""

    cost: Number = msgspec.field(name="_label_cost", default=None)
    slot: str | int | None = msgspec.field(name="_id", default=None)
    actions: list[int] | int = msgspec.field(name="_a", default=[])
    probabilities: list[Number] | Number = msgspec.field(name="_p", default=[])
    seen: list[Seen] = msgspec.field(name="_o", default=[])

    @property
    def observed(self) -> list[Observed]:
        return [one for one in self.seen if isinstance(one, Observed)]

    @property
    def first(self) -> tuple[int | None, Number]:
        """The action that was chosen, and its probability."""
        action = self.actions if isinstance(self.actions, int) else next(iter(self.actions), None)
        given = next(iter(self.probabilities), None) if isinstance(self.probabilities, list) else self.probabilities
        return action, given


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """`_label_Action` and `a` count from 1, `_labelIndex` from 0. `native` is what a decision of this log has that
    dsjson has no place for; what both could say stands only in the line."""

    cost: Number = msgspec.field(name="_label_cost", default=None)
    probability: Number = msgspec.field(name="_label_probability", default=None)
    action: int | None = msgspec.field(name="_label_Action", default=None)
    index: int | None = msgspec.field(name="_labelIndex", default=None)
    skip: bool = msgspec.field(name="_skipLearn", default=False)
    seen: list[Seen] = msgspec.field(name="o", default=[])
    timestamp: str | None = msgspec.field(name="Timestamp", default=None)
    version: str = msgspec.field(name="Version", default="")
    event: str | None = msgspec.field(name="EventId", default=None)
    deferred: bool = msgspec.field(name="DeferredAction", default=False)
    unseen: bool = msgspec.field(name="_deferred", default=False)
    actions: list[int] = msgspec.field(name="a", default=[])
    context: msgspec.Raw = msgspec.field(name="c", default=NOTHING)
    outcomes: list[Outcome] | None = msgspec.field(name="_outcomes", default=None)
    probabilities: list[Number] = msgspec.field(name="p", default=[])
    dropped: float = msgspec.field(name="pdrop", default=0.0)
    model: Model | None = msgspec.field(name="VWState", default=None)
    reward: Number = msgspec.field(name="RewardValue", default=None)
    enqueued: str | None = msgspec.field(name="EnqueuedTimeUtc", default=None)
    taken: bool | None = msgspec.field(name="ActionTaken", default=None)
    observations: list[Observed] = msgspec.field(name="Observations", default=[])
    native: Decided | None = msgspec.field(name="bandstand", default=None)

    @property
    def observed(self) -> list[Observed]:
        return [one for one in self.seen if isinstance(one, Observed)]
