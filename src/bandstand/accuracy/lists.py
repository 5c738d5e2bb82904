"""Lists as they are made and judged, one by one, in arrays of a size known before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.accuracy.systems import DEPTH, System
from bandstand.candidates import Mask, Rows
from bandstand.features import named
from bandstand.state import State
from bandstand.stats.ranking import NONE

NOT_SHOWABLE = "could not be shown"


class Protocol(NamedTuple):
    """How the lists are made: their length, the part that is only read, and how many at most."""

    k: int
    train: float
    most_events: int


class Found(NamedTuple):
    """The lists that a protocol made, what they answer, what was left out, and what else must be said."""

    lists: "Lists"
    question: str
    left_out: Mapping[str, int]
    notes: Sequence[str]


class Catalogued(NamedTuple):
    """What is known of the items when the lists are made: how often each row had been liked, and a unit vector of its
    labels."""

    touches: npt.NDArray[np.int64]
    labels: csr_array


class Lists:
    """At most `room` lists of each system, `k` long, all for the same questions.

    `part` says for each question to which part of the protocol it belongs, and `judged_rows` which are reported: the
    others only help to choose.
    """

    def __init__(self, systems: Sequence[System], *, room: int, k: int) -> None:
        self.systems = tuple(systems)
        self.k = k
        self.count = 0
        self._top = np.full((len(systems), room, k), NONE, np.int32)
        self._hits = np.zeros((len(systems), room, DEPTH), np.bool_)
        self._lengths = np.zeros((len(systems), room), np.int32)
        self._relevant, self._candidates, self._who = (np.zeros(room, np.int64) for _ in range(3))
        self._part = np.zeros(room, np.int64)
        self.left_out: Counter[str] = Counter()
        self.report_from = 0
        self.known = Catalogued(np.zeros(0, np.int64), csr_array((0, 1)))

    def add(self, found: Sequence[Rows], allowed: Mask, wanted: Rows, *, who: int, part: int) -> None:
        """One list of each system for somebody who was to find the rows `wanted`."""
        at, wanted = self.count, wanted[allowed[wanted]]
        if not len(wanted):
            self.left_out[NOT_SHOWABLE] += 1
            return
        for number, rows in enumerate(found):
            rows = rows[:DEPTH]
            self._top[number, at, : min(len(rows), self.k)] = rows[: self.k]
            hits = rows == wanted[0] if len(wanted) == 1 else np.isin(rows, wanted)
            self._hits[number, at, : len(rows)] = hits
            self._lengths[number, at] = len(rows)
        self._relevant[at], self._candidates[at] = len(wanted), np.count_nonzero(allowed)
        self._who[at], self._part[at] = who, part
        self.count += 1

    def top(self, which: Rows) -> npt.NDArray[np.int32]:
        """int32[n, k]: for each question the list of the system that has this number."""
        return self._top[which, np.arange(self.count)]

    def hits(self, which: Rows) -> npt.NDArray[np.bool_]:
        return self._hits[which, np.arange(self.count)]

    def lengths(self, which: Rows) -> npt.NDArray[np.int64]:
        return self._lengths[which, np.arange(self.count)].astype(np.int64)

    @property
    def relevant(self) -> npt.NDArray[np.int64]:
        return self._relevant[: self.count]

    @property
    def candidates(self) -> npt.NDArray[np.int64]:
        return self._candidates[: self.count]

    @property
    def who(self) -> npt.NDArray[np.int64]:
        return self._who[: self.count]

    @property
    def part(self) -> npt.NDArray[np.int64]:
        return self._part[: self.count]

    @property
    def judged_rows(self) -> Mask:
        reported: Mask = self.part >= self.report_from
        return reported

    @property
    def people(self) -> int:
        return len(np.unique(self.who[self.judged_rows]))

    @property
    def items(self) -> int:
        return len(self.known.touches)


def catalogued(state: State, touches: npt.NDArray[np.int64]) -> Catalogued:
    """`touches` (one a row, or fewer) beside the labels of each item in the catalogue: its categories and its tags."""
    rows = len(state.catalogue)
    counted = np.zeros(rows, np.int64)
    counted[: len(touches)] = touches
    numbers: dict[str, int] = {}
    at, labels = [], []
    for row, known in sorted(state.catalogue.known.items()):
        put = known.put
        for label in (*filter(lambda name: "=" in name, named(put.features)), *(f"tag={tag}" for tag in put.tags)):
            at.append(row)
            labels.append(numbers.setdefault(label, len(numbers)))
    table = csr_array((np.ones(len(at)), (at, labels)), shape=(rows, max(len(numbers), 1)))
    lengths = np.diff(table.indptr)
    table.data = 1.0 / np.sqrt(np.repeat(lengths, lengths))
    return Catalogued(counted, table)
