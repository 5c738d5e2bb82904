"""How fast items are touched of late, next to how fast they used to be."""

import math
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import Rows, Scores
from bandstand.candidates.growing import grown

HOUR_S = 3600.0
FAST_S, SLOW_S = HOUR_S, 24 * HOUR_S
# The bound is passed by chance once in twenty times.
_Z = 1.6448536269514722
# Touches that any item may get within a fast half-life without being a trend. With it, the bound of three touches at
# once is 0.73, and that of four 1.17.
PRIOR = 1.0
# When a touch is this much later than the landmark, it moves by whole days, so that no weight is rounded. The third sum
# then holds 2^240; doubles end at 2^1024.
_LATEST_S = 120 * HOUR_S
_DAY_HALVINGS = np.array([24, 48, 1])


class Pulse(msgspec.Struct, dict=True):
    """Decayed sums of the touches of at most `most` rows: S, with a half-life of an hour, V, of their squares over the
    same hour (so at half that half-life), and B with a half-life of a day.

    velocity(row) = lower(S, V) / (B · FAST_S / SLOW_S + PRIOR)
    lower(S, V) = S / n · (the 5 % quantile of a Gamma distribution of shape n), n = S² / V

    The divisor is what the row's own base rate lets expect of S. A sum of Poisson counts with weights, S, whose
    variance is estimated by V, is at least `lower` with 95 % confidence (Fay and Feuer 1997, section 3). n is then how
    many equal touches would tell as much: one purchase that counts five is one touch still. A row trends where its
    velocity is above 1. Where one more row comes than there is room for, the half with the highest B stays.
    """

    most: int
    rows: Rows = msgspec.field(default_factory=lambda: np.zeros(0, np.int64))
    sums: npt.NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros((0, 3)))
    used: int = 0
    landmark: float = 0.0
    newest: float = 0.0

    def add(self, row: int, at: float, worth: float) -> None:
        if at - self.landmark > _LATEST_S:
            days = math.floor((at - self.landmark) / SLOW_S)
            self.sums = np.ldexp(self.sums, -days * _DAY_HALVINGS)
            self.landmark += days * SLOW_S
        self.newest = max(self.newest, at)
        hours = (at - self.landmark) / HOUR_S
        place = self._place(row)
        sums = self.sums[place]
        sums[0] += worth * 2.0**hours
        sums[1] += worth * worth * 4.0**hours
        sums[2] += worth * 2.0 ** (hours / 24)

    def trends(self, now: float) -> tuple[Rows, Scores]:
        """The rows with a velocity above 1, and it."""
        hours = (max(now, self.newest) - self.landmark) / HOUR_S
        fast = self.sums[: self.used, 0] * 2.0**-hours
        likely = np.flatnonzero(fast > PRIOR)  # `lower` is below S
        squares = self.sums[likely, 1] * 4.0**-hours
        expected = self.sums[likely, 2] * (2.0 ** (-hours / 24) * FAST_S / SLOW_S) + PRIOR
        velocities = lower(fast[likely], squares) / expected
        found = velocities > 1
        return self.rows[likely[found]], velocities[found]

    @cached_property
    def _places(self) -> dict[int, int]:
        return {row: place for place, row in enumerate(self.rows[: self.used].tolist())}

    def _place(self, row: int) -> int:
        place = self._places.get(row)
        if place is not None:
            return place
        if self.used == self.most:
            self._drop_weakest()
        self.rows, self.sums = grown(self.rows, self.used + 1), grown(self.sums, self.used + 1)
        self.rows[self.used] = row
        self._places[row] = self.used
        self.used += 1
        return self.used - 1

    def _drop_weakest(self) -> None:
        kept = np.sort(np.argsort(-self.sums[: self.used, 2], kind="stable")[: self.most // 2])
        self.used = len(kept)
        self.rows[: self.used], self.sums[: self.used] = self.rows[kept], self.sums[kept]
        self.sums[self.used :] = 0
        del self.__dict__["_places"]


def lower(sums: Scores, squares: Scores) -> Scores:
    """What a weighted sum of Poisson counts is expected to be at least, with 95 % confidence; `squares` are the sums of
    the squared weights. The quantile is that of Wilson and Hilferty (1931), within 0.02."""
    n = np.square(sums) / squares
    bound: Scores = sums * np.maximum(1 - 1 / (9 * n) - _Z / (3 * np.sqrt(n)), 0) ** 3
    return bound
