"""A stretch of the log as columns of numbers: what its facts say about one experiment, of each only the fields below.

Ids are 64 bits of a hash, so that stretches fit together whoever read them, and when.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

WHOLE: Final = -1
"""In the place of a position: the whole slate."""


class Decisions(NamedTuple):
    """One row a decision under the experiment. `person` is what joins units, such as the session in which somebody
    signed in, NOBODY where that is unknown; `differs` whether the variants' slates did; `labels` has a code for each
    segment, and `seq` its place in the log."""

    seq: Ints
    id: Ints
    unit: Ints
    person: Ints
    variant: Ints
    phase: Ints
    at: Floats
    first: Ints
    picks: Ints
    shown: Mask
    differs: Mask
    labels: Ints


class Recalled(NamedTuple):
    """Decisions of before the stretch, of which it speaks: looked up in the log, that they need not be kept."""

    seq: Ints
    id: Ints
    unit: Ints
    shown: Mask


class Exposures(NamedTuple):
    decision: Ints
    at: Floats
    position: Ints


class Rewards(NamedTuple):
    """`unit` is NOBODY unless everybody is asked about."""

    decision: Ints
    unit: Ints
    at: Floats
    position: Ints
    value: Floats


class Interactions(NamedTuple):
    unit: Ints
    at: Floats
    value: Floats


class Stretch(NamedTuple):
    """In the order of the log. `named` and `named_at` say of whom it speaks otherwise, where everybody is asked about;
    `names` are the segments' values by their codes; `shared` says that variants learned from each other."""

    decisions: Decisions
    recalled: Recalled
    exposures: Exposures
    rewards: Mapping[str, Rewards]
    interactions: Mapping[str, Interactions]
    named: Ints
    named_at: Floats
    names: tuple[tuple[str, ...], ...]
    shared: bool
