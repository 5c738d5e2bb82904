"""What somebody looks at just now: the items most like those of this session, from its first event on."""

from functools import cached_property
from typing import ClassVar

import msgspec
import numpy as np

from bandstand.candidates import NOBODY, Ask, Mask, Proposals, Rows, Scores, Touch, best
from bandstand.candidates.nearest import EXACT, Signs
from bandstand.candidates.sketches import Floats, Sketches, unit
from bandstand.events import ItemPut

# A click counts half as much after so long.
HALF_LIFE_S = 600.0
# Only so many of the latest are heard.
HEARD = 20


class Session(msgspec.Struct, dict=True):
    """Nearest by cosine to the session's vector, over the sketches of all items.

    session = Σ_i 2^(−age_i / HALF_LIFE_S) · sketch_i, over what was touched in this session

    Nothing is learned: an item counts from when it is put, and a person from their first click. Ages count from the
    latest touch, so that somebody who comes back a day later is still the person they were.
    """

    name: ClassVar[str] = "session"

    sketches: Sketches = msgspec.field(default_factory=Sketches)

    def put(self, row: int, item: ItemPut, at: float) -> None:
        self.sketches.put(row, item)
        self._signed(row)

    def removed(self, row: int) -> None:
        self.sketches.removed(row)
        self._signed(row)

    def touched(self, touch: Touch) -> None:
        """What counts is in the session when somebody asks."""

    def propose(self, ask: Ask) -> Proposals:
        rows, weights = _heard(ask)
        profile = unit((self.sketches.of(rows) * weights[:, None]).sum(axis=0))
        unseen = ask.allowed[: len(self.sketches.vectors)].copy()
        for seen in (rows, ask.history):
            unseen[seen[seen < len(unseen)]] = False
        likely, vectors = self._likely(profile, unseen)
        scores = (vectors @ profile).astype(np.float64)
        first = best(scores, unseen[likely], ask.limit)
        return Proposals(likely[first], scores[first])

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The row of the session that is most like each."""
        heard, weights = _heard(ask)
        if not len(heard):
            return np.full(len(rows), NOBODY)
        shares = (self.sketches.of(heard) @ self.sketches.of(rows).T) * weights[:, None]
        return np.where(shares.max(axis=0) > 0, heard[shares.argmax(axis=0)], NOBODY)

    def _likely(self, profile: Floats, unseen: Mask) -> tuple[Rows, Floats]:
        """The rows that may be among the nearest, rising, and their sketches."""
        if len(unseen) <= EXACT:
            return np.arange(len(unseen)), self.sketches.vectors[: len(unseen)]
        likely = self._signs.alike(profile, unseen)
        return likely, self.sketches.vectors[likely]

    def _signed(self, row: int) -> None:
        if "_signs" in self.__dict__ and row < len(self.sketches.vectors):
            self._signs.put(row, self.sketches.of(np.array([row]))[0])

    @cached_property
    def _signs(self) -> Signs:
        return Signs(self.sketches.vectors)


def _heard(ask: Ask) -> tuple[Rows, Scores]:
    """The latest rows of the session, and how much each counts, the latest 1."""
    rows, ages_s = ask.recent[:HEARD], ask.ages_s[:HEARD]
    return rows, 2.0 ** (-(ages_s - ages_s.min(initial=np.inf)) / HALF_LIFE_S) if len(rows) else ages_s
