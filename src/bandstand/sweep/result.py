"""What a sweep found, and how one strategy compares with another, block by block."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.stats import t as student

from bandstand.stats.ratios import sum_of_ratios, unit_moments
from bandstand.sweep.space import Setting
from bandstand.sweep.trial import Block


class Difference(msgspec.Struct, frozen=True):
    """One strategy's value less another's, paired by block, with its interval."""

    value: float
    low: float
    high: float


class Rung(msgspec.Struct, frozen=True):
    """What was earned on this share of all there was, in one round of the search."""

    share: float
    value: float | None


class Tried(msgspec.Struct, frozen=True):
    """A strategy, and what it earned on what it was tried on: that `share` of all there was.

    `over` compares it with the strategy as it is, on the same; None of that one itself, and where it cannot be told.
    `rungs` are the rounds that it saw, the last of which is this.
    """

    name: str
    settings: dict[str, Setting]
    value: float | None
    share: float
    over: Difference | None = None
    rungs: tuple[Rung, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """The best, on what it was not chosen by."""

    value: float | None
    as_it_is: float | None
    over: Difference | None


class Swept(msgspec.Struct, frozen=True):
    """All that was tried, the best first; `asked` says in words what their values are."""

    sweep: str
    about: str
    asked: str
    strategy: str
    alpha: float
    tried: tuple[Tried, ...]
    best: str
    settings: dict[str, Setting]
    judged: Judged


def value(blocks: Sequence[Block]) -> float | None:
    """What was earned for each that it was for; None where that is nothing."""
    of = math.fsum(block.of for block in blocks)
    return math.fsum(block.earned for block in blocks) / of if of > 0 else None


def difference(one: Sequence[Block], other: Sequence[Block], *, alpha: float) -> Difference | None:
    """None where blocks are too few, or do not differ."""
    if len(one) < 2 or value(one) is None or value(other) is None:
        return None
    columns = np.array([[a.earned, a.of, -b.earned, b.of] for a, b in zip(one, other, strict=True)]).T
    found = sum_of_ratios(unit_moments(list(columns)), [(1, 2), (3, 4)])
    if not found.variance > 0:
        return None
    margin = float(student.isf(alpha / 2, len(one) - 1)) * found.std_error
    return Difference(found.mean, found.mean - margin, found.mean + margin)
