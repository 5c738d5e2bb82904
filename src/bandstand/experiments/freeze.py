"""Freezing: from a moment on, a share of an experiment's units is served by policies that learn no more.

Variants that learn are compared by how they did while they learned. What they ended with is compared on these units.
"""

from collections.abc import Iterator
from math import inf
from typing import Final

import msgspec

from bandstand.experiments.metrics import DAY_S, Fault

FROZEN: Final = "frozen"
"""The group of a unit that is served by frozen weights, as its decisions record it."""


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after_days` of running each variant's weights are kept as they are then, and serve this `share` of its units."""

    share: float
    after_days: float


def faults(freeze: Freeze, *, method: str) -> Iterator[Fault]:
    """Everything that speaks against it in an experiment of this method."""
    if not 0 < freeze.share < 1:
        yield Fault(f"share is {freeze.share:g}, must be between 0 and 1, as 0.2", "share")
    if not 0 < freeze.after_days < inf:
        yield Fault(f"after_days is {freeze.after_days:g}, must be above 0, as 7", "after_days")
    if method == "interleave":
        yield Fault("in an interleaving nothing learns that could be frozen; leave frozen out", "share")


def frozen_at(freeze: Freeze, *, since: float, starts: float | None) -> float:
    """The log time of the freeze, of an experiment that runs `since` then and that nobody joins before it `starts`."""
    return max(since, starts or since) + freeze.after_days * DAY_S


def name(weights: str) -> str:
    """What these weights are called once they are frozen: like those of no variant, whose names have no slash.

    >>> name("trial/treatment")
    'trial/treatment/frozen/'
    """
    return f"{weights}/{FROZEN}/"
