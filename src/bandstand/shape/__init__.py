"""Wishes about a slate as a whole, each a function of the candidates and of the picks already made above.

So a shaped slate is still drawn slot by slot, and the probability of each pick given those above it is still exact.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bandstand.policy import Scores

Members = npt.NDArray[np.bool_]
Groups = npt.NDArray[np.int32]


class Cap(NamedTuple):
    """At most `most` picks of one slate from each group; `groups` (int32[n]) names each candidate's from 0 up, or -1
    where it is in none."""

    groups: Groups
    most: int


class Mixture(NamedTuple):
    """A share of each slot's probability for `members` (bool[n]), each of those left alike; none left, no share."""

    share: float
    members: Members


class Following(Protocol):
    """A term during one draw: `amounts` (float64[n]) is to be added to the scores, after the picks told so far."""

    @property
    def amounts(self) -> Scores: ...

    def picked(self, index: int) -> None:
        """This candidate is in the slate now, below those told before."""
        ...


class Term(Protocol):
    """What each candidate's score gains or loses by the picks above it."""

    def follow(self) -> Following:
        """Afresh, with no picks yet."""
        ...


class Shape(NamedTuple):
    """What is wished of a slate of n candidates.

    `lifts` (float64[n]) are added to the scores. `pins` are candidates by page position: each is placed there for
    certain and drawn nowhere else; those for places above the slate come first, and where all other items have run out,
    the pins left move up. An item whose group has reached its cap is not permitted any more, pins counting from the
    start; where no item left is permitted, the caps yield, for a full slate is worth more.
    """

    lifts: Scores | None = None
    pins: Mapping[int, int] = MappingProxyType({})
    caps: Sequence[Cap] = ()
    terms: Sequence[Term] = ()
    mixtures: Sequence[Mixture] = ()


PLAIN = Shape()
