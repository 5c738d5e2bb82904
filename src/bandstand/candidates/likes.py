"""Who liked what, and how much: what fitted generators are made from."""

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.candidates.growing import grown

# Some 60 MB; beyond it the oldest half goes.
MOST_KEPT = 5_000_000


class Likes(msgspec.Struct):
    """Likes in the order in which they came: person, row and worth of each."""

    numbers: dict[str, int] = {}
    given: int = 0
    kept: int = 0
    people: npt.NDArray[np.int32] = msgspec.field(default_factory=lambda: np.zeros(0, np.int32))
    rows: npt.NDArray[np.int32] = msgspec.field(default_factory=lambda: np.zeros(0, np.int32))
    worths: npt.NDArray[np.float32] = msgspec.field(default_factory=lambda: np.zeros(0, np.float32))

    def add(self, who: str, row: int, worth: float) -> None:
        number = self.numbers.get(who)
        if number is None:
            number = self.numbers[who] = self.given
            self.given += 1
        if self.kept == MOST_KEPT:
            self._keep(np.arange(MOST_KEPT // 2, MOST_KEPT))
        if self.kept == len(self.rows):
            self.people, self.rows = grown(self.people, self.kept + 1), grown(self.rows, self.kept + 1)
            self.worths = grown(self.worths, self.kept + 1)
        self.people[self.kept], self.rows[self.kept], self.worths[self.kept] = number, row, worth
        self.kept += 1

    def forget(self, who: str) -> None:
        number = self.numbers.pop(who, None)
        if number is not None:
            self._keep(np.flatnonzero(self.people[: self.kept] != number))

    def matrix(self, rows: int) -> csr_array[np.float32]:
        """float32[people, rows]: how much each person likes each row; people who liked something, in the order in which
        they came."""
        _, person = np.unique(self.people[: self.kept], return_inverse=True)
        shape = (int(person.max(initial=-1)) + 1, rows)
        summed = csr_array((self.worths[: self.kept], (person, self.rows[: self.kept])), shape=shape)
        summed.sum_duplicates()
        return summed

    def _keep(self, places: npt.NDArray[np.int64]) -> None:
        for column in (self.people, self.rows, self.worths):
            column[: len(places)] = column[places]
        self.kept = len(places)
