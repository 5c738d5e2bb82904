"""Something new: a few items by chance, so that each item is seen by somebody."""

from typing import ClassVar

import msgspec
import numpy as np

from bandstand.candidates import NOBODY, Ask, Mask, Proposals, Rows, Scores, Touch
from bandstand.chance import bits
from bandstand.events import ItemPut


class Discovery(msgspec.Struct):
    """A uniform sample, without replacement, of the allowed rows outside the history, keyed by the decision.

    Row numbers are drawn until there are enough different ones that may be proposed: whatever else is allowed, the
    others stay as they were. Where that would take as many draws as a quarter of all rows, or did not give enough,
    each row is given a number of its own, and the highest win. All scores are 1: none was drawn for its merits.
    """

    name: ClassVar[str] = "discovery"

    def put(self, row: int, item: ItemPut, at: float) -> None:
        """Each item has the same chance."""

    def removed(self, row: int) -> None:
        """It is not allowed any more; that is all."""

    def touched(self, touch: Touch) -> None:
        """Each item has the same chance."""

    def propose(self, ask: Ask) -> Proposals:
        unseen = ask.allowed.copy()
        unseen[ask.history] = False
        rows = sample(unseen, ask.limit, of=(ask.decision, self.name))
        return Proposals(rows, np.ones(len(rows)))

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return np.full(len(rows), NOBODY)


def sample(among: Mask, limit: int, *, of: tuple[str, ...]) -> Rows:
    """At most `limit` different rows, all rows of the mask alike; the same for the same `of`."""
    rows = _drawn(bits(*of), among, limit)
    if rows is None:
        rows = np.flatnonzero(among)
        rows = rows[np.argsort(-_uniforms(bits(*of, "each"), rows + 1), kind="stable")[:limit]]
    return rows


def _drawn(seed: int, unseen: Mask, limit: int) -> Rows | None:
    """The first `limit` different rows that are unseen, of some drawn with replacement; None where they are too few."""
    draws = 3 * limit * len(unseen) // max(2 * int(np.count_nonzero(unseen)), 1)
    if 4 * draws > len(unseen):
        return None
    # Below 1, and evenly spread but for less than rows / 2^53.
    rows = ((1.0 - _uniforms(seed, np.arange(1, draws + 1))) * len(unseen)).astype(np.int64)
    different = list(dict.fromkeys(rows[unseen[rows]].tolist()))
    return np.array(different[:limit], np.int64) if len(different) >= limit else None


def _uniforms(seed: int, nth: Rows) -> Scores:
    """Numbers in (0, 1], the outputs of these numbers, from 1 up, of SplitMix64 from this seed (Steele, Lea and Flood
    2014)."""
    state = nth.astype(np.uint64)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state += np.uint64(seed)
    state ^= state >> np.uint64(30)
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-53
