"""A world: a population with tastes, whose every click probability is known, and so the best possible slate too."""

from collections.abc import Sequence
from math import floor, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.events import ItemPut
from bandstand.simulate.nature import Nature, Taste

Floats = npt.NDArray[np.float64]

DAYPARTS = ("night", "morning", "afternoon", "evening")
_HOUR_S, _DAY_S = 3600, 86400
_USUAL_DEVICE = 0.8  # of a user's visits
_STAR_PULL = 3.0  # logits: an item liked by one in ten is liked by seven
_SURVEYED = 120  # visits, spread over a day, on which the overall click-through is set
_SLATE = 10


class Traits(NamedTuple):
    """What tastes depend on. `segment` is hidden: no request carries it."""

    segment: str
    device: str
    daypart: str
    country: str


class Visit(NamedTuple):
    """Somebody asks for a slate. `context` is what their app would send; `first` says that they never came before."""

    number: int
    time: float
    user: str
    session: str
    context: dict[str, str]
    utc_offset_s: int
    first: bool
    traits: Traits


class World:
    """A population over the items of a catalogue.

    A pick is clicked where it is looked at and liked, which are independent (the position-based model; Richardson,
    Dominowska and Ragno 2007):

        P(click) = attention(position) · expit(base + quality(item) + Σ pull(trait, feature) over the tastes)

    Everything is a function of the items, the nature and the seed; whoever asks twice gets the same answer. The same
    visitor shown the same item at the same position does the same, whichever strategy showed it, so that strategies can
    be compared pair by pair.
    """

    def __init__(self, items: Sequence[ItemPut], nature: Nature, *, seed: int) -> None:
        """InputError where more items arrive than there are, or nothing is there to begin with."""
        self.nature = nature
        self.seed = seed
        self.items = sorted(items, key=lambda item: self._chance("order", item.item))
        self._row = {item.item: row for row, item in enumerate(self.items)}
        self._since = self._arrivals()
        self._attention = (1.0 + np.arange(100)) ** -nature.attention
        self._offsets = {name: round(hours * _HOUR_S) for name, hours in nature.locations.items()}
        self._pulls = [self._pull(taste) for taste in nature.tastes]
        self._appeals: dict[tuple[Traits, int], Floats] = {}
        self._best: dict[tuple[Traits, int, int, int], tuple[list[str], float]] = {}
        self._quality = self._qualities()
        self._base = 0.0
        self._base = self._balanced()
        self._appeals.clear()

    def visit(self, number: int, *, time: float) -> Visit:
        """Who comes as the visitor of this number, at `time` in seconds since the epoch."""
        index, first = self._visitor(number)
        user = f"u{index}"
        usual = self._chance("usual device", index) if self._chance("at hand", number) < _USUAL_DEVICE else None
        device = _weighted(self.nature.devices, self._chance("device", number) if usual is None else usual)
        location = _of(list(self._offsets), self._chance("location", index))
        segment = floor(self._chance("segment", index) * self.nature.segments)
        offset_s = self._offsets[location]
        daypart = DAYPARTS[int((time + offset_s) % _DAY_S) // (_DAY_S // len(DAYPARTS))]
        return Visit(
            number=number,
            time=time,
            user=user,
            session=f"{user}-{int(time // _HOUR_S)}",
            context={"device": device, "location": location},
            utc_offset_s=offset_s,
            first=first,
            traits=Traits(f"segment {segment}", device, daypart, location.partition("-")[0]),
        )

    def arrivals(self, number: int) -> list[ItemPut]:
        """The items that become available just before the visit of this number; at 0, all that are there at first."""
        return [self.items[row] for row in np.flatnonzero(self._since == number)]

    @property
    def stars(self) -> frozenset[str]:
        """The late arrivals that please nearly everybody."""
        return frozenset(self.items[row].item for row in self._star_rows())

    def click_probability(self, visit: Visit, item: str, position: int) -> float:
        """Of this item at this position of the page; an item that the world does not know is never clicked."""
        return self._liking(visit, item) * float(self._attention[position])

    def clicks(self, visit: Visit, slate: Sequence[str]) -> list[int]:
        """The positions that this visitor clicks."""
        return [
            position
            for position, item in enumerate(slate)
            if self._chance("look", visit.number, position) < self._attention[position]
            and self._chance("like", visit.number, item) < self._liking(visit, item)
        ]

    def delay_s(self, visit: Visit, item: str) -> float:
        """How long a click on the item takes to arrive: exponential with the nature's mean."""
        return -self.nature.delay_s * log(1.0 - self._chance("delay", visit.number, item))

    def expected(self, visit: Visit, slate: Sequence[str]) -> float:
        """How many clicks the slate gets on average."""
        return sum(self.click_probability(visit, item, position) for position, item in enumerate(slate))

    def ideal(self, visit: Visit, n: int = _SLATE) -> list[str]:
        """The best slate of `n` for this visit, out of everything available: the most liked come first, where
        attention is highest (rearrangement inequality)."""
        return self._ideal(visit, n)[0]

    def best(self, visit: Visit, n: int = _SLATE) -> float:
        """How many clicks the ideal slate gets on average: no slate gets more."""
        return self._ideal(visit, n)[1]

    def by_chance(self, visit: Visit, n: int = _SLATE) -> float:
        """How many clicks a slate of `n` drawn by chance from everything available gets on average."""
        there = self._since <= visit.number
        return float(self._appeal(visit)[there].mean() * self._attention[: min(n, there.sum())].sum())

    def _chance(self, what: str, *parts: str | int) -> float:
        return uniform("world", self.seed, what, *parts)

    def _normal(self, what: str, *parts: str | int) -> float:
        return float(ndtri(self._chance(what, *parts) + 2.0**-54))  # above 0, where the normal is infinite

    def _visitor(self, number: int) -> tuple[int, bool]:
        """Index of the user, and whether this is their first visit. The population grows by one with each newcomer."""
        before = floor(number * self.nature.newcomers)
        there = self.nature.users + before
        if floor((number + 1) * self.nature.newcomers) > before:
            return there, True
        return floor(there * self._chance("visitor", number) ** (1.0 + self.nature.loyalty)), False

    def _arrivals(self) -> npt.NDArray[np.int64]:
        """The visit number from which on each row is available."""
        late = [arrival.at for arrival in self.nature.arrivals for _ in range(arrival.items)]
        if len(late) >= len(self.items):
            raise InputError(
                f"{len(late)} items arrive late, must be fewer than the {len(self.items)} of the catalogue; "
                "add items or let fewer arrive",
                field="arrivals",
            )
        since = np.zeros(len(self.items), np.int64)
        since[len(since) - len(late) :] = late
        return since

    def _star_rows(self) -> list[int]:
        rows: list[int] = []
        row = len(self.items) - sum(arrival.items for arrival in self.nature.arrivals)
        for arrival in self.nature.arrivals:
            rows.extend(range(row, row + min(arrival.stars, arrival.items)))
            row += arrival.items
        return rows

    def _qualities(self) -> Floats:
        quality = np.array([self._normal("quality", item.item) for item in self.items]) * self.nature.quality
        quality[self._star_rows()] = _STAR_PULL
        return quality

    def _pull(self, taste: Taste) -> tuple[dict[str, Floats], npt.NDArray[np.int64]]:
        """For each value of the trait its pulls on the values of the feature, and which value each row has; the last
        pull is 0, for rows without the feature."""
        names, codes = _coded([item.features.get(taste.on) for item in self.items])
        pulls = {
            trait: np.array([self._normal("pull", taste.of, trait, taste.on, name) for name in names] + [0.0])
            * taste.strength
            for trait in self._values(taste)
        }
        return pulls, codes

    def _values(self, taste: Taste) -> list[str]:
        match taste.of:
            case "segment":
                return [f"segment {segment}" for segment in range(self.nature.segments)]
            case "device":
                return list(self.nature.devices)
            case "daypart":
                return list(DAYPARTS)
            case "country":
                return sorted({location.partition("-")[0] for location in self._offsets})

    def _balanced(self) -> float:
        """The base at which random slates of ten get the nature's click-through."""
        survey = [self.visit(number, time=number * _DAY_S / _SURVEYED) for number in range(_SURVEYED)]
        logits = np.concatenate([self._logits(visit.traits, 0)[self._since == 0] for visit in survey])
        wanted = min(self.nature.click_through / self._attention[:_SLATE].mean(), 0.95)
        return float(brentq(lambda base: expit(base + logits).mean() - wanted, -50.0, 50.0))

    def _logits(self, traits: Traits, drifted: int) -> Floats:
        logits = self._quality + self._base
        for taste, (pulls, codes) in zip(self.nature.tastes, self._pulls, strict=True):
            pull = pulls[getattr(traits, taste.of)]
            logits = logits + np.r_[np.roll(pull[:-1], drifted), 0.0][codes]
        return logits

    def _appeal(self, visit: Visit) -> Floats:
        """The probability that each row is liked."""
        key = visit.traits, sum(at <= visit.number for at in self.nature.drifts)
        found = self._appeals.get(key)
        if found is None:
            found = self._appeals[key] = expit(self._logits(*key))
        return found

    def _liking(self, visit: Visit, item: str) -> float:
        row = self._row.get(item)
        return 0.0 if row is None else float(self._appeal(visit)[row])

    def _ideal(self, visit: Visit, n: int) -> tuple[list[str], float]:
        passed = sum(at <= visit.number for at in self.nature.drifts)
        key = visit.traits, passed, sum(arrival.at <= visit.number for arrival in self.nature.arrivals), n
        found = self._best.get(key)
        if found is None:
            there = np.flatnonzero(self._since <= visit.number)
            rows = there[np.argsort(-self._appeal(visit)[there], kind="stable")[:n]]
            slate = [self.items[row].item for row in rows]
            found = self._best[key] = slate, self.expected(visit, slate)
        return found


def _coded(values: Sequence[object]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The distinct values of a feature as names, and the index of each item's; items without it have the index after
    the last. Numbers are named by their quarter."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    cuts = np.quantile(numbers, (0.25, 0.5, 0.75)) if numbers else np.zeros(0)
    named = [_named(value, cuts) for value in values]
    names = sorted({name for name in named if name is not None})
    index = {name: at for at, name in enumerate(names)}
    return names, np.array([len(names) if name is None else index[name] for name in named], np.int64)


def _named(value: object, cuts: Floats) -> str | None:
    match value:
        case bool() | str():
            return str(value)
        case int() | float():
            return f"quarter {int(np.searchsorted(cuts, value)) + 1}"
        case _:
            return None


def _of(names: Sequence[str], chance: float) -> str:
    return names[floor(chance * len(names))]


def _weighted(weights: dict[str, float], chance: float) -> str:
    left = chance * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return next(reversed(weights))
