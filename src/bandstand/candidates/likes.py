"""Who liked what, and how much: the latest few million of all likes, from which fitted generators are made."""

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.candidates.growing import grown

# 50 MB. Where these are full, the latest seven eighths stay.
MOST_KEPT = 2**22
# Of one person between so many and twice as many are kept, the latest: a keen robot cannot drive out the others.
MOST_EACH = 2_000
NO_ONE = -1

Numbers = npt.NDArray[np.int32]


def _no_numbers() -> Numbers:
    return np.zeros(0, np.int32)


class Likes(msgspec.Struct):
    """Appended triples: `rows[k]` was liked by `persons[k]`, or by NO_ONE any more, as much as `worths[k]` says.

    `people` numbers those who are known, in the order in which they came, and `each` counts the triples of each number.
    """

    people: dict[str, int] = {}
    each: list[int] = []
    used: int = 0
    persons: Numbers = msgspec.field(default_factory=_no_numbers)
    rows: Numbers = msgspec.field(default_factory=_no_numbers)
    worths: npt.NDArray[np.float32] = msgspec.field(default_factory=lambda: np.zeros(0, np.float32))

    def add(self, who: str, row: int, worth: float) -> None:
        if self.used == len(self.persons):
            self._make_room()
        person = self.people.get(who)
        if person is None:
            person = self.people[who] = len(self.each)
            self.each.append(0)
        elif self.each[person] >= 2 * MOST_EACH:
            self._keep(person, MOST_EACH)
        at = self.used
        self.persons[at] = person
        self.rows[at] = row
        self.worths[at] = worth
        self.each[person] += 1
        self.used = at + 1

    def forget(self, who: str) -> None:
        """As if this person had never liked anything."""
        person = self.people.pop(who, None)
        if person is not None:
            self._keep(person, 0)

    def matrix(self, rows: int) -> csr_array[np.float32]:
        """float32[people, rows]: what each person's likes of each row are worth in all; those who came first are first,
        and all rows that were liked lie below `rows`."""
        there = np.flatnonzero(self.persons[: self.used] != NO_ONE)
        number, people = self._numbered(np.array(self.each, np.int64))
        places = (number[self.persons[there]], self.rows[there])
        return csr_array((self.worths[there], places), shape=(people, rows))

    def _keep(self, person: int, latest: int) -> None:
        """Only so many of this person's likes."""
        places = np.flatnonzero(self.persons[: self.used] == person)
        self.persons[places[: len(places) - latest]] = NO_ONE
        self.each[person] = min(latest, len(places))

    def _make_room(self) -> None:
        if self.used < MOST_KEPT:
            for name in ("persons", "rows", "worths"):
                setattr(self, name, grown(getattr(self, name), self.used + 1)[:MOST_KEPT])
            return
        kept = np.flatnonzero(self.persons != NO_ONE)[-(MOST_KEPT // 8 * 7) :]
        for column in (self.persons, self.rows, self.worths):
            column[: len(kept)] = column[kept]
        self.used = len(kept)
        counts = np.bincount(self.persons[: self.used], minlength=len(self.each))
        number, _ = self._numbered(counts)
        self.persons[: self.used] = number[self.persons[: self.used]]
        new, left = number.tolist(), counts.tolist()
        self.people = {who: new[person] for who, person in self.people.items() if left[person]}
        self.each = counts[counts > 0].tolist()

    def _numbered(self, counts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
        """New numbers for those of whom anything is left, without gaps, and how many they are."""
        there = counts > 0
        return np.cumsum(there) - 1, int(np.count_nonzero(there))


def damped(likes: csr_array[np.float32]) -> csr_array[np.float32]:
    """log₂(1 + worth) of each: one like counts 1, and the hundredth of the same item hardly more than the ninety-ninth
    (Hu, Koren and Volinsky 2008, equation 6, for the logarithm). A copy, with rising indices."""
    own = likes.copy()
    own.sum_duplicates()
    own.data = np.log2(1 + own.data.astype(np.float64)).astype(np.float32)
    return own
