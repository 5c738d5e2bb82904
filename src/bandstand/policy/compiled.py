"""Vowpal Wabbit's learning in C: the same weights from the same text to the last bit, in a third of the time.

What is written down is a model of Vowpal Wabbit's own, so each goes on where the other stopped.
"""

import numpy as np
import numpy.typing as npt

from bandstand.native import native
from bandstand.policy.learning import Learning
from bandstand.policy.vw import SAVED, STATE, untaught


class Compiled:
    """A table with a row for each place: weight, two accumulators, and a power of the second where it is known."""

    def __init__(self, learning: Learning, dumped: bytes | None = None) -> None:
        self._learning = learning
        self._rows = np.zeros((1 << learning.bits, 4), np.float32)
        self._sums = np.zeros(2)
        if dumped is not None:
            header = len(untaught(learning))
            state = np.frombuffer(dumped[header - STATE.itemsize : header], STATE)[0]
            saved = np.frombuffer(dumped, SAVED, offset=header)
            self._sums[:] = state["total_weight"], state["norms"]
            for column, name in enumerate(("weight", "adaptive", "normalised")):
                self._rows[saved["place"], column] = saved[name]

    def learn(self, shared: str, picks: list[str], rewards: list[str]) -> None:
        assert native is not None
        learning = self._learning
        native.learn(self._rows, self._sums, learning.rate, learning.power_t, shared, picks, rewards)

    def dump(self) -> bytes:
        header = bytearray(untaught(self._learning))
        state = np.frombuffer(header, STATE, offset=len(header) - STATE.itemsize)
        state["t"] = state["total_weight"] = self._sums[0]
        state["norms"] = self._sums[1]
        places = np.flatnonzero(self._rows[:, :3].any(axis=1))
        saved = np.empty(len(places), SAVED)
        saved["place"] = places
        for column, name in enumerate(("weight", "adaptive", "normalised")):
            saved[name] = self._rows[places, column]
        return bytes(header) + saved.tobytes()

    def table(self) -> npt.NDArray[np.float32]:
        return self._rows[:, 0].copy()


def compiles(learning: Learning) -> bool:
    """Whether what is learned so can be: not at `power_t` 0.5, where Vowpal Wabbit asks the processor."""
    return native is not None and learning.power_t != 0.5
