"""What happened in one run, visit by visit, and what the world knows about it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.report.result import Outcome

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Finding(NamedTuple):
    """What the report says of the run's experiment at its end: the first decision metric's p-value and the variant
    that it finds better (None where it cannot tell), and the verdict."""

    p_value: float | None
    better: str | None
    verdict: Outcome


class Trace(NamedTuple):
    """One number a visit. Of machines, and of visits that did not take place, all are 0.

    `shown` picks and `clicks` on them; `expected` clicks of the slate, of the `ideal` one and of one drawn `by_chance`;
    `revenue`, and that expected of the slate and of the one ideal for it; `explored`: expected clicks of the slate that
    the policy would have shown without exploring, less those of the one shown (not a number where nobody looked).
    Whether the visitor is a `person`, and `came`; whether it is their `first` visit; whether a `star` was among the
    picks, or the item that machines `pushed`; and which side's `variant` answered (-1: none).

    `finding` is the experiment's, `divergences` the replay's; None where there was none or nobody asks.
    """

    arm: str
    seed: int
    shown: Floats
    clicks: Floats
    expected: Floats
    ideal: Floats
    by_chance: Floats
    revenue: Floats
    expected_revenue: Floats
    ideal_revenue: Floats
    explored: Floats
    person: Flags
    came: Flags
    first: Flags
    star: Flags
    pushed: Flags
    variant: npt.NDArray[np.int64]
    finding: Finding | None
    divergences: int | None
