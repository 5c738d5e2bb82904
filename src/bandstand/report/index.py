"""Which number stands behind a hash: sorted runs, merged as they pile up, so that adding stays cheap."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.report.stretch import Ints

ABSENT: Final = -1


class Run(NamedTuple):
    """Keys in ascending order, each with its number."""

    keys: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int32]


class Index:
    """Numbers by key; ABSENT is no number of any."""

    def __init__(self, run: Run | None = None) -> None:
        self._runs = [] if run is None or not len(run.keys) else [run]

    def find(self, keys: Ints) -> npt.NDArray[np.int64]:
        """The number of each key, ABSENT where it has none."""
        found = np.full(len(keys), ABSENT, np.int64)
        order = np.argsort(keys)  # one that is asked for after its neighbour is found in the processor's cache
        asked = keys[order]
        for run in self._runs:
            place = np.minimum(np.searchsorted(run.keys, asked), len(run.keys) - 1)
            there = run.keys[place] == asked
            found[order[there]] = run.numbers[place[there]]
        return found

    def add(self, keys: Ints, numbers: Ints) -> None:
        """Keys that are not in it yet."""
        if not len(keys):
            return
        self._runs.append(_sorted(keys, numbers))
        while len(self._runs) > 1 and 2 * len(self._runs[-1].keys) > len(self._runs[-2].keys):
            self._merge_last()

    def whole(self) -> Run:
        """All of it in one run."""
        while len(self._runs) > 1:
            self._merge_last()
        return self._runs[0] if self._runs else _sorted(np.empty(0, np.int64), np.empty(0, np.int32))

    def _merge_last(self) -> None:
        newer, older = self._runs.pop(), self._runs.pop()
        self._runs.append(
            _sorted(np.concatenate((older.keys, newer.keys)), np.concatenate((older.numbers, newer.numbers)))
        )


def _sorted(keys: Ints, numbers: Ints) -> Run:
    order = np.argsort(keys, kind="stable")  # which takes runs that are in order as they are
    return Run(keys[order].astype(np.int64, copy=False), numbers[order].astype(np.int32, copy=False))
