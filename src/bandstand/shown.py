"""What was shown: how often each item, and to whom which ones lately."""

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import Rows, Scores
from bandstand.candidates.growing import grown

# A person is told apart for ten slates of ten, and a hundred thousand people take at most 130 MB.
MOST_ROWS = 100
MOST_PEOPLE = 100_000

_SHOWING = np.dtype([("row", "<i4"), ("at", "<f8")])


class Showings(NamedTuple):
    """The rows that somebody was shown, oldest first, one as often as it was shown, and the time of each."""

    rows: Rows
    at: Scores


NOT_SHOWN = Showings(np.zeros(0, np.int64), np.zeros(0))


class Shown(msgspec.Struct):
    """`times` (int32 by row) counts the slates that each item was in. `lately` holds the last MOST_ROWS showings of the
    MOST_PEOPLE that were last shown something, each showing in 12 bytes."""

    times: npt.NDArray[np.int32] = msgspec.field(default_factory=lambda: np.zeros(0, np.int32))
    lately: dict[str, bytes] = {}

    def count(self, rows: list[int]) -> None:
        """One slate more held these rows, each once."""
        if rows:
            self.times = grown(self.times, max(rows) + 1)
            self.times[rows] += 1

    def add(self, who: str, rows: list[int], at: float) -> None:
        """These rows were shown to somebody at this time."""
        new = np.empty(len(rows), _SHOWING)
        new["row"], new["at"] = rows, at
        # Taken out and put in again, so that the first of the table is the one who was gone longest.
        known = self.lately.pop(who, b"") + new.tobytes()
        self.lately[who] = known[-MOST_ROWS * _SHOWING.itemsize :]
        if len(self.lately) > MOST_PEOPLE:
            del self.lately[next(iter(self.lately))]

    def to(self, who: str) -> Showings:
        """KeyError for somebody who was shown nothing lately."""
        table = np.frombuffer(self.lately[who], _SHOWING)
        return Showings(table["row"].astype(np.int64), table["at"].astype(np.float64))

    def of(self, rows: Rows) -> npt.NDArray[np.int32]:
        """int32[n]: how many slates each of these rows was in."""
        if not len(rows) or rows.max() < len(self.times):
            return self.times[rows]
        found = np.zeros(len(rows), np.int32)
        known = rows < len(self.times)
        found[known] = self.times[rows[known]]
        return found

    def fewer(self, exposures: int, rows: int) -> npt.NDArray[np.bool_]:
        """bool[rows]: which of the first so many rows were in fewer slates than that."""
        fewer = np.ones(rows, np.bool_)
        known = self.times[:rows]
        np.less(known, exposures, out=fewer[: len(known)])
        return fewer
