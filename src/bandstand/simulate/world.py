"""A world: a population with tastes, whose every click probability is known, and so the best possible slate too."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from math import floor, log
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.events import ItemPut
from bandstand.simulate.browsing import Browsing, Floats, Rows, browsing
from bandstand.simulate.memory import Moods, Seen
from bandstand.simulate.nature import Nature
from bandstand.simulate.people import DAY_S, Chance, People, Population, Visit, session
from bandstand.simulate.shopping import Shopping
from bandstand.simulate.tastes import Natural, Tastes

Objective = Literal["clicks", "revenue"]

_SURVEYED: Final = 120  # visits, spread over a day, on which the overall click-through is set
_SLATE: Final = 10


class Ground(NamedTuple):
    """People, tastes and attention, where they come from somewhere else than the nature's own laws."""

    people: People
    tastes: Tastes
    browsing: Browsing


Grower = Callable[[Sequence[ItemPut], Chance], Ground]
"""Makes the ground for items in the world's own order, from the world's own chance."""


class Bought(NamedTuple):
    """A purchase that follows a click, so many seconds after the visit."""

    position: int
    amount: float
    after_s: float


class World:
    """A population over the items of a catalogue.

    A pick is clicked where it is looked at and liked, which are independent:

        P(click) = reach(position) · expit(logit of the visit's tastes for the item, and of what they remember)

    Everything is a function of the items, the nature and the seed, and of what a visitor was shown before, as far as
    they remember; whoever asks twice gets the same answer. The same visitor shown the same item at the same position
    does the same, whichever strategy showed it, so that strategies can be compared pair by pair.
    """

    def __init__(self, items: Sequence[ItemPut], nature: Nature, *, seed: int, ground: Grower | None = None) -> None:
        """InputError where more items arrive than there are, or nothing is there to begin with, or nothing is sold.

        `pushed` is the item that machines push: of those there from the start, the one that people like least on
        average; None where they push none.
        """
        self.nature = nature
        self.seed = seed
        self._chance = partial(uniform, "world", seed)
        self.items = sorted(items, key=lambda item: self._chance("order", item.item))
        self._row = {item.item: row for row, item in enumerate(self.items)}
        self._since = self._arrivals()
        self._appeals: dict[Hashable, Floats] = {}
        self._ideals: dict[Hashable, Rows] = {}
        self._by_chance: dict[Hashable, float] = {}
        self._grown(ground)
        self._shopping = Shopping(self.items, nature.purchases, self._chance) if nature.purchases else None
        self._seen = Seen(nature.novelty, len(self.items)) if nature.novelty else None
        self._moods = Moods(nature.churn) if nature.churn else None

    def visit(self, number: int, *, time: float) -> Visit:
        """Who comes as the visitor of this number, at `time` in seconds since the epoch."""
        visit = self._people.visit(number, time=time)
        bots = self.nature.bots
        if bots is None or self._chance("bot", number) >= bots.share:
            return visit
        name = f"bot{floor(self._chance('which bot', number) * bots.users)}"
        return visit._replace(user=name, session=session(name, time), first=False, bot=True)

    def comes(self, visit: Visit) -> bool:
        """Whether the visit takes place: a person who was disappointed may stay away."""
        return self._moods is None or visit.bot or not self._moods.away(visit.user, time=visit.time)

    def remember(self, visit: Visit, slate: Sequence[str], clicked: Sequence[int]) -> None:
        """The visit took place, with this slate and these clicks: later ones of the same person may depend on it."""
        if visit.bot:
            return
        if self._seen is not None:
            self._seen.add(visit.user, self._rows(slate), time=visit.time)
        if self._moods is not None:
            leaves, away = self._chance("leaves", visit.number), self._chance("stays away", visit.number)
            self._moods.add(
                visit.user, pleased=bool(clicked), time=visit.time, leaves=leaves, stays_away=-log(1.0 - away)
            )

    def arrivals(self, number: int) -> list[ItemPut]:
        """The items that become available just before the visit of this number; at 0, all that are there at first."""
        return [self.items[row] for row in np.flatnonzero(self._since == number)]

    @property
    def stars(self) -> frozenset[str]:
        """The late arrivals that please nearly everybody."""
        return frozenset(self.items[row].item for row in self._star_rows())

    def click_probability(self, visit: Visit, item: str, position: int) -> float:
        """Of this item at this position of the page, where nothing above it is liked; an item that the world does not
        know is never clicked."""
        likings = np.zeros(position + 1)
        return float(self._likings(visit, [item])[0] * self._browsing.reach(likings)[position])

    def clicks(self, visit: Visit, slate: Sequence[str]) -> list[int]:
        """The positions that this visitor clicks."""
        if visit.bot:
            return [at for at, item in enumerate(slate) if self.pushed is None or item == self.pushed]
        likings = self._likings(visit, slate).tolist()
        liked = [self._chance("like", visit.number, item) < liking for item, liking in zip(slate, likings, strict=True)]
        return self._browsing.clicks(liked, partial(self._chance, "look", visit.number))

    def delay_s(self, visit: Visit, item: str) -> float:
        """How long a click on the item takes to arrive: exponential with the nature's mean."""
        return -self.nature.delay_s * log(1.0 - self._chance("delay", visit.number, item))

    def purchases(self, visit: Visit, slate: Sequence[str], clicked: Sequence[int]) -> list[Bought]:
        """What this visitor buys of what they clicked; machines buy nothing."""
        if self._shopping is None or visit.bot:
            return []
        found = []
        for position in clicked:
            item = slate[position]
            row = self._row.get(item)
            if row is not None and self._chance("buys", visit.number, item) < self._shopping.rates[row]:
                wait = -self._shopping.delay_s * log(1.0 - self._chance("buys after", visit.number, item))
                amount = float(self._shopping.amounts[row])
                found.append(Bought(position, amount, self.delay_s(visit, item) + wait))
        return found

    def expected(self, visit: Visit, slate: Sequence[str], of: Objective = "clicks") -> float:
        """How many clicks the slate gets on average, or how much revenue."""
        likings = self._likings(visit, slate)
        worths = self._worths(of)[self._rows(slate)]  # of an unknown item any, for it is never liked
        return float((self._browsing.reach(likings) * likings * worths).sum())

    def ideal(self, visit: Visit, n: int = _SLATE, of: Objective = "clicks") -> list[str]:
        """The best slate of `n` for this visit, out of everything available: it says nothing of later visits."""
        return [self.items[row].item for row in self._ideal(visit, n, of)]

    def best(self, visit: Visit, n: int = _SLATE, of: Objective = "clicks") -> float:
        """What the ideal slate gets on average: no slate gets more."""
        rows = self._ideal(visit, n, of)
        likings = self._appeal(visit)[rows]
        return float((self._browsing.reach(likings) * likings * self._worths(of)[rows]).sum())

    def by_chance(self, visit: Visit, n: int = _SLATE) -> float:
        """How many clicks a slate of `n` drawn by chance from everything available gets on average."""
        key = self._key(visit), "by chance", n
        found = self._by_chance.get(key)
        if found is None:
            there = self._since <= visit.number
            likings = self._appeal(visit)[there]
            found = float(self._browsing.by_chance(likings, np.ones(len(likings)), n))
            if self._seen is None:
                self._by_chance[key] = found
        return found

    def _grown(self, ground: Grower | None) -> None:
        if ground is not None:
            self._people, self._tastes, self._browsing = ground(self.items, self._chance)
        else:
            self._people = Population(self.nature, self._chance)
            self._browsing = browsing(self.nature)
            tastes = Natural(self.items, self.nature, self._chance, stars=self._star_rows())
            tastes.balance(self._survey(), self._browsing, self._since == 0)
            self._tastes = tastes
        self.pushed = self._least_liked()

    def _least_liked(self) -> str | None:
        if self.nature.bots is None or self.nature.bots.click != "one":
            return None
        there = np.flatnonzero(self._since == 0)
        liked = np.mean([expit(self._tastes.logits(visit)) for visit in self._survey()], axis=0)
        return self.items[int(there[np.argmin(liked[there])])].item

    def _survey(self) -> list[Visit]:
        return [self._people.visit(number, time=number * DAY_S / _SURVEYED) for number in range(_SURVEYED)]

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

    def _rows(self, slate: Sequence[str]) -> Rows:
        """The row of each item, -1 for those that the world does not know."""
        return np.array([self._row.get(item, -1) for item in slate], np.int64)

    def _key(self, visit: Visit) -> Hashable:
        return self._tastes.key(visit), sum(arrival.at <= visit.number for arrival in self.nature.arrivals)

    def _appeal(self, visit: Visit) -> Floats:
        """The probability that each row is liked; kept where it does not depend on what somebody remembers."""
        key = self._tastes.key(visit)
        found = self._appeals.get(key)
        if found is None:
            logits = self._tastes.logits(visit)
            found = self._appeals[key] = logits if self._seen is not None else np.asarray(expit(logits), np.float64)
        if self._seen is None:
            return found
        return np.asarray(expit(found + self._seen.logits(visit.user, time=visit.time)), np.float64)

    def _likings(self, visit: Visit, slate: Sequence[str]) -> Floats:
        rows = self._rows(slate)
        return np.where(rows >= 0, self._appeal(visit)[rows], 0.0)

    def _worths(self, of: Objective) -> Floats:
        if of == "clicks":
            return np.ones(len(self.items))
        return np.zeros(len(self.items)) if self._shopping is None else self._shopping.worths

    def _ideal(self, visit: Visit, n: int, of: Objective) -> Rows:
        key = self._key(visit), n, of
        found = self._ideals.get(key)
        if found is None:
            there = np.flatnonzero(self._since <= visit.number)
            found = there[self._browsing.best(self._appeal(visit)[there], self._worths(of)[there], n)]
            if self._seen is None:
                self._ideals[key] = found
        return found
