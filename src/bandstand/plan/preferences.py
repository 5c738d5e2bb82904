"""What an interleaving needs, from what the log says of who rewards a surface."""

import math
from typing import Final, Literal

import msgspec
import numpy as np

from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.plan.traffic import Traffic
from bandstand.stats.interleaving_power import Simulated, preference_moments, simulated_power, users_needed
from bandstand.stats.moments import Moments
from bandstand.stats.power import always_valid_critical, critical

Look = Literal["fixed", "sequential"]

LOOKS: Final[dict[Look, str]] = {"fixed": "one look, at the end", "sequential": "looks at any time"}


class Needed(msgspec.Struct, frozen=True):
    """Units who reward something, for this way to look, and the days in which they come."""

    look: Look
    says: str
    units: int
    days: float | None


class Preferring(msgspec.Struct, frozen=True):
    """How long an interleaving takes to find that `preference` of all rewards beyond one half speak for one side.
    `rewarding` is the share of units that reward anything, and `spread` the standard deviation of their preferences."""

    preference: float
    power: float
    rewarding: float
    spread: float
    needs: tuple[Needed, ...]


def preferring(
    seen: Traffic, *, preference: float = 0.05, power: float = 0.8, alpha: float = 0.05, share: float = 1.0
) -> Preferring:
    """By formula, taking all rewards of a unit to speak for one side, each as likely: the most that units can differ,
    so that what is needed is rather less. It counts both variants, for every unit sees both; `share` of all units do.
    """
    past = _undecided(seen)
    rewarding = float(np.count_nonzero(seen.earned > 0)) / len(seen.earned)

    def needed(look: Look, z: float) -> Needed:
        units = users_needed(past, effect=preference, power=power, z=z)
        days = seen.days_for(math.ceil(units / rewarding / share)) if seen.days >= 1 else None
        return Needed(look, LOOKS[look], units, days)

    return Preferring(
        preference,
        power,
        rewarding,
        math.sqrt(past.variance),
        (needed("fixed", critical(alpha=alpha)), needed("sequential", always_valid_critical(alpha=alpha))),
    )


def tried(seen: Traffic, *, preference: float, users: int, alpha: float = 0.05, times: int = 500) -> Simulated:
    """By trying: so many units drawn from the log again and again, each one's rewards for one side or the other by a
    coin, and the preference put in."""
    earned = _rewards(seen)
    for_b = np.random.default_rng(bits("prefer", seen.surface, seen.reward)).random(len(earned)) < 0.5
    sides = np.where(for_b, 0.0, earned), np.where(for_b, earned, 0.0)
    return simulated_power(*sides, earned, users=users, effect=preference, runs=times, alpha=alpha)


def _undecided(seen: Traffic) -> Moments:
    """Preferences of units who are for either side as one and as the other: a mirrored pair for each."""
    earned = _rewards(seen)
    nothing = np.zeros_like(earned)
    return preference_moments(np.r_[earned, nothing], np.r_[nothing, earned], np.r_[earned, earned])


def _rewards(seen: Traffic) -> np.ndarray:
    earned = seen.earned[seen.earned > 0]
    if len(earned) < 2:
        raise InputError(
            f"reward {seen.reward!r}: {len(earned)} {seen.unit}(s) earned any on surface {seen.surface!r} in "
            f"{seen.days:.3g} days, must be at least 2 to say how much they differ; name one that came",
            field="reward",
            code="too_few",
        )
    return earned
