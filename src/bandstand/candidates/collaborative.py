"""Item to item: what people who touched one thing also touched, counted live."""

import math
from typing import ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import NOBODY, Ask, Proposals, Rows, Scores, Touch, best
from bandstand.candidates.growing import grown
from bandstand.events import ItemPut
from bandstand.native import native

# A touch is paired with this many touches before it.
PAIRED = 20
# Neighbours kept for an item, and what is added to a cosine's denominator so that one chance meeting is no
# evidence. With these two, cosine ItemKNN reached nDCG@10 0.394 on MovieLens-100K (popularity: 0.217).
MOST_NEIGHBOURS = 200
SHRINK = 50.0
# Only so much of the history is heard: what follows would count 1/64 of all.
HEARD = 30


def _table() -> npt.NDArray[np.int32]:
    return np.zeros((0, 8), np.int32)


class Collaborative(msgspec.Struct):
    """Shrunk cosines between items, over the histories in which they stand.

    similarity(i, j) = together(i, j) / (√(people(i) · people(j)) + SHRINK)

    where `people(i)` counts the histories that i entered and `together(i, j)` those that held both (Bell and
    Koren 2007 for the shrinkage). A second touch by the same person, while the first is still in that
    history, counts for nothing, so nobody makes two items similar alone. Each item keeps a bounded list of
    neighbours in one row of `neighbours` and `together`; an unused place is a neighbour that was met 0 times.
    A list without room for one more touch keeps its strongest three quarters, the latest among equals.
    """

    name: ClassVar[str] = "collaborative"

    people: npt.NDArray[np.int32] = msgspec.field(default_factory=lambda: np.zeros(0, np.int32))
    lengths: npt.NDArray[np.int32] = msgspec.field(default_factory=lambda: np.zeros(0, np.int32))
    neighbours: npt.NDArray[np.int32] = msgspec.field(default_factory=_table)
    together: npt.NDArray[np.int32] = msgspec.field(default_factory=_table)

    def put(self, row: int, item: ItemPut, at: float) -> None:
        """What an item says about itself is of no matter here."""

    def removed(self, row: int) -> None:
        """What is known is kept: the item may come back, and until then it is not allowed."""

    def touched(self, touch: Touch) -> None:
        if touch.row in touch.before:
            return
        before = list(dict.fromkeys(touch.before))[:PAIRED]
        self._reserve(max(touch.row, *before, 0) + 1)
        self.people[touch.row] += 1
        both = np.array([touch.row, *before])
        for row in both[self.lengths[both] > MOST_NEIGHBOURS - PAIRED].tolist():
            self._drop_weakest(row)
        self._count(touch.row, both[1:])

    def propose(self, ask: Ask) -> Proposals:
        rows, scores = self._said(ask)
        first = best(scores, ask.allowed[rows], ask.limit)
        return Proposals(rows[first], scores[first])

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """The row of the history with the most evidence for each."""
        history, weights = self._heard(ask)
        if not len(history):
            return np.full(len(rows), NOBODY)
        if native is not None:
            most, by = np.zeros(len(rows)), np.full(len(rows), NOBODY)
            tables = (self.neighbours, self.together, self.lengths, self.people)
            native.brought(*tables, history, weights, SHRINK, rows, most, by)
            return np.where(by == NOBODY, NOBODY, history[by])
        place = np.full(max(len(self.people), int(rows.max(initial=0)) + 1), NOBODY)
        place[rows] = np.arange(len(rows))
        history, neighbours, evidence = self._evidence(ask)
        places = place[neighbours]
        by, at = np.nonzero((places != NOBODY) & (evidence > 0))
        shares = np.zeros((len(history), len(rows)))
        shares[by, places[by, at]] = evidence[by, at]
        return np.where(shares.any(axis=0), history[shares.argmax(axis=0)], NOBODY)

    def _said(self, ask: Ask) -> tuple[Rows, Scores]:
        """The neighbours of the history, rising, and the sum of all that it says for each: 0 for what is part of it."""
        size = len(ask.allowed)
        if native is not None:
            history, weights = self._heard(ask)
            most = int(self.lengths[history].sum())
            rows, scores = np.empty(most, np.int64), np.empty(most)
            tables = (self.neighbours, self.together, self.lengths, self.people)
            found = native.heard(*tables, history, weights, SHRINK, size, ask.history, rows, scores)
            order = np.argsort(rows[:found])
            return rows[order], scores[order]
        _, neighbours, evidence = self._evidence(ask)
        total = np.bincount(neighbours.ravel(), evidence.ravel(), minlength=size).astype(np.float64, copy=False)[:size]
        total[ask.history] = 0
        found_rows = np.flatnonzero(total)
        return found_rows, total[found_rows]

    def _heard(self, ask: Ask) -> tuple[Rows, Scores]:
        """The rows of the history that count, and how much."""
        known = ask.history[:HEARD] < len(self.people)
        return ask.history[:HEARD][known], ask.weights[:HEARD][known]

    def _evidence(self, ask: Ask) -> tuple[Rows, npt.NDArray[np.int32], Scores]:
        """The rows of the history that count, their neighbours, and how much each of them says for each of those."""
        history, weights = self._heard(ask)
        return history, self.neighbours[history], weights[:, None] * self._similarities(history)

    def _similarities(self, rows: Rows) -> Scores:
        """float64[rows, width]: how similar each of these rows is to each of its neighbours."""
        roots = np.sqrt(self.people[rows, None], dtype=np.float64)
        others = np.sqrt(self.people[self.neighbours[rows]], dtype=np.float64)
        cosines: Scores = self.together[rows] / (roots * others + SHRINK)
        return cosines

    def _count(self, row: int, before: Rows) -> None:
        """One more meeting of `row` with each of `before`, written on both sides."""
        if native is not None:
            self._widen(int(self.lengths[before].max(initial=self.lengths[row])) + len(before))
            native.met(self.neighbours, self.together, self.lengths, row, before)
            return
        here = np.concatenate((np.full_like(before, row), before))
        there = np.concatenate((before, np.full_like(before, row)))
        places = (self.neighbours[here] == there[:, None]) & (self.together[here] > 0)
        met = places.any(axis=1)
        self.together[here[met], places[met].argmax(axis=1)] += 1
        here, there = here[~met], there[~met]
        of_row = here == row
        free = self.lengths[here] + np.where(of_row, np.cumsum(of_row) - 1, 0)
        self._widen(int(free.max(initial=-1)) + 1)
        self.neighbours[here, free] = there
        self.together[here, free] = 1
        np.add.at(self.lengths, here, 1)

    def _drop_weakest(self, row: int) -> None:
        length, most = int(self.lengths[row]), MOST_NEIGHBOURS * 3 // 4
        if native is not None:
            native.keep(self.neighbours, self.together, self.people, row, length, SHRINK, most)
            self.lengths[row] = min(length, most)
            return
        roots = np.sqrt(self.people[self.neighbours[row, :length]], dtype=np.float64)
        strength = self.together[row, :length] / (math.sqrt(self.people[row]) * roots + SHRINK)
        newest_first = np.argsort(-strength[::-1], kind="stable")
        kept = np.sort(length - 1 - newest_first[:most])
        for table in (self.neighbours, self.together):
            table[row, : len(kept)] = table[row, kept]
            table[row, len(kept) :] = 0
        self.lengths[row] = len(kept)

    def _reserve(self, rows: int) -> None:
        self.people = grown(self.people, rows)
        self.lengths = grown(self.lengths, rows)
        self.neighbours = grown(self.neighbours, rows)
        self.together = grown(self.together, rows)

    def _widen(self, width: int) -> None:
        have = self.neighbours.shape[1]
        if width > have:
            used = np.flatnonzero(self.lengths)  # what is never written takes no memory
            shape = (len(self.neighbours), min(max(width, 2 * have), MOST_NEIGHBOURS))
            for name in ("neighbours", "together"):
                wider = np.zeros(shape, np.int32)
                wider[used, :have] = getattr(self, name)[used]
                setattr(self, name, wider)
