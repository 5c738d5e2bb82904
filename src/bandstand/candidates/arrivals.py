"""What is new: items by when they first came."""

from typing import ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import NOBODY, Ask, Proposals, Rows, Scores, Touch
from bandstand.candidates.growing import grown
from bandstand.events import ItemPut

DAY_S = 86400.0
# What came longer ago is not new any more, and what came so long ago counts half.
NEW_FOR_S = 14 * DAY_S
HALF_LIFE_S = 3 * DAY_S
# Of those that came last, as many are looked at.
LOOKED_AT = 4096


class Arrivals(msgspec.Struct):
    """The items that first came within NEW_FOR_S, the latest first: score = 2^(−age / HALF_LIFE_S).

    An item that changes, or that goes and comes back, is as old as it was. `rows` are in the order of coming.
    """

    name: ClassVar[str] = "arrivals"

    rows: Rows = msgspec.field(default_factory=lambda: np.zeros(0, np.int64))
    came: Scores = msgspec.field(default_factory=lambda: np.zeros(0))
    known: npt.NDArray[np.bool_] = msgspec.field(default_factory=lambda: np.zeros(0, np.bool_))
    used: int = 0

    def put(self, row: int, item: ItemPut, at: float) -> None:
        self.known = grown(self.known, row + 1)
        if self.known[row]:
            return
        self.known[row] = True
        self.rows, self.came = grown(self.rows, self.used + 1), grown(self.came, self.used + 1)
        # Log time never falls, but for a clock that was set back: then the item is as old as the one before it.
        latest = float(self.came[self.used - 1]) if self.used else at
        self.rows[self.used], self.came[self.used] = row, max(at, latest)
        self.used += 1

    def removed(self, row: int) -> None:
        """It is not allowed any more; when it comes back, it is not new."""

    def touched(self, touch: Touch) -> None:
        """Behaviour is of no matter here."""

    def propose(self, ask: Ask) -> Proposals:
        first = max(self.used - LOOKED_AT, int(self.came[: self.used].searchsorted(ask.now - NEW_FOR_S, "left")))
        rows, came = self.rows[first : self.used][::-1], self.came[first : self.used][::-1]
        new = rows < len(ask.allowed)
        new[new] = ask.allowed[rows[new]]
        places = np.flatnonzero(new)[: ask.limit + len(ask.history)]
        places = places[~np.isin(rows[places], ask.history)][: ask.limit]
        ages_s = np.maximum(ask.now - came[places], 0)
        return Proposals(rows[places], 2.0 ** (-ages_s / HALF_LIFE_S))

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return np.full(len(rows), NOBODY)
