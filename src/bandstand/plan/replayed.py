"""Power by trying: the log's own units, split by chance again and again, with a lift put into one side."""

import math
from collections.abc import Callable, Iterable
from typing import assert_never

import msgspec
import numpy as np
from scipy.stats import binomtest

from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric
from bandstand.plan.methods import LOOKS as PLANNED
from bandstand.plan.methods import METHODS, USUAL, Method, Rule, planned_bounds, power_by_formula
from bandstand.plan.traffic import Column, Kind, Traffic
from bandstand.report.infer import Estimate, estimate, guard
from bandstand.report.measure import Sample
from bandstand.stats.moments import Moments, PairMoments

Progress = Callable[[int, int | None], None]
Sides = tuple[Sample, Sample]
LOOKS = 20


class Tried(msgspec.Struct, frozen=True):
    """The share of splits in which the method `found` what it looks for, with a 95 % interval from `low` to `high`
    (Wilson 1927), beside the power that the `formula` gives its last look with as many units."""

    method: Method
    says: str
    formula: float
    found: float
    low: float
    high: float


class Replayed(msgspec.Struct, frozen=True):
    """What every method found in `times` splits of the log's units; without a lift, that is its error rate."""

    units: int
    lift: float
    times: int
    methods: tuple[Tried, ...]


def replayed(
    seen: Traffic,
    *,
    kind: Kind = "mean",
    lift: float,
    rule: Rule = USUAL,
    times: int = 500,
    progress: Progress | None = None,
) -> Replayed:
    """Split the units by a fair coin each, let one side earn more by `lift`, and judge as a report does: once at the
    end, at the planned looks, and as a confidence sequence at LOOKS moments as they came. Whether it is "not worse" is
    asked of equal sides.

    A proportion rises by rewards for units that had none, drawn by chance; anything else by a factor.
    """
    metric = Metric("tried", seen.reward, kind, better="lower" if lift < 0 else "higher", margin=abs(lift))
    plain = seen.earned if kind != "proportion" else np.asarray(seen.earned > 0, np.float64)
    bounds = planned_bounds(rule.alpha)
    found = dict.fromkeys(METHODS, 0)
    for number in range(times):
        chance = np.random.default_rng(bits("power", seen.surface, seen.reward, number))
        treated = chance.random(len(seen.earned)) < 0.5
        split = _Split(seen, kind, treated, _lifted(seen, kind, treated, lift, chance), plain)
        for method in METHODS:
            found[method] += _told(method, split, metric, rule, bounds)
        if progress is not None:
            progress(number + 1, times)
    outcome, per_arm = seen.outcome(kind), len(seen.earned) / 2
    tried = (
        Tried(
            method,
            METHODS[method],
            power_by_formula(method, outcome, per_arm, kind=kind, lift=lift, rule=rule),
            count / times,
            *_interval(count, times),
        )
        for method, count in found.items()
    )
    return Replayed(len(seen.earned), lift, times, tuple(tried))


class _Split(msgspec.Struct, frozen=True):
    """One way to split the units: who is treated, and what all earned with the lift and without."""

    seen: Traffic
    kind: Kind
    treated: np.ndarray
    lifted: Column
    plain: Column

    def sides(self, *, upto: int | None = None, lifted: bool = True) -> Sides | None:
        """The treated and the others among the first `upto`; None where a side has nothing to tell."""
        values, shown = (self.lifted if lifted else self.plain)[:upto], self.seen.shown[:upto]
        treated = self.treated[:upto]
        if any(np.count_nonzero(side) < 2 or not shown[side].any() for side in (treated, ~treated)):
            return None
        ours, theirs = (_sample(values[side], shown[side], self.kind) for side in (treated, ~treated))
        return ours, theirs

    def parts(self, count: int) -> Iterable[Sides | None]:
        """The sides at so many looks, each after as many further units."""
        total = len(self.lifted)
        return (self.sides(upto=math.ceil(total * look / count)) for look in range(1, count + 1))


def _told(method: Method, split: _Split, metric: Metric, rule: Rule, bounds: tuple[float, ...]) -> bool:
    """Whether the method finds what it looks for in this split."""
    match method:
        case "fixed":
            return _significant(metric, split.sides(), Analysis("fixed"), rule)
        case "groups":
            looks = zip(split.parts(PLANNED), bounds, strict=True)
            return any(_significant(metric, sides, Analysis("group-sequential"), rule, bound) for sides, bound in looks)
        case "sequential":
            always = Analysis("always-valid", units=len(split.lifted))
            return any(_significant(metric, sides, always, rule) for sides in split.parts(LOOKS))
        case "bayesian":
            one = _estimate(metric, split.sides(), Analysis("bayesian", prior_std=rule.prior_std), rule)
            return one is not None and _ships(one, rule)
        case "noninferiority":
            return _safe(metric, split.sides(lifted=False), rule)
        case _:
            assert_never(method)


def _significant(
    metric: Metric, sides: Sides | None, analysis: Analysis, rule: Rule, critical: float | None = None
) -> bool:
    one = _estimate(metric, sides, analysis, rule, critical)
    return one is not None and one.significant


def _ships(one: Estimate, rule: Rule) -> bool:
    """Better, surely enough, and with an expected loss that is accepted: as the report's verdict has it."""
    if one.chance_to_win is None or one.risk is None:
        return False
    return one.significant and one.chance_to_win > 0.5 and one.risk <= rule.accepted_loss


def _safe(metric: Metric, sides: Sides | None, rule: Rule) -> bool:
    """Whether the sides, which are equal, are shown to differ by less than the margin."""
    try:
        return sides is not None and bool(guard(metric, *sides, analysis=Analysis("fixed"), alpha=rule.alpha).safe)
    except InputError:  # nothing that can be told
        return False


def _estimate(
    metric: Metric, sides: Sides | None, analysis: Analysis, rule: Rule, critical: float | None = None
) -> Estimate | None:
    """None where nothing can be told, or not yet."""
    if sides is None:
        return None
    try:
        return estimate(metric, *sides, analysis=analysis, alpha=rule.alpha, critical=critical)
    except InputError:
        return None


def _lifted(seen: Traffic, kind: Kind, treated: np.ndarray, lift: float, chance: np.random.Generator) -> Column:
    if kind != "proportion":
        earned: Column = np.where(treated, seen.earned * (1 + lift), seen.earned)
        return earned
    had = seen.earned > 0
    share, luck = had.mean(), chance.random(len(had))
    gained = treated & ~had & (luck < share * lift / max(1 - share, 1e-12))
    lost = treated & had & (luck < -lift)
    return np.asarray((had | gained) & ~lost, np.float64)


def _sample(values: Column, shown: Column, kind: Kind) -> Sample:
    moments = PairMoments.of(values, shown).ratio() if kind == "ratio" else Moments.of(values)
    return Sample(len(values), int(np.count_nonzero(values)), float(values.sum()), moments)


def _interval(found: int, times: int) -> tuple[float, float]:
    interval = binomtest(found, times).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
