"""Policies that learn nothing: what a bandit is compared with."""

from typing import ClassVar

import msgspec
import numpy as np

from bandstand.policy import Probabilities, ScoredBy, Scores, Slot


class Random(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="random"):
    """Every item alike."""

    scored_by: ClassVar[ScoredBy] = "nothing"

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        return np.full(len(scores), 1.0 / len(scores))


class Popular(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="popular"):
    """The item with the most recent likes, for everyone; ties are shared."""

    scored_by: ClassVar[ScoredBy] = "popularity"

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        best = scores == scores.max()
        return np.where(best, 1.0 / np.count_nonzero(best), 0.0)


class Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="fixed"):
    """Shares written down by hand or taken from another system: `table` gives an item its share for each position
    of the page; past the end of its list the last one holds. Items that it does not name have share 0; where no item
    left has any, all are alike.
    """

    scored_by: ClassVar[ScoredBy] = "nothing"

    table: dict[str, list[float]]

    def __post_init__(self) -> None:
        for item, shares in self.table.items():
            if not shares or not all(0.0 <= share < float("inf") for share in shares):
                raise ValueError(f"table[{item!r}] == {shares}, must be a list of finite shares >= 0, one a position")

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        shares = np.array([self._share(slot.items[index], slot.position) for index in slot.left])
        total = shares.sum()
        return shares / total if total > 0 else np.full(len(scores), 1.0 / len(scores))

    def _share(self, item: str, position: int) -> float:
        shares = self.table.get(item)
        return 0.0 if shares is None else shares[min(position, len(shares) - 1)]
