"""Something new: a few items by chance, so that each item is seen by somebody."""

from typing import ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import NOBODY, Ask, Proposals, Scores, Touch, best
from bandstand.chance import bits
from bandstand.events import ItemPut


class Discovery(msgspec.Struct):
    """A uniform sample, without replacement, of the allowed rows outside the history, keyed by the decision.

    Each row has its own uniform number, whatever else is allowed; the highest win, and are the scores.
    """

    name: ClassVar[str] = "discovery"

    def put(self, row: int, item: ItemPut) -> None:
        """Each item has the same chance."""

    def removed(self, row: int) -> None:
        """It is not allowed any more; that is all."""

    def touched(self, touch: Touch) -> None:
        """Each item has the same chance."""

    def propose(self, ask: Ask) -> Proposals:
        unseen = ask.allowed.copy()
        unseen[ask.history] = False
        scores = _uniforms(bits(ask.decision, self.name), len(unseen))
        rows = best(scores, unseen, ask.limit)
        return Proposals(rows, scores[rows], np.full(len(rows), NOBODY))


def _uniforms(seed: int, n: int) -> Scores:
    """Numbers in (0, 1], the first `n` outputs of SplitMix64 from this seed (Steele, Lea and Flood 2014)."""
    state: npt.NDArray[np.uint64] = np.arange(1, n + 1, dtype=np.uint64)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state += np.uint64(seed)
    state ^= state >> np.uint64(30)
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-53
