"""Items that few have been shown yet: so that each is a candidate until it has had its share of exposures."""

import math
from typing import ClassVar

import msgspec
import numpy as np

from bandstand.candidates import NOBODY, Ask, Proposals, Rows, Touch
from bandstand.candidates.blend import SHARE
from bandstand.candidates.discovery import sample
from bandstand.events import ItemPut


class Newcomers(msgspec.Struct):
    """A uniform sample, keyed by the decision, of the allowed rows that the question calls new: those that were in
    fewer slates than the strategy grants them. All scores are 1: nothing is known of their merits.

    They are few, as many as a blend promises to each generator: a slate has room for one or two, and the others would
    only stand in the way.
    """

    name: ClassVar[str] = "newcomers"

    def put(self, row: int, item: ItemPut, at: float) -> None:
        """Slates are counted, not days."""

    def removed(self, row: int) -> None:
        """It is not allowed any more; that is all."""

    def touched(self, touch: Touch) -> None:
        """What it was touched for without being shown teaches no propensity."""

    def propose(self, ask: Ask) -> Proposals:
        new = ask.allowed.copy()
        new[: len(ask.new)] &= ask.new
        rows = sample(new, math.ceil(ask.limit * SHARE), of=(ask.decision, self.name))
        return Proposals(rows, np.ones(len(rows)))

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return np.full(len(rows), NOBODY)
