"""From rows with scores to a figure: how far the estimate may be off, and for which reason it is believed."""

import math
from typing import Final, NamedTuple

import numpy as np
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.evaluate.question import Interval
from bandstand.evaluate.result import Figure
from bandstand.evaluate.rows import Floats, Integers
from bandstand.evaluate.scored import Scored
from bandstand.experiments.analysis import Analysis
from bandstand.stats.bootstrap import means
from bandstand.stats.estimates import Estimate
from bandstand.stats.intervals import bernstein, rare_events, scarce
from bandstand.stats.moments import Moments
from bandstand.stats.offpolicy_sequence import OrderedSums, off_policy_sequence
from bandstand.stats.ratios import ROWS, sum_of_ratios, unit_moments
from bandstand.stats.sequences import Sequence, always_valid
from bandstand.stats.thinned import thinned_sums
from bandstand.stats.weights import WeightedSums

RICH: Final = 200
"""Effective rows and effective events from which on a normal interval covers too: see the table in docs/offline.md."""

TIGHTEST: Final = Analysis().units
"""Units at which a sequence is narrowest: those of experiments, and not the log's own number, which grows: the bound at
its best at each look anew is one for a single look, and too short for all."""

_UNBOUNDED: Final = 0.05
"""A weight that may reach this share of all rows bounds nothing: one row could be worth that much."""

_BOUNDLESS: Final = 1e6
"""Of a larger bound, as that of a long slate, nobody can picture the weight, and none tightens anything."""

_SEED: Final = 1
"""Of the bootstrap: the same log gives the same interval."""


class Doubt(NamedTuple):
    """What an interval goes by: who is independent of whom, and what weights and rewards are possible."""

    units: Integers | None
    alpha: float
    max_weight: float
    reward_range: tuple[float, float]


class Bracketed(NamedTuple):
    figure: Figure
    how: str


def bracketed(scored: Scored, doubt: Doubt, interval: Interval) -> Bracketed:
    """The estimate with the interval asked for, or with the one that fits it; and in words how it was made.

    InputError where that kind of interval cannot be had of this estimator, or of this log.
    """
    kind = interval
    if kind == "auto":
        kind = "likelihood" if scored.plain and not _rich(scored, doubt) else "normal"
    by = "" if doubt.units is None else ", by user"
    if kind in ("likelihood", "bernstein"):
        return _from_sums(scored, doubt, kind, by)
    middle = moments(scored, doubt.units)
    if middle.variance == 0:
        return Bracketed(Figure(scored.value, scored.value, scored.value, None), "none: all scores are equal")
    if kind == "bootstrap":
        low, high, spread = _replicated(scored, doubt)
        return Bracketed(Figure(scored.value, low, high, spread), f"Poisson bootstrap of 1,000{by}")
    if kind == "anytime" and scored.plain:
        return _always(scored, doubt)
    margin = half_width(middle, alpha=doubt.alpha, anytime=kind == "anytime")
    how = "asymptotic confidence sequence, holds at every look" if kind == "anytime" else "normal"
    return Bracketed(Figure(scored.value, scored.value - margin, scored.value + margin, middle.std_error), how + by)


def moments(scored: Scored, units: Integers | None) -> Moments:
    """The estimate and its spread over independent units, linearised."""
    columns, pairs = _columns(scored)
    return sum_of_ratios(unit_moments(columns, clusters=units), pairs)


def half_width(middle: Moments, *, alpha: float, anytime: bool) -> float:
    if anytime:
        return at_any_look(middle, alpha=alpha).high - middle.mean
    return float(norm.isf(alpha / 2)) * middle.std_error


def at_any_look(middle: Moments, *, alpha: float) -> Sequence:
    """Of a log that grows, one and the same sequence; it begins to hold with some 100 units."""
    return always_valid(middle.mean, middle.std_error, middle.n, horizon=TIGHTEST, alpha=alpha)


def less(one: Scored, other: Scored) -> Scored:
    """By how much the first earns more, on the same rows."""
    return one._replace(
        above=(*one.above, *(-each for each in other.above)), below=(*one.below, *other.below), plain=False
    )


def sums(scored: Scored, units: Integers | None) -> WeightedSums:
    """Of weights that are below 0 here and there their sizes: for diagnostics, not for an interval."""
    if scored.dropped is not None:
        return thinned_sums(scored.rewards, np.abs(scored.weights), scored.dropped, clusters=units)
    return WeightedSums.of(scored.rewards, np.abs(scored.weights), clusters=units)


