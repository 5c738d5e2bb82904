"""Power by trying: the log's own units, split by chance again and again, with a lift put into one side."""

import math
from collections.abc import Callable

import msgspec
import numpy as np
from scipy.stats import binomtest

from bandstand.chance import bits
from bandstand.plan.traffic import Column, Kind, Traffic
from bandstand.stats.means import difference, proportions_difference
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.sequences import difference_sequence

Progress = Callable[[int, int | None], None]
LOOKS = 20


class Replayed(msgspec.Struct, frozen=True):
    """In which share of `times` splits of the log's units either method found the lift, with 95 % intervals (Wilson
    1927); without a lift, that share is the error rate."""

    units: int
    lift: float
    times: int
    fixed: float
    fixed_interval: tuple[float, float]
    sequential: float
    sequential_interval: tuple[float, float]


def replayed(
    seen: Traffic,
    *,
    kind: Kind = "mean",
    lift: float,
    alpha: float = 0.05,
    times: int = 500,
    progress: Progress | None = None,
) -> Replayed:
    """Split the units by a fair coin each, let one side earn more by `lift`, and test: once at the end, and as a
    confidence sequence at LOOKS moments as they came.

    A proportion rises by rewards for units that had none, drawn by chance; anything else by a factor.
    """
    fixed = sequential = 0
    for number in range(times):
        chance = np.random.default_rng(bits("power", seen.surface, seen.reward, number))
        treated = chance.random(len(seen.earned)) < 0.5
        values = _lifted(seen, kind, treated, lift, chance)
        fixed += _fixed(seen, kind, values, treated, alpha)
        sequential += _sequential(seen, kind, values, treated, alpha)
        if progress is not None:
            progress(number + 1, times)
    return Replayed(
        len(seen.earned),
        lift,
        times,
        fixed / times,
        _interval(fixed, times),
        sequential / times,
        _interval(sequential, times),
    )


def _lifted(seen: Traffic, kind: Kind, treated: np.ndarray, lift: float, chance: np.random.Generator) -> Column:
    if kind != "proportion":
        earned: Column = np.where(treated, seen.earned * (1 + lift), seen.earned)
        return earned
    had = seen.earned > 0
    share, luck = had.mean(), chance.random(len(had))
    gained = treated & ~had & (luck < share * lift / max(1 - share, 1e-12))
    lost = treated & had & (luck < -lift)
    return np.asarray((had | gained) & ~lost, np.float64)


def _fixed(seen: Traffic, kind: Kind, values: Column, treated: np.ndarray, alpha: float) -> bool:
    if kind == "proportion":
        (a, n), (b, m) = ((int(values[side].sum()), int(side.sum())) for side in (treated, ~treated))
        return proportions_difference(a, n, b, m, alpha=alpha).p_value < alpha
    sides = _sides(seen, kind, values, treated, len(values))
    return sides is not None and difference(*sides, alpha=alpha).p_value < alpha


def _sequential(seen: Traffic, kind: Kind, values: Column, treated: np.ndarray, alpha: float) -> bool:
    """Whether the sequence leaves 0 at any look."""
    for look in range(1, LOOKS + 1):
        upto = math.ceil(len(values) * look / LOOKS)
        sides = _sides(seen, kind, values, treated, upto)
        if sides is None or min(side.n for side in sides) < 10 or min(side.m2 for side in sides) == 0:
            continue  # nothing can be told from so few
        found = difference_sequence(*sides, horizon=len(values), alpha=alpha)
        if found.low > 0 or found.high < 0:
            return True
    return False


def _sides(seen: Traffic, kind: Kind, values: Column, treated: np.ndarray, upto: int) -> tuple[Moments, Moments] | None:
    """Moments of the treated and of the others among the first `upto` units; None where a side has nothing to tell."""
    masks = (treated[:upto], ~treated[:upto])
    if any(np.count_nonzero(side) < 2 or not seen.shown[:upto][side].any() for side in masks):
        return None
    if kind == "ratio":
        treatment, control = (PairMoments.of(values[:upto][side], seen.shown[:upto][side]).ratio() for side in masks)
    else:
        treatment, control = (Moments.of(values[:upto][side]) for side in masks)
    return treatment, control


def _interval(found: int, times: int) -> tuple[float, float]:
    interval = binomtest(found, times).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
