"""The rows with the most weight, kept in order while weights only rise."""

import numpy as np

from bandstand.candidates import Rows, Scores, best

# Enough that a filter which lets one item in twenty pass still leaves 200 of them.
MOST = 4096


class Leaders:
    """The MOST rows with the highest weights above 0, the highest first; ties go to the lower row.

    It follows from the weights alone, so it is made from them when it is needed, and then told of each that rises.
    """

    def __init__(self, weights: Scores) -> None:
        rows = best(weights, np.ones(len(weights), np.bool_), MOST)
        self._length = len(rows)
        self._rows = np.zeros(MOST, np.int64)
        self._keys = np.zeros(MOST)  # weights, negated, so that they rise
        self._rows[: len(rows)], self._keys[: len(rows)] = rows, -weights[rows]
        self.complete = int(np.count_nonzero(weights > 0)) == len(rows)

    @property
    def rows(self) -> Rows:
        return self._rows[: self._length]

    def raised(self, row: int, before: float, after: float) -> None:
        """The weight of this row was `before`, from 0 up, and is more or the same now."""
        to, at = self._place(row, after), self._place(row, before)
        if to == MOST or not after > 0:
            self.complete &= not after > 0
            return
        if at == self._length:  # it was not among them: one more, or instead of the last
            self.complete &= self._length < MOST
            self._length = min(self._length + 1, MOST)
            at = self._length - 1
        for array in (self._rows, self._keys):
            array[to + 1 : at + 1] = array[to:at]
        self._rows[to], self._keys[to] = row, -after

    def _place(self, row: int, weight: float) -> int:
        """Where this row with this weight stands or would stand."""
        keys = self._keys[: self._length]
        first, last = keys.searchsorted(-weight, "left"), keys.searchsorted(-weight, "right")
        return int(first + self._rows[first:last].searchsorted(row))
