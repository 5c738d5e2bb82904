"""Strategies and surfaces: a named recipe for a slate, and the places in an app that ask for one."""

from typing import Annotated

import msgspec

from bandstand.policy.explore import EpsilonGreedy
from bandstand.policy.registry import AnyPolicy
from bandstand.policy.vw import Learning

LONGEST_SLATE = 100
MOST_CANDIDATES = 2000


def _every_generator() -> dict[str, float]:
    return dict.fromkeys(("collaborative", "content", "trending", "popular", "discovery"), 1.0)


class Strategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which generators propose (name → weight in the blend), how many candidates go on, and the policy that orders."""

    generators: dict[str, Annotated[float, msgspec.Meta(gt=0.0)]] = msgspec.field(default_factory=_every_generator)
    candidates: Annotated[int, msgspec.Meta(ge=1, le=MOST_CANDIDATES)] = 200
    policy: AnyPolicy = EpsilonGreedy()
    learning: Learning = Learning()


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
