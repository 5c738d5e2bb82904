"""What people like: the logit with which each visit likes each item, from traits, features, seasons and drifts."""

from collections.abc import Hashable, Sequence
from math import pi
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from bandstand.events import ItemPut
from bandstand.simulate.browsing import Browsing, Floats
from bandstand.simulate.nature import Nature, Period, Season, Taste
from bandstand.simulate.people import DAY_S, DAYPARTS, Chance, Visit

_STAR_PULL: Final = 3.0  # logits: an item liked by one in ten is liked by seven
_MOST_LIKED: Final = 0.95  # on average, however high a click-through is asked for
_SLATE: Final = 10  # whose click-through by chance a nature names
_PERIODS: Final[dict[Period, tuple[float, int]]] = {
    "day": (DAY_S, 24),
    "week": (7 * DAY_S, 28),
    "year": (365.25 * DAY_S, 52),
}
"""How long each is in seconds, and in how many steps it goes round."""


class Tastes(Protocol):
    """Likings as a function of the visit. Visits with one `key` like everything alike."""

    def key(self, visit: Visit) -> Hashable: ...

    def logits(self, visit: Visit) -> Floats:
        """float64[items]: the logit of the probability that each is liked where it is looked at."""
        ...


class _Coded(NamedTuple):
    """A feature of all items: its values by name, and the index of each row's; the last index is that of none."""

    names: list[str]
    codes: npt.NDArray[np.int64]


class Natural:
    """liking(visit, item) = expit(base + quality(item) + Σ pull(trait, feature) + Σ season(feature, time))"""

    def __init__(self, items: Sequence[ItemPut], nature: Nature, chance: Chance, *, stars: Sequence[int]) -> None:
        """`stars` are the rows of the items that please nearly everybody."""
        self._nature = nature
        self._chance = chance
        columns = {taste.on for taste in nature.tastes} | {season.on for season in nature.seasons}
        self._coded = {on: _coded([item.features.get(on) for item in items]) for on in columns}
        self._pulls = [self._pull(taste) for taste in nature.tastes]
        self._phases = [self._phase(season) for season in nature.seasons]
        self._quality = np.array([normal(chance, "quality", item.item) for item in items]) * nature.quality
        self._quality[list(stars)] = _STAR_PULL
        self._base = 0.0

    def balance(self, survey: Sequence[Visit], browsing: Browsing, there: npt.NDArray[np.bool_]) -> None:
        """Set the base so that random slates of ten, out of the items `there`, get the nature's click-through."""
        before = [visit._replace(number=0) for visit in survey]  # any drift
        logits = np.stack([self.logits(visit)[there] for visit in before])
        ones, n = np.ones(logits.shape[1]), min(_SLATE, logits.shape[1])
        most = float(browsing.by_chance(_MOST_LIKED * ones, ones, n))
        wanted = min(self._nature.click_through * n, most)

        def above(base: float) -> float:
            return float(browsing.by_chance(expit(base + logits), ones, n).mean() - wanted)

        self._base = float(brentq(above, -50.0, 50.0))

    def key(self, visit: Visit) -> Hashable:
        steps = tuple(_step(season, visit) for season in self._nature.seasons)
        return visit.traits, self._drifted(visit), steps

    def logits(self, visit: Visit) -> Floats:
        drifted = self._drifted(visit)
        found: Floats = self._quality + self._base
        for taste, pulls in zip(self._nature.tastes, self._pulls, strict=True):
            pull = pulls[getattr(visit.traits, taste.of)]
            found = found + np.r_[np.roll(pull[:-1], drifted), 0.0][self._coded[taste.on].codes]
        for season, phases in zip(self._nature.seasons, self._phases, strict=True):
            turn = 2 * pi * _step(season, visit) / _PERIODS[season.period][1]
            found = found + np.r_[season.strength * np.cos(turn - phases), 0.0][self._coded[season.on].codes]
        return found

    def _drifted(self, visit: Visit) -> int:
        return sum(at <= visit.number for at in self._nature.drifts)

    def _pull(self, taste: Taste) -> dict[str, Floats]:
        """For each value of the trait its pulls on the values of the feature; the last is 0, for rows without it."""
        names = self._coded[taste.on].names
        return {
            trait: np.array([normal(self._chance, "pull", taste.of, trait, taste.on, name) for name in names] + [0.0])
            * taste.strength
            for trait in self._values(taste)
        }

    def _phase(self, season: Season) -> Floats:
        """When in its period each value of the feature is at its height, as an angle."""
        names = self._coded[season.on].names
        return np.array([2 * pi * self._chance("height", season.period, season.on, name) for name in names])

    def _values(self, taste: Taste) -> list[str]:
        match taste.of:
            case "segment":
                return [f"segment {segment}" for segment in range(self._nature.segments)]
            case "device":
                return list(self._nature.devices)
            case "daypart":
                return list(DAYPARTS)
            case "country":
                return sorted({location.partition("-")[0] for location in self._nature.locations})


def normal(chance: Chance, what: str, *parts: str | int) -> float:
    """A standard normal by what it is for."""
    return float(ndtri(chance(what, *parts) + 2.0**-54))  # above 0, where the normal is infinite


def _step(season: Season, visit: Visit) -> int:
    length, steps = _PERIODS[season.period]
    return int((visit.time + visit.utc_offset_s) % length / length * steps)


def _coded(values: Sequence[object]) -> _Coded:
    """Numbers are named by their quarter."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    cuts = np.quantile(numbers, (0.25, 0.5, 0.75)) if numbers else np.zeros(0)
    named = [_named(value, cuts) for value in values]
    names = sorted({name for name in named if name is not None})
    index = {name: at for at, name in enumerate(names)}
    return _Coded(names, np.array([len(names) if name is None else index[name] for name in named], np.int64))


def _named(value: object, cuts: Floats) -> str | None:
    match value:
        case bool() | str():
            return str(value)
        case int() | float():
            return f"quarter {int(np.searchsorted(cuts, value)) + 1}"
        case _:
            return None
