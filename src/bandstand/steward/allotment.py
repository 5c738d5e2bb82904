"""How much traffic each variant of an adaptive experiment gets: Thompson's share, above a floor."""

from collections.abc import Sequence
from math import fsum
from typing import NamedTuple

import numpy as np

from bandstand.errors import InputError
from bandstand.report.exposure import Units
from bandstand.report.infer import LEAST_ACTIVE, LEAST_UNITS
from bandstand.report.measure import Measured, sample
from bandstand.report.weighed import Weighed, weighed
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
    top = max(range(len(weights)), key=weights.__getitem__)  # of a tie, rounding may leave another 1e-12 above
    weights[best], weights[top] = weights[top], weights[best]
    return tuple(weights)


def chances(of: Measured, units: Units, *, variants: int) -> tuple[float, ...] | None:
    r"""How likely each variant is the best on this metric; None where too little is known yet.

    Variants had other shares in other phases, and days differ. So once weights have changed every unit counts by the
    probability that it had when it was first assigned (AIPW, as in the report), and no phase is left out: one in which
    a small arm earned nothing speaks against it. With a few rewards in an arm its mean and its spread fall together,
    which makes an unlucky arm look surely bad; so its variance is drawn towards what the spread of all arms' units
    makes of it,

    .. math:: V_k = \frac{a_k \hat V_k + a_0 \bar V_k}{a_k + a_0}

    with a_k how many active units an arm of its size has by the share of active ones in all arms, and a_0 = 25.
    """
    try:
        samples = [sample(of, units.variant == index) for index in range(variants)]
        active, n = sum(one.active for one in samples), sum(one.n for one in samples)
        if min(one.n for one in samples) < LEAST_UNITS or active < LEAST_ACTIVE:
            return None
        whole = [one.moments for one in samples]
        arms = _alike(whole) if units.chances is None else _scored(weighed(of, units, None, by=units.chances))
        known = [one.n * active / n for one in samples]
        sign = -1.0 if of.metric.better == "lower" else 1.0
        return best_arm([_steadied(arm, mass, sign) for arm, mass in zip(arms, known, strict=True)])
    except InputError:
        return None


class _Arm(NamedTuple):
    """What an arm's mean is taken over, and the variance that would have if all arms' units spread alike."""

    own: Moments
    common: float


def _alike(arms: Sequence[Moments]) -> list[_Arm]:
    common = fsum(arm.m2 for arm in arms) / sum(arm.n - 1 for arm in arms)
    return [_Arm(arm, common) for arm in arms]


def _scored(found: Weighed) -> list[_Arm]:
    """A unit's score under its own variant is its value's distance from what was expected, by its probability."""
    count = len(found.arms)
    rows = np.arange(count)
    means = found.scores.mean(axis=0)
    distance = found.p[rows, found.arms] * (found.scores[rows, found.arms] - means[found.arms])
    spread = float(distance @ distance) / (count - len(means))
    commons = (spread * (1 / found.p).mean(axis=0)).tolist()
    return [_Arm(Moments.of(scores), common) for scores, common in zip(found.scores.T, commons, strict=True)]


def _steadied(arm: _Arm, known: float, sign: float) -> Moments:
    own, common = arm
    variance = (known * own.variance + LEAST_ACTIVE * common) / (known + LEAST_ACTIVE)
    return Moments(own.n, sign * own.mean, variance * (own.n - 1))
