"""What many touched: lately, and over months."""

from typing import ClassVar

import msgspec
import numpy as np

from bandstand.candidates import NOBODY, Ask, Proposals, Rows, Scores, Touch
from bandstand.candidates.heat import Heat
from bandstand.events import ItemPut

# Three clicks are no trend: it takes four in quick succession.
LEAST_TREND = 3.5
# Above 0, so that an item which nobody touched is proposed too.
PRIOR_HEAT = 0.01


class Trending(msgspec.Struct):
    """Items with more heat than a few people make by chance, the hottest first.

    A second touch by the same person, while the first is still in their history, adds none: one keen visitor
    is no trend.
    """

    name: ClassVar[str] = "trending"
    half_life_s: ClassVar[float] = 6 * 3600.0

    kept: Heat = msgspec.field(default_factory=lambda: Heat(Trending.half_life_s))

    def put(self, row: int, item: ItemPut, at: float) -> None:
        """What an item says about itself is of no matter here."""

    def removed(self, row: int) -> None:
        """Its heat is kept: the item may come back, and until then it is not allowed."""

    def touched(self, touch: Touch) -> None:
        if touch.row not in touch.before:
            self.kept.add(touch.row, touch.at)

    def heat(self, rows: Rows, now: float) -> Scores:
        return self.kept.of(rows, now)

    def propose(self, ask: Ask) -> Proposals:
        rows = self.kept.hottest(ask.allowed, ask.limit)
        heat = self.heat(rows, ask.now)
        trends = heat >= LEAST_TREND
        return Proposals(rows[trends], heat[trends])

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return np.full(len(rows), NOBODY)


class Popular(msgspec.Struct):
    """Items by their heat over months: the fallback where nothing better is known.

    It always proposes as many allowed rows as were asked for, if there are so many: every item has a small
    heat to begin with, so those that nobody touched come last, in the order of rows. Every touch counts, also
    one person's repeated ones: who buys the same coffee each month likes it each month.
    """

    name: ClassVar[str] = "popular"
    half_life_s: ClassVar[float] = 30 * 86400.0

    kept: Heat = msgspec.field(default_factory=lambda: Heat(Popular.half_life_s))

    def put(self, row: int, item: ItemPut, at: float) -> None:
        """What an item says about itself is of no matter here."""

    def removed(self, row: int) -> None:
        """Its heat is kept: the item may come back, and until then it is not allowed."""

    def touched(self, touch: Touch) -> None:
        self.kept.add(touch.row, touch.at)

    def heat(self, rows: Rows, now: float) -> Scores:
        return self.kept.of(rows, now)

    def propose(self, ask: Ask) -> Proposals:
        rows = self.kept.hottest(ask.allowed, ask.limit)
        if len(rows) < ask.limit:
            rows = np.concatenate((rows, self.kept.coldest(ask.allowed, ask.limit - len(rows))))
        return Proposals(rows, self.heat(rows, ask.now) + PRIOR_HEAT)

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return np.full(len(rows), NOBODY)
