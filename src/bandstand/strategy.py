"""Strategies and surfaces: a named recipe for a slate, and the places in an app that ask for one."""

from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec

from bandstand.candidates.blend import AnyBlend, Fusion
from bandstand.policy.explore import EpsilonGreedy
from bandstand.policy.learning import Learning
from bandstand.policy.registry import AnyPolicy
from bandstand.shape.settings import UNSHAPED, Diversity

LONGEST_SLATE = 100
MOST_CANDIDATES = 2000


def _every_generator() -> dict[str, float]:
    return dict.fromkeys(("collaborative", "content", "trending", "popular", "discovery"), 1.0)


Generators = dict[str, Annotated[float, msgspec.Meta(gt=0.0)]]


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other generators for somebody of whom too little is known: for whom no user is named (`anonymous`), who has
    touched nothing yet (`newcomer`), or fewer than `below` items (`thin`)."""

    when: Literal["anonymous", "newcomer", "thin"]
    generators: Generators
    below: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5

    def fits(self, *, user: str | None, touched: int) -> bool:
        match self.when:
            case "anonymous":
                return user is None
            case "newcomer":
                return touched == 0
            case "thin":
                return touched < self.below


class Strategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which generators propose (name → weight in the blend) and for whom others do (the first that fits), how their
    lists become one, how many candidates go on, the policy that orders, and what is wished of the slate as a whole."""

    generators: Generators = msgspec.field(default_factory=_every_generator)
    switch: tuple[Switch, ...] = ()
    blend: AnyBlend = Fusion()
    candidates: Annotated[int, msgspec.Meta(ge=1, le=MOST_CANDIDATES)] = 200
    policy: AnyPolicy = EpsilonGreedy()
    diversity: Diversity = UNSHAPED
    learning: Learning = Learning()

    @property
    def asked(self) -> list[str]:
        """Every generator that it may ask."""
        return list(dict.fromkeys(chain(self.generators, *(one.generators for one in self.switch))))


def varied(strategy: Strategy, parameters: Mapping[str, Any]) -> Strategy:
    """The strategy with other values for these fields; a table is changed field by field, unless its `kind` is another.

    msgspec.ValidationError where a field is unknown or its value does not fit.
    """
    if not parameters:
        return strategy
    return msgspec.convert(_overlaid(msgspec.to_builtins(strategy), parameters), Strategy)


def generating(parameters: Mapping[str, Any]) -> Strategy | None:
    """A strategy that asks what these parameters say, None where they say nothing of generators."""
    asking = {name: value for name, value in parameters.items() if name in ("generators", "switch")}
    return msgspec.convert(asking, Strategy) if asking else None


class Surface(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place that shows slates.

    `rewards` says what each reward's value is worth to the learner (a name that is missing counts 0 where any is
    named; an empty table counts every one as it is); `window_s` is how long a decision waits for them, and
    `default_reward` what a shown item earns when none comes.
    """

    strategy: str = "default"
    n: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_SLATE)] = 10
    rewards: dict[str, float] = {}
    window_s: Annotated[float, msgspec.Meta(gt=0.0, le=30 * 86400.0)] = 600.0
    default_reward: float = 0.0

    def worth(self, name: str, value: float) -> float:
        return value * self.rewards.get(name, 0.0) if self.rewards else value


def _overlaid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(under)
    for name, value in over.items():
        below = under.get(name)
        # Generators are chosen as a whole: one could not be left out otherwise.
        if isinstance(below, dict) and isinstance(value, dict) and name != "generators":
            out[name] = _overlaid(below, value) if value.get("kind") in (None, below.get("kind")) else value
        else:
            out[name] = value
    return out
