"""Likeness of vectors that the caller gives with its items: embeddings of text, of images, of whatever it has."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np

from bandstand.candidates import NOBODY, Ask, Mask, Proposals, Rows, Scores, Touch, best
from bandstand.candidates.growing import grown
from bandstand.candidates.nearest import EXACT, Signs
from bandstand.candidates.sketches import Floats, unit, vector
from bandstand.events import ItemPut

# Only so much of the history is heard: what follows would count 1/64 of all.
HEARD = 30


Of = Callable[[int, Rows], Floats]


class Profile(NamedTuple):
    """The direction of a history's vectors of one length, and their share of its weights."""

    length: int
    share: float
    direction: Floats


class Table(msgspec.Struct, dict=True):
    """Unit vectors of one length, end to end, and the row that each belongs to; the last takes the place of one that
    is dropped."""

    vectors: Floats
    rows: Rows = msgspec.field(default_factory=lambda: np.zeros(0, np.int64))
    used: int = 0

    def add(self, row: int, vector: Floats) -> int:
        """The place of this row's vector from now on."""
        place = self.used
        if place == len(self.vectors):  # not `grown`: with few, and each very long, its room would be most of all
            longer = np.zeros((max(2 * place, 1), len(vector)), np.float32)
            longer[:place] = self.vectors
            self.vectors = longer
        self.rows = grown(self.rows, place + 1)
        self._set(place, row, vector)
        self.used += 1
        return place

    def drop(self, place: int) -> int:
        """The row whose vector is in this place from now on, the place's own if it was the last."""
        self.used -= 1
        moved = int(self.rows[self.used])
        self._set(place, moved, self.vectors[self.used])
        return moved

    def cosines(self, profile: Floats, allowed: Mask) -> tuple[Rows, Floats]:
        """Rows that may be among the nearest to the profile, and how near they are."""
        rows = self.rows[: self.used]
        if self.used <= EXACT:
            return rows, self.vectors[: self.used] @ profile
        places = self._signs.alike(profile, _passing(allowed, rows))
        return rows[places], self.vectors[places] @ profile

    def _set(self, place: int, row: int, vector: Floats) -> None:
        self.rows[place], self.vectors[place] = row, vector
        if "_signs" in self.__dict__:
            self._signs.put(place, vector)

    @cached_property
    def _signs(self) -> Signs:
        return Signs(self.vectors[: self.used])


class Vectors(msgspec.Struct):
    """Nearest by cosine to the mean of the history's vectors, each weighted as it still counts.

    Only vectors of equal length are compared; where a history has several lengths, the cosines of each count by its
    share of the weights. `lengths[row]` is 0 where an item has no vector, and else it lies in `places[row]` of the
    table of that length.
    """

    name: ClassVar[str] = "vectors"

    tables: dict[int, Table] = {}
    lengths: Rows = msgspec.field(default_factory=lambda: np.zeros(0, np.int64))
    places: Rows = msgspec.field(default_factory=lambda: np.zeros(0, np.int64))

    def put(self, row: int, item: ItemPut, at: float) -> None:
        self.removed(row)
        given = vector(item.features)
        if given is None:
            return
        self.lengths, self.places = grown(self.lengths, row + 1), grown(self.places, row + 1)
        length = len(given)
        if length not in self.tables:
            self.tables[length] = Table(np.zeros((0, length), np.float32))
        self.lengths[row], self.places[row] = length, self.tables[length].add(row, given)

    def removed(self, row: int) -> None:
        if row >= len(self.lengths) or not self.lengths[row]:
            return
        length, place = int(self.lengths[row]), int(self.places[row])
        self.places[self.tables[length].drop(place)] = place
        self.lengths[row] = 0
        if not self.tables[length].used:
            del self.tables[length]

    def touched(self, touch: Touch) -> None:
        """Behaviour is of no matter here."""

    def propose(self, ask: Ask) -> Proposals:
        scores = np.zeros(len(ask.allowed))
        for length, share, profile in self.profiles(ask):
            rows, cosines = self.tables[length].cosines(profile, ask.allowed)
            known = rows < len(scores)
            scores[rows[known]] = cosines[known] * share
        scores[ask.history] = 0
        rows = best(scores, ask.allowed, ask.limit)
        return Proposals(rows, scores[rows])

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return most_alike(heard(ask, self.lengths), rows, self.lengths, self._of)

    def profiles(self, ask: Ask) -> Iterator[Profile]:
        return profiles(heard(ask, self.lengths), self.lengths, self._of)

    def copies(self) -> dict[int, tuple[Rows, Floats]]:
        """By length, the rows that have vectors, rising, and their vectors, for who makes an index of them; nothing
        where there are so few of each length that all can be compared."""
        copied: dict[int, tuple[Rows, Floats]] = {}
        if all(table.used <= EXACT for table in self.tables.values()):
            return copied
        for length, table in sorted(self.tables.items()):
            order = np.argsort(table.rows[: table.used])
            copied[length] = table.rows[order], table.vectors[order]
        return copied

    def _of(self, length: int, rows: Rows) -> Floats:
        return self.tables[length].vectors[self.places[rows]]


def _passing(allowed: Mask, rows: Rows) -> Mask:
    """Which of these rows are allowed."""
    known = rows < len(allowed)
    passing: Mask = allowed.take(rows, mode="clip") & known if len(allowed) else known
    return passing


def heard(ask: Ask, lengths: Rows) -> tuple[Rows, Scores]:
    """The rows of the history that have vectors, and how much they count."""
    known = ask.history < len(lengths)
    known[known] = lengths[ask.history[known]] > 0
    return ask.history[known][:HEARD], ask.weights[known][:HEARD]


def profiles(history: tuple[Rows, Scores], lengths: Rows, of: Of) -> Iterator[Profile]:
    """One for each length in the history, the latest first; `of` are the vectors of some rows, all of one length."""
    rows, weights = history
    found = lengths[rows]
    for length in dict.fromkeys(found.tolist()):
        same = found == length
        liked = of(length, rows[same]) * weights[same, None]
        yield Profile(length, float(weights[same].sum() / weights.sum()), unit(liked.sum(axis=0)))


def most_alike(history: tuple[Rows, Scores], rows: Rows, lengths: Rows, of: Of) -> Rows:
    """For each of these rows the one of the history with the largest cosine, times its weight, or NOBODY."""
    length_of = (
        np.where(rows < len(lengths), lengths[np.minimum(rows, len(lengths) - 1)], 0) if len(lengths) else rows * 0
    )
    found = np.full(len(rows), NOBODY)
    liked, weights = history
    for length in dict.fromkeys(lengths[liked].tolist()):
        here, same = np.flatnonzero(length_of == length), lengths[liked] == length
        shares = (of(length, liked[same]) @ of(length, rows[here]).T) * weights[same, None]
        found[here] = np.where(shares.max(axis=0) > 0, liked[same][shares.argmax(axis=0)], NOBODY)
    return found
