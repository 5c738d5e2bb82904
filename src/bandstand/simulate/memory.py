"""What people remember of their visits: what they were shown, and whether it pleased them."""

from math import inf

import numpy as np

from bandstand.simulate.browsing import Floats, Rows
from bandstand.simulate.nature import Churn, Novelty


class Seen:
    """How often each person was shown each item, fading: once counts half after the novelty's `forgets_s`."""

    def __init__(self, novelty: Novelty, items: int) -> None:
        self._novelty = novelty
        self._none = np.zeros(items)
        self._counts: dict[str, tuple[float, Floats]] = {}

    def add(self, user: str, rows: Rows, *, time: float) -> None:
        counts = self.faded(user, time=time).copy()
        counts[rows] += 1.0
        self._counts[user] = time, counts

    def faded(self, user: str, *, time: float) -> Floats:
        """float64[items]"""
        since, counts = self._counts.get(user, (time, self._none))
        return np.asarray(counts * 0.5 ** ((time - since) / self._novelty.forgets_s), np.float64)

    def logits(self, user: str, *, time: float) -> Floats:
        """What that does to the liking of each item."""
        f = self.faded(user, time=time)
        return np.asarray(self._novelty.curious * np.exp(-f) - self._novelty.tires * f, np.float64)


class Moods:
    """Who had nothing to click at so many visits in a row, and who stays away for it until when."""

    def __init__(self, churn: Churn) -> None:
        self._churn = churn
        self._in_vain: dict[str, int] = {}
        self._away_until: dict[str, float] = {}

    def away(self, user: str, *, time: float) -> bool:
        return self._away_until.get(user, -inf) > time

    def add(self, user: str, *, pleased: bool, time: float, leaves: float, stays_away: float) -> None:
        """After a visit; `leaves` is the visitor's chance in [0, 1) to go, `stays_away` an exponential of mean 1."""
        self._in_vain[user] = 0 if pleased else self._in_vain.get(user, 0) + 1
        if self._in_vain[user] >= self._churn.patience and leaves < self._churn.leaves:
            returns_s = inf if self._churn.returns_s is None else self._churn.returns_s * stays_away
            self._away_until[user] = time + returns_s
            self._in_vain[user] = 0
