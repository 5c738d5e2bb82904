"""What many touched: of late more than they used to, here or everywhere, and over months."""

from collections.abc import Iterator
from typing import ClassVar

import msgspec
import numpy as np

from bandstand.candidates import NOBODY, Ask, Proposals, Rows, Scores, Touch
from bandstand.candidates.heat import Heat
from bandstand.candidates.pulse import Pulse
from bandstand.events import ItemPut
from bandstand.features import hidden

# Segments kept, and the rows of each: those with the most touches of late. All together have more.
MOST_SEGMENTS = 64
ROWS_OF_A_SEGMENT = 512
ROWS_OF_ALL = 4096
# What a trend among everybody counts for somebody among whom there are others.
BROADER = 0.5
# Above 0, so that an item which nobody touched is proposed too.
PRIOR_HEAT = 0.01


class Trending(msgspec.Struct):
    """Items that are touched faster than they used to be, by more than chance explains, the fastest first.

    How fast is asked of each segment that the user is in (`country=NL`, `device=mobile`) and of all together, whose
    trends count BROADER: so those of the user's own kind lead, and where little is known of it, those of all are there.
    Of more than MOST_SEGMENTS the one with the fewest touches of late makes room. A second touch by the same person,
    while the first is still in their history, adds nothing: one keen visitor is no trend.
    """

    name: ClassVar[str] = "trending"

    everybody: Pulse = msgspec.field(default_factory=lambda: Pulse(ROWS_OF_ALL))
    names: list[str] = []
    segments: list[Pulse] = []
    active: Heat = msgspec.field(default_factory=lambda: Heat(86400.0))

    def put(self, row: int, item: ItemPut, at: float) -> None:
        """What an item says about itself is of no matter here."""

    def removed(self, row: int) -> None:
        """What is known is kept: the item may come back, and until then it is not allowed."""

    def touched(self, touch: Touch) -> None:
        if touch.row in touch.before:
            return
        self.everybody.add(touch.row, touch.at, touch.worth)
        for name in touch.segments:
            place = self._place(hidden(name), touch.at)
            self.active.add(place, touch.at)
            self.segments[place].add(touch.row, touch.at, touch.worth)

    def propose(self, ask: Ask) -> Proposals:
        found = [(rows, scores) for _, rows, scores in self._trends(ask)]
        rows, scores = (np.concatenate(column) for column in zip(*found, strict=True))
        known = rows < len(ask.allowed)
        known[known] = ask.allowed[rows[known]]
        rows, scores = rows[known], scores[known]
        order = np.lexsort((rows, -scores))
        _, first = np.unique(rows[order], return_index=True)  # a row's highest score, in whatever scope
        chosen = order[np.sort(first)][: ask.limit]
        return Proposals(rows[chosen], scores[chosen])

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return np.full(len(rows), NOBODY)

    def among(self, ask: Ask, row: int) -> str | None:
        """The segment of the user where this row, which it proposed when asked this, trends most; None for all."""
        found = [(name, float(scores[rows == row].max(initial=0.0))) for name, rows, scores in self._trends(ask)]
        return max(found, key=lambda one: one[1])[0]

    def _trends(self, ask: Ask) -> Iterator[tuple[str | None, Rows, Scores]]:
        """For each segment of the user and for all, the rows that trend there and how much that counts."""
        own = [name for name in ask.segments if hidden(name) in self.names]
        for name in own:
            yield name, *self.segments[self.names.index(hidden(name))].trends(ask.now)
        rows, velocities = self.everybody.trends(ask.now)
        yield None, rows, velocities * (BROADER if own else 1.0)

    def _place(self, name: str, at: float) -> int:
        """Where this segment is kept, from now on if it was not."""
        if name in self.names:
            return self.names.index(name)
        if len(self.names) < MOST_SEGMENTS:
            self.names.append(name)
            self.segments.append(Pulse(ROWS_OF_A_SEGMENT))
            return len(self.names) - 1
        place = int(self.active.of(np.arange(MOST_SEGMENTS), at).argmin())
        self.names[place], self.segments[place] = name, Pulse(ROWS_OF_A_SEGMENT)
        self.active.cool(place)
        return place


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
        self.kept.add(touch.row, touch.at, touch.worth)

    def heat(self, rows: Rows, now: float) -> Scores:
        return self.kept.of(rows, now)

    def propose(self, ask: Ask) -> Proposals:
        rows = self.kept.hottest(ask.allowed, ask.limit)
        if len(rows) < ask.limit:
            rows = np.concatenate((rows, self.kept.coldest(ask.allowed, ask.limit - len(rows))))
        return Proposals(rows, self.heat(rows, ask.now) + PRIOR_HEAT)

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return np.full(len(rows), NOBODY)
