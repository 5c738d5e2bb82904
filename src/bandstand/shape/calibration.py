"""Calibration: a slate in which each taste of the user has the share that it has in what they touched."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.policy import Scores

# "we use α = 0.01" (Steck 2018, section 3.2): a taste that the slate leaves out costs log 100, not infinity.
SMOOTHING = 0.01
# Each taste costs a logarithm for each kind of candidate and slot; items of 20 attributes have hundreds of them.
MOST_TASTES = 16


class Calibration(NamedTuple):
    """From the score of item i, with the picks S made so far, is taken weight · KL(p ‖ q̃),

        KL(p ‖ q̃) = Σ over g of p(g) · log(p(g) / q̃(g)),    q̃ = (1 − α) · q + α · p,

    where p(g) is the share of category g in the user's history and q(g) that in S ∪ {i}, each item's categories
    counting alike and together 1 (Steck 2018, equations 2, 3, 6 and 7). `kinds` (int64[n]) names for each item the
    column of `mixes` (float64[categories, kinds]) with its shares of the user's categories; `counted` is 1 where such
    items have categories at all, the user's or not.
    """

    taste: Scores
    mixes: npt.NDArray[np.float64]
    counted: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.int64]
    weight: float

    def follow(self) -> "_Mix":
        return _Mix(self)


class _Mix:
    def __init__(self, term: Calibration) -> None:
        self._term = term
        taste = term.taste[:, None]
        self._weighted = taste * -term.weight
        self._least = taste * SMOOTHING
        self._entropy = float((taste * np.log(taste)).cumsum()[-1]) * -term.weight
        self._sums = np.zeros_like(taste)
        self._count = 0.0

    @property
    def amounts(self) -> Scores:
        shares = self._sums + self._term.mixes
        shares *= (1 - SMOOTHING) / np.maximum(self._count + self._term.counted, 1.0)
        shares += self._least
        np.log(shares, out=shares)
        shares *= self._weighted
        found: Scores = self._entropy - np.add.reduce(shares, axis=0)  # row after row, on every machine
        return found[self._term.kinds]

    def picked(self, index: int) -> None:
        kind = int(self._term.kinds[index])
        self._sums += self._term.mixes[:, kind : kind + 1]
        self._count += float(self._term.counted[kind])


def taste(history: Iterable[tuple[Sequence[str], float]]) -> dict[str, float]:
    """The shares in a history of its MOST_TASTES leading categories, together 1: its items' categories, each item
    weighted; of the items without any nothing is known."""
    sums: defaultdict[str, float] = defaultdict(float)
    for categories, weight in history:
        for category in categories:
            sums[category] += weight / len(categories)
    most = nlargest(MOST_TASTES, sums.items(), key=itemgetter(1))
    total = sum(amount for _, amount in most)
    return {category: amount / total for category, amount in most}


def calibration(liked: Mapping[str, float], categories: Sequence[tuple[str, ...]], weight: float) -> Calibration:
    """Towards these shares, which sum to 1, among items of these categories."""
    kinds: dict[tuple[str, ...], int] = {}
    of = np.array([kinds.setdefault(has, len(kinds)) for has in categories], np.int64)
    rows = {category: at for at, category in enumerate(liked)}
    held = [(rows[one] * len(kinds) + at, 1.0 / len(has)) for has, at in kinds.items() for one in has if one in rows]
    places, amounts = zip(*held, strict=True) if held else ((), ())
    flat = np.bincount(np.array(places, np.int64), amounts, minlength=len(rows) * len(kinds))
    mixes = flat.astype(np.float64, copy=False).reshape(len(rows), len(kinds))
    counted = np.array([1.0 if has else 0.0 for has in kinds])
    return Calibration(np.array(list(liked.values())), mixes, counted, of, weight)
