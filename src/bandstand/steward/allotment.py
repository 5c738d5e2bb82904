"""How much traffic each variant of an adaptive experiment gets: Thompson's share, above a floor."""

from collections.abc import Sequence
from math import fsum

import numpy as np
import numpy.typing as npt

from bandstand.errors import InputError
from bandstand.report.exposure import Units
from bandstand.report.infer import LEAST_ACTIVE, LEAST_UNITS
from bandstand.report.measure import Measured, sample
from bandstand.stats.bayes import best_arm
from bandstand.stats.moments import Moments

_STEPS = 10_000
"""Weights are whole ten-thousandths above the floor, so that people can read them."""


def allotted(chances: Sequence[float], *, floor: float) -> tuple[float, ...]:
    r"""The weights for variants that are the best with these chances, none below the floor.

    .. math:: w_k = f + (1 - n f) \, P(k \text{ is best})

    Clipping at the floor and dividing by the sum, as others do, can end below it; this cannot, and is never undefined.
    """
    spare = 1 - len(chances) * floor
    total = fsum(chances)
    weights = [round(floor + int(spare * chance / total * _STEPS) / _STEPS, 12) for chance in chances]
    best = max(range(len(chances)), key=chances.__getitem__)
    weights[best] = round(weights[best] + 1 - fsum(weights), 12)  # what rounding down left over
    return tuple(weights)


def chances(of: Measured, units: Units, phases: Sequence[float], *, variants: int) -> tuple[float, ...] | None:
    r"""How likely each variant is the best on this metric; None where too little is known yet.

    Variants had other shares in other phases, and days differ. So they are compared within each phase, and phases are
    added up by their share of all units, whatever the variant, as in a stratified sample:

    .. math:: \bar y_k = \sum_p s_p \bar y_{kp}, \qquad SE_k^2 = \sum_p s_p^2 SE_{kp}^2

    A phase in which some variant has no spread is left out for all of them.
    """
    arms = [units.variant == index for index in range(variants)]
    try:
        whole = [sample(of, arm) for arm in arms]
    except InputError:
        return None
    if min(one.n for one in whole) < LEAST_UNITS or sum(one.active for one in whole) < LEAST_ACTIVE:
        return None
    phase = np.searchsorted(np.asarray(phases), units.first, side="right")
    strata = [found for number in np.unique(phase) if (found := _stratum(of, arms, phase == number))]
    total = sum(sum(arm.n for arm in stratum) for stratum in strata)
    if not total:
        return None
    shares = [sum(arm.n for arm in stratum) / total for stratum in strata]
    sign = -1.0 if of.metric.better == "lower" else 1.0
    return best_arm([_pooled([stratum[index] for stratum in strata], shares, sign) for index in range(variants)])


def _stratum(of: Measured, arms: Sequence[npt.NDArray[np.bool_]], inside: npt.NDArray[np.bool_]) -> list[Moments]:
    """Every variant's figures in one phase; nothing where one of them has none."""
    try:
        found = [sample(of, arm & inside).moments for arm in arms]
    except InputError:
        return []
    return found if all(arm.n >= 2 and arm.m2 > 0 for arm in found) else []


def _pooled(arms: Sequence[Moments], shares: Sequence[float], sign: float) -> Moments:
    """The weighted mean, with the standard error that it has."""
    mean = fsum(share * arm.mean for share, arm in zip(shares, arms, strict=True))
    variance = fsum((share * arm.std_error) ** 2 for share, arm in zip(shares, arms, strict=True))
    n = sum(arm.n for arm in arms)
    return Moments(n, sign * mean, variance * n * (n - 1))
