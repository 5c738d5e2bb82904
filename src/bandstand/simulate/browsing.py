"""How people look at a slate: which positions they come to, and which order is then the best one."""

from collections.abc import Callable, Sequence
from math import comb
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from bandstand.simulate.nature import Nature

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

LONGEST: Final = 100
"""Positions of a slate."""


class Browsing(Protocol):
    """A click model. What is looked at and liked is clicked.

    `likings` are the probabilities that items are liked; `worths` what a click on each is worth.
    """

    def clicks(self, liked: Sequence[bool], chance: Callable[[int], float]) -> list[int]:
        """The positions that are clicked, where `chance(position)` is the visitor's own for it."""
        ...

    def reach(self, likings: Floats) -> Floats:
        """The probability that each position of a slate with these likings is looked at."""
        ...

    def best(self, likings: Floats, worths: Floats, n: int) -> Rows:
        """The slate of `n` that is worth most on average, as indices from the top."""
        ...

    def by_chance(self, likings: Floats, worths: Floats, n: int) -> Floats:
        """What a slate of `n` drawn by chance is worth on average; over the last axis, for each of the others."""
        ...


class PositionBased:
    """Each position has an attention of its own, whatever else is shown (Richardson, Dominowska and Ragno 2007)."""

    def __init__(self, attention: Floats) -> None:
        self._attention = attention

    def clicks(self, liked: Sequence[bool], chance: Callable[[int], float]) -> list[int]:
        return [at for at, is_liked in enumerate(liked) if chance(at) < self._attention[at] and is_liked]

    def reach(self, likings: Floats) -> Floats:
        return self._attention[: len(likings)]

    def best(self, likings: Floats, worths: Floats, n: int) -> Rows:
        """What earns most comes first, where attention is highest (rearrangement inequality)."""
        order: Rows = np.argsort(-likings * worths, kind="stable")
        return order[:n]

    def by_chance(self, likings: Floats, worths: Floats, n: int) -> Floats:
        earned: Floats = (likings * worths).mean(axis=-1) * self._attention[: min(n, likings.shape[-1])].sum()
        return np.asarray(earned, np.float64)


class Cascading:
    """From the top, going on with one probability after a click and another after none."""

    def __init__(self, *, after_skip: float, after_click: float) -> None:
        self._skip = after_skip
        self._click = after_click

    def clicks(self, liked: Sequence[bool], chance: Callable[[int], float]) -> list[int]:
        found = []
        for at, is_liked in enumerate(liked):
            if is_liked:
                found.append(at)
            if chance(at) >= (self._click if is_liked else self._skip):
                break
        return found

    def reach(self, likings: Floats) -> Floats:
        above = np.cumprod(self._goes_on(likings))[:-1]
        return np.concatenate(([1.0], above), dtype=np.float64)[: len(likings)]

    def best(self, likings: Floats, worths: Floats, n: int) -> Rows:
        """Exact. Of two neighbours the one with more earned for each reader lost comes first, and going through the
        items in that order from the end, each is either taken on top of the best slate of those after it or left
        (Kempe and Mahdian 2008, "A cascade model for externalities in sponsored search", section 3)."""
        goes_on, earned = self._goes_on(likings), likings * worths
        order = np.argsort(-earned / np.maximum(1.0 - goes_on, 1e-12), kind="stable")
        n = min(n, len(order))
        value = np.zeros(n + 1)  # of the best slate of so many picks out of the items gone through
        taken = np.zeros((len(order), n), np.bool_)
        for at in range(len(order) - 1, -1, -1):
            row = order[at]
            on_top = earned[row] + goes_on[row] * value[:-1]
            taken[at] = on_top >= value[1:]
            value[1:] = np.maximum(on_top, value[1:])
        slate: list[int] = []
        for at, row in enumerate(order):
            # Of what is worth nothing a slate is filled up all the same.
            if n > len(slate) and (taken[at, n - len(slate) - 1] or len(order) - at == n - len(slate)):
                slate.append(int(row))
        return np.array(slate, np.int64)

    def by_chance(self, likings: Floats, worths: Floats, n: int) -> Floats:
        """Exact: the mean of Σ_k earned(k) · Π_{j<k} goes_on(j) over all orders, by symmetric sums.

        Σ over sets of k rows is gathered row by row: `paths[k]` of products, `sums[k]` of those with one more that
        earns.
        """
        goes_on, earned = self._goes_on(likings), likings * worths
        count = likings.shape[-1]
        n = min(n, count)
        paths = np.zeros((*likings.shape[:-1], n))
        sums = np.zeros_like(paths)
        paths[..., 0] = 1.0
        for row in range(count):
            on = goes_on[..., row, None]
            on_top = on * sums[..., :-1]
            sums += earned[..., row, None] * paths
            sums[..., 1:] += on_top
            paths[..., 1:] += on * paths[..., :-1]
        orders = np.array([comb(count, k + 1) * (k + 1) for k in range(n)], np.float64)
        return np.asarray((sums / orders).sum(axis=-1), np.float64)

    def _goes_on(self, likings: Floats) -> Floats:
        return self._skip + (self._click - self._skip) * likings


def browsing(nature: Nature) -> Browsing:
    """How people of this nature look at a slate."""
    if nature.cascade is not None:
        return Cascading(after_skip=nature.cascade.after_skip, after_click=nature.cascade.after_click)
    return PositionBased(np.asarray((1.0 + np.arange(LONGEST)) ** -nature.attention, np.float64))
