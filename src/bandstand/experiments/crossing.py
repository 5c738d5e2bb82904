"""Who was seen under more than one variant, as one unit or as two that turn out to be the same person."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.definition import Unit

Ints = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]

NOBODY: Final = -1
JOINED_BY: Final[Mapping[Unit, Literal["user", "session"] | None]] = {
    # Somebody who signs in goes on in the same session under another user id; somebody with two devices has one user
    # id. Sessions are told apart on purpose: where they are the unit, one person is to see several variants.
    "user": "session",
    "device": "user",
    "session": None,
}
"""The field of a request that gives away that two units are one person."""


class Crossed(NamedTuple):
    """For each unit whether it has to be left out, and how many of these only the person behind them gives away."""

    units: Mask
    merged: int


def crossed(unit: Ints, variant: Ints, person: Ints, *, units: int) -> Crossed:
    """Which of `units` units saw more than one variant, themselves or through their person.

    One row for each decision that was shown: whose it was, under which variant, and what joins units (NOBODY where it
    is unknown), all numbered from 0. Whoever saw both sides speaks for neither; leaving them out of both is fair, since
    a hash of ids does not know who has two of them.
    """
    alone = _several(unit, variant, units)
    known = person != NOBODY
    joined = person[known]
    both = _several(joined, variant[known], int(joined.max(initial=NOBODY)) + 1)
    found = alone.copy()
    found[unit[known][both[joined]]] = True
    return Crossed(found, int(np.count_nonzero(found & ~alone)))


def _several(whose: Ints, variant: Ints, count: int) -> Mask:
    """Which of `count` saw more than one variant."""
    least, most = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(least, whose, variant)
    np.maximum.at(most, whose, variant)
    return least < most
