"""Heat: what many touched lately, by touches that count less as they age."""

import math
from typing import ClassVar

import msgspec
import numpy as np

from bandstand.candidates import NOBODY, Ask, Mask, Proposals, Rows, Scores, Touch, best
from bandstand.candidates.growing import grown
from bandstand.events import ItemPut

# The landmark moves when a new touch would weigh 2^this; doubles end at 2^1024.
MOST_HALF_LIVES = 256
# Three clicks are no trend: it takes four in quick succession.
LEAST_TREND = 3.5
# Above 0, so that an item which nobody touched is proposed too.
PRIOR_HEAT = 0.01


class Heat(msgspec.Struct):
    """Forward decay: a touch at t weighs 2^((t − L) / h) for ever, L being a landmark; the sum is divided by
    2^((now − L) / h) when somebody asks (Cormode, Shkapenyuk, Srivastava and Xu 2009).

    So touches may come in any order, each counting by its own age, and nothing is decayed as time goes by.
    """

    half_life_s: float
    landmark: float = 0.0
    newest: float = 0.0
    weights: Scores = msgspec.field(default_factory=lambda: np.zeros(0))

    def add(self, row: int, at: float) -> None:
        half_lives = (at - self.landmark) / self.half_life_s
        if half_lives > MOST_HALF_LIVES:
            steps = math.floor(half_lives)  # whole ones, so that no weight is rounded
            self.weights = np.ldexp(self.weights, -steps)
            self.landmark += steps * self.half_life_s
        self.weights = grown(self.weights, row + 1)
        self.weights[row] += 2.0 ** ((at - self.landmark) / self.half_life_s)
        self.newest = max(self.newest, at)

    def of(self, rows: Rows, now: float) -> Scores:
        """Each row's heat in touches: one made now counts 1, one a half-life ago ½.

        Asked about a time before the newest touch, it answers for that touch's time.
        """
        heat = np.zeros(len(rows))
        known = rows < len(self.weights)
        heat[known] = self.weights[rows[known]]
        age: float = (max(now, self.newest) - self.landmark) / self.half_life_s
        decayed: Scores = heat * 2.0**-age
        return decayed


class Trending(msgspec.Struct):
    """Items with more heat than a few people make by chance, the hottest first.

    A second touch by the same person, while the first is still in their history, adds none: one keen visitor
    is no trend.
    """

    name: ClassVar[str] = "trending"
    half_life_s: ClassVar[float] = 6 * 3600.0

    kept: Heat = msgspec.field(default_factory=lambda: Heat(Trending.half_life_s))

    def put(self, row: int, item: ItemPut) -> None:
        """What an item says about itself is of no matter here."""

    def removed(self, row: int) -> None:
        """Its heat is kept: the item may come back, and until then it is not allowed."""

    def touched(self, touch: Touch) -> None:
        if touch.row not in touch.before:
            self.kept.add(touch.row, touch.at)

    def heat(self, rows: Rows, now: float) -> Scores:
        return self.kept.of(rows, now)

    def propose(self, ask: Ask) -> Proposals:
        heat = self.heat(np.arange(len(ask.allowed)), ask.now)
        return _hottest(heat, ask.allowed & (heat >= LEAST_TREND), ask.limit)


class Popular(msgspec.Struct):
    """Items by their heat over months: the fallback where nothing better is known.

    It always proposes as many allowed rows as were asked for, if there are so many: every item has a small
    heat to begin with, so those that nobody touched come last, in the order of rows. Every touch counts, also
    one person's repeated ones: who buys the same coffee each month likes it each month.
    """

    name: ClassVar[str] = "popular"
    half_life_s: ClassVar[float] = 30 * 86400.0

    kept: Heat = msgspec.field(default_factory=lambda: Heat(Popular.half_life_s))

    def put(self, row: int, item: ItemPut) -> None:
        """What an item says about itself is of no matter here."""

    def removed(self, row: int) -> None:
        """Its heat is kept: the item may come back, and until then it is not allowed."""

    def touched(self, touch: Touch) -> None:
        self.kept.add(touch.row, touch.at)

    def heat(self, rows: Rows, now: float) -> Scores:
        return self.kept.of(rows, now)

    def propose(self, ask: Ask) -> Proposals:
        heat = self.heat(np.arange(len(ask.allowed)), ask.now)
        return _hottest(heat + PRIOR_HEAT, ask.allowed, ask.limit)


def _hottest(heat: Scores, allowed: Mask, limit: int) -> Proposals:
    rows = best(heat, allowed, limit)
    return Proposals(rows, heat[rows], np.full(len(rows), NOBODY))