def _rich(scored: Scored, doubt: Doubt) -> bool:
    """Whether weights have no bound that would help, and so much was earned by so many that none is needed."""
    if doubt.max_weight <= _UNBOUNDED * len(scored.weights):
        return False
    weights = standing_weights(scored)
    gained = weights * scored.rewards
    if doubt.units is not None:
        _, unit = np.unique(doubt.units, return_inverse=True)
        gained = np.bincount(unit, gained).astype(np.float64)
    return bool(effective(weights) >= RICH and effective(gained) >= RICH)


def standing_weights(scored: Scored) -> Floats:
    """The rows' weights, each as often as decisions that it stands for."""
    return scored.weights if scored.standing is None else scored.weights * scored.standing


def effective(amounts: Floats) -> float:
    """(Σ x)² / Σ x²: as many equal amounts would be as uncertain."""
    squares = float(np.dot(amounts, amounts))
    return float(amounts.sum()) ** 2 / squares if squares else 0.0


def _from_sums(scored: Scored, doubt: Doubt, kind: str, by: str) -> Bracketed:
    if not scored.plain:
        raise InputError(
            f"interval: {kind} is one of weights times rewards, and this estimator's scores are not; take normal, "
            "bootstrap or anytime",
            field="interval",
        )
    total = sums(scored, doubt.units)
    possible = _possible(doubt)
    most = max(doubt.max_weight if scored.standing is None else doubt.max_weight * scored.standing.max(), total.max_w)
    if kind == "bernstein":
        found = bernstein(total, max_weight=most, reward_range=possible, alpha=doubt.alpha)
        return Bracketed(_around(scored.value, found, doubt), "empirical Bernstein, holds for every n")
    found = rare_events(total, max_weight=max(most, 1 + 1e-9), reward_range=possible, alpha=doubt.alpha)
    cap = f"no weight above {most:,.4g}" if most < _BOUNDLESS else "weights as good as unbounded"
    if math.isinf(most):
        cap = "without a largest weight"
    widened = _widened(*scarce(total, reward_range=possible), doubt, bounded=most < math.inf)
    return Bracketed(_around(scored.value, found, doubt), f"empirical likelihood, {cap}{widened}{by}")


def _widened(rare: bool, common: bool, doubt: Doubt, *, bounded: bool) -> str:
    """What `rare_events` did beyond empirical likelihood, and why."""
    few = "few rewards" if doubt.units is None else "rewards of few users"
    least = f"{few} below the greatest"
    if not bounded:
        return (f", open above for {few}" if rare else "") + (f", open below for {least}" if common else "")
    why = " and ".join(each for each, so in ((few, rare), (least, common)) if so)
    return f", with the exact binomial for {why}" if why else ""


def _possible(doubt: Doubt) -> tuple[float, float]:
    """In exact arithmetic no reward of a row lies outside its range; the slack is for rounding."""
    low, high = doubt.reward_range
    slack = (high - low) * 1e-9
    return low - slack, high + slack


def _around(value: float, found: Estimate, doubt: Doubt) -> Figure:
    """The interval is one of the value under the target, whichever estimate is printed: it always holds this one."""
    low, high = doubt.reward_range
    return Figure(value, min(max(found.low, low), value), max(min(found.high, high), value), None)


def _always(scored: Scored, doubt: Doubt) -> Bracketed:
    """Rows come in the order in which they were decided, which is what such a sequence goes by."""
    ordered = OrderedSums(_possible(doubt)).then(scored.rewards, scored.weights, drop=scored.dropped)
    found = off_policy_sequence(ordered, alpha=doubt.alpha)
    return Bracketed(_around(scored.value, found, doubt), "confidence sequence, holds at every look")


def _columns(scored: Scored) -> tuple[list[Floats], list[tuple[int, int]]]:
    times = scored.standing
    columns: list[Floats] = [] if times is None else [times]
    rows, pairs = ROWS if times is None else 1, []
    for above, below in zip(scored.above, scored.below, strict=True):
        columns.append(above if times is None else above * times)
        over, under = len(columns), rows
        if below is not None:
            columns.append(below if times is None else below * times)
            under = len(columns)
        pairs.append((over, under))
    return columns, pairs


def _replicated(scored: Scored, doubt: Doubt) -> tuple[float, float, float]:
    columns, pairs = _columns(scored)
    units = np.arange(len(scored.weights)) if doubt.units is None else doubt.units
    drawn = np.column_stack((np.ones(1000), means(units, np.column_stack(columns), seed=_SEED)))
    with np.errstate(all="ignore"):
        values = np.sum([drawn[:, over] / drawn[:, under] for over, under in pairs], axis=0)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        raise InputError(
            "interval: no two replicates of the bootstrap drew any weight; take likelihood", code="too_few"
        )
    low, high = np.quantile(values, [doubt.alpha / 2, 1 - doubt.alpha / 2])
    return float(low), float(high), float(values.std(ddof=1))
