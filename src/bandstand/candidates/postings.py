"""An inverted index of champions: for each word the rows that hold it most strongly."""

from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.candidates import Rows, Scores
from bandstand.candidates.growing import grown
from bandstand.native import native

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]

# Rows kept for a word, and how many may stand in its list until it is cut back to these.
CHAMPIONS = 1024
MOST_LISTED = 1280


_Number = TypeVar("_Number", bound=np.generic)


def _no_places() -> Places:
    return np.zeros(0, np.int32)


class Postings(msgspec.Struct):
    """Lists of rows by word, each row with the weight that the word has in it (champion lists: Manning, Raghavan and
    Schütze 2008, section 7.1.3).

    A word is a number from 0 up. Its list lies in `rows` and `weights` from `starts[word]` on: `lengths[word]` of
    `rooms[word]` places are taken. A list that is full moves to the end, with twice the room; one of MOST_LISTED keeps
    its CHAMPIONS, the earliest of equals. A row that is dropped leaves its place to the last of the list.
    """

    starts: Places = msgspec.field(default_factory=_no_places)
    lengths: Places = msgspec.field(default_factory=_no_places)
    rooms: Places = msgspec.field(default_factory=_no_places)
    rows: Places = msgspec.field(default_factory=_no_places)
    weights: Floats = msgspec.field(default_factory=lambda: np.zeros(0, np.float32))
    used: int = 0

    def add(self, row: int, words: Places, weights: Floats) -> None:
        """This row holds these words, each named once, and was in none of their lists."""
        end = int(words.max()) + 1
        self.starts, self.lengths, self.rooms = (grown(own, end) for own in (self.starts, self.lengths, self.rooms))
        for word in words[self.lengths[words] == self.rooms[words]].tolist():
            self._make_room(word)
        at = self.starts[words] + self.lengths[words]
        self.rows[at], self.weights[at] = row, weights
        self.lengths[words] += 1

    def drop(self, row: int, words: Places) -> None:
        """This row holds these words, each named once, no more."""
        found = np.flatnonzero(self._listed(self.rows, words) == row)
        ends = np.cumsum(self.lengths[words])
        which = ends.searchsorted(found, "right")
        words = words[which]
        at = self.starts[words] + self.lengths[words] + found - ends[which]
        last = self.starts[words] + self.lengths[words] - 1
        self.rows[at], self.weights[at] = self.rows[last], self.weights[last]
        self.lengths[words] -= 1

    def scores(self, words: Rows | Places, strengths: Floats, size: int) -> Scores:
        """float64[size]: for each row the sum of strength · weight over those of the words in whose list it stands."""
        if native is not None:
            scores = np.zeros(size)
            native.listed(self.starts, self.lengths, self.rows, self.weights, words.astype(np.int32), strengths, scores)
            return scores
        rows, weights = self._listed(self.rows, words), self._listed(self.weights, words)
        amounts = weights * np.repeat(strengths, self.lengths[words])
        sums: Scores = np.bincount(rows, amounts, minlength=size).astype(np.float64, copy=False)
        return sums[:size]

    def _listed(self, pool: npt.NDArray[_Number], words: Rows | Places) -> npt.NDArray[_Number]:
        """The lists of these words end to end."""
        if not len(words):
            return pool[:0]
        starts = self.starts[words]
        ends = starts + self.lengths[words]
        return np.concatenate([pool[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])

    def _make_room(self, word: int) -> None:
        start, length = int(self.starts[word]), int(self.lengths[word])
        if length == MOST_LISTED:
            kept = start + _champions(self.weights[start : start + length])
            for pool in (self.rows, self.weights):
                pool[start : start + len(kept)] = pool[kept]
            self.lengths[word] = len(kept)
            return
        room = min(max(2 * length, 1), MOST_LISTED)
        self.rows, self.weights = grown(self.rows, self.used + room), grown(self.weights, self.used + room)
        for pool in (self.rows, self.weights):
            pool[self.used : self.used + length] = pool[start : start + length]
        self.starts[word], self.rooms[word] = self.used, room
        self.used += room


def postings(rows: Rows, words: int, starts: Places, places: Places, weights: Floats) -> Postings:
    """The lists of `words` words of the vectors that lie end to end in `places` and `weights`, one for each row."""
    by_word = csr_array((weights, places, starts), shape=(len(rows), words)).tocsc()
    held_by: Floats = by_word.data.astype(np.float32, copy=False)
    lengths = np.diff(by_word.indptr)
    keep = np.ones(len(weights), np.bool_)
    for word in np.flatnonzero(lengths > CHAMPIONS).tolist():
        start, end = int(by_word.indptr[word]), int(by_word.indptr[word + 1])
        keep[start:end] = False
        keep[start + _champions(held_by[start:end])] = True
    listed = np.minimum(lengths, CHAMPIONS).astype(np.int32)
    ends = np.cumsum(listed, dtype=np.int32)
    held = rows[by_word.indices[keep]].astype(np.int32)
    return Postings(ends - listed, listed, listed.copy(), held, held_by[keep], len(held))


def _champions(weights: Floats) -> Rows:
    """The places of the CHAMPIONS highest weights, rising."""
    return np.sort(np.argsort(-weights, kind="stable")[:CHAMPIONS])
