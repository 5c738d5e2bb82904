"""Who visits: people of a made population, and machines among them."""

from collections.abc import Callable
from math import floor
from typing import Final, NamedTuple, Protocol

from bandstand.events import Scalar
from bandstand.simulate.nature import Nature

DAYPARTS: Final = ("night", "morning", "afternoon", "evening")
HOUR_S: Final = 3600
DAY_S: Final = 86400
_USUAL_DEVICE: Final = 0.8  # of a user's visits

Chance = Callable[..., float]
"""Uniform in [0, 1), by what it is for: the world's own, which nobody else draws from."""


class Traits(NamedTuple):
    """What tastes depend on. `segment` is hidden: no request carries it."""

    segment: str
    device: str
    daypart: str
    country: str


class Visit(NamedTuple):
    """Somebody asks for a slate. `context` is what their app would send; `first` says that they never came before, and
    `bot` that they are a machine."""

    number: int
    time: float
    user: str
    session: str
    context: dict[str, Scalar]
    utc_offset_s: int
    first: bool
    traits: Traits
    bot: bool = False


class People(Protocol):
    """Who comes as the visitor of a number, at a time in seconds since the epoch; the same whenever it is asked."""

    def visit(self, number: int, *, time: float) -> Visit: ...


class Population:
    """People with a place, a usual device and a hidden segment, who come back unequally often, and newcomers."""

    def __init__(self, nature: Nature, chance: Chance) -> None:
        self._nature = nature
        self._chance = chance
        self._offsets = {name: round(hours * HOUR_S) for name, hours in nature.locations.items()}

    def visit(self, number: int, *, time: float) -> Visit:
        index, first = self._visitor(number)
        user = f"u{index}"
        usual = self._chance("usual device", index) if self._chance("at hand", number) < _USUAL_DEVICE else None
        device = _weighted(self._nature.devices, self._chance("device", number) if usual is None else usual)
        location = _of(list(self._offsets), self._chance("location", index))
        segment = floor(self._chance("segment", index) * self._nature.segments)
        offset_s = self._offsets[location]
        return Visit(
            number=number,
            time=time,
            user=user,
            session=session(user, time),
            context={"device": device, "location": location},
            utc_offset_s=offset_s,
            first=first,
            traits=Traits(f"segment {segment}", device, daypart(time + offset_s), location.partition("-")[0]),
        )

    def _visitor(self, number: int) -> tuple[int, bool]:
        """Index of the user, and whether this is their first visit. The population grows by one with each newcomer."""
        before = floor(number * self._nature.newcomers)
        there = self._nature.users + before
        if floor((number + 1) * self._nature.newcomers) > before:
            return there, True
        return floor(there * self._chance("visitor", number) ** (1.0 + self._nature.loyalty)), False


def daypart(local: float) -> str:
    """The quarter of the day at this local time in seconds."""
    return DAYPARTS[int(local % DAY_S) // (DAY_S // len(DAYPARTS))]


def session(user: str, time: float) -> str:
    """The session that the user is in: a new one each hour."""
    return f"{user}-{int(time // HOUR_S)}"


def _of(names: list[str], chance: float) -> str:
    return names[floor(chance * len(names))]


def _weighted(weights: dict[str, float], chance: float) -> str:
    left = chance * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return next(reversed(weights))
