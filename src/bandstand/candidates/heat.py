"""Touches that count less as they age, and the rows that have most of them."""

import math
from functools import cached_property

import msgspec
import numpy as np

from bandstand.candidates import Mask, Rows, Scores, best
from bandstand.candidates.growing import grown
from bandstand.candidates.leaders import Leaders

# The landmark moves when a new touch would weigh 2^this; doubles end at 2^1024.
MOST_HALF_LIVES = 256


class Heat(msgspec.Struct, dict=True):
    """Forward decay: a touch at t weighs 2^((t − L) / h) for ever, L being a landmark; the sum is divided by
    2^((now − L) / h) when somebody asks (Cormode, Shkapenyuk, Srivastava and Xu 2009).

    So touches may come in any order, each counting by its own age, nothing is decayed as time goes by, and the order
    of rows changes only where one is touched.
    """

    half_life_s: float
    landmark: float = 0.0
    newest: float = 0.0
    weights: Scores = msgspec.field(default_factory=lambda: np.zeros(0))

    def add(self, row: int, at: float, worth: float = 1.0) -> None:
        """A touch of this row that counts as much as `worth` of them."""
        half_lives = (at - self.landmark) / self.half_life_s
        if half_lives > MOST_HALF_LIVES:
            steps = math.floor(half_lives)  # whole ones, so that no weight is rounded, but for those that reach 0
            self.weights = np.ldexp(self.weights, -steps)
            self.landmark += steps * self.half_life_s
            self.__dict__.pop("_leaders", None)
        self.weights = grown(self.weights, row + 1)
        before = float(self.weights[row])
        self.weights[row] += worth * 2.0 ** ((at - self.landmark) / self.half_life_s)
        self.newest = max(self.newest, at)
        if "_leaders" in self.__dict__:
            self._leaders.raised(row, before, float(self.weights[row]))

    def cool(self, row: int) -> None:
        """As if this row had never been touched."""
        self.weights[row] = 0
        self.__dict__.pop("_leaders", None)

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

    def hottest(self, allowed: Mask, limit: int) -> Rows:
        """The allowed rows with any heat, at most `limit`, hottest first; ties go to the lower row."""
        for ahead in (self._leaders.rows[: 2 * limit], self._leaders.rows):
            known = ahead[ahead < len(allowed)]
            rows = known[allowed[known]][:limit]
            if len(rows) == limit:
                return rows
        if self._leaders.complete:
            return rows
        both = min(len(self.weights), len(allowed))
        return best(self.weights[:both], allowed[:both], limit)

    def coldest(self, allowed: Mask, limit: int) -> Rows:
        """The first `limit` allowed rows without any heat, in the order of rows."""
        size = 4 * limit
        while True:
            cold = allowed[:size].copy()
            known = self.weights[: len(cold)]
            cold[: len(known)] &= known == 0
            rows = np.flatnonzero(cold)[:limit]
            if len(rows) == limit or size >= len(allowed):
                return rows
            size *= 4

    @cached_property
    def _leaders(self) -> Leaders:
        return Leaders(self.weights)
