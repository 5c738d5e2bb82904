"""What was collected, summed by variant and unit."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.definition import Experiment, Metric
from bandstand.experiments.interleaving.registry import METHODS
from bandstand.report.collect import Slate

Column = npt.NDArray[np.float64]


class Units(NamedTuple):
    """A variant's units, one row each: decisions, picks shown, and each metric's rewards."""

    decisions: Column
    picks: Column
    rewards: dict[str, Column]


class Split(NamedTuple):
    """`crossed` units saw more than one variant and are left out: their behaviour speaks for none."""

    variants: dict[str, Units]
    crossed: int


class Contests(NamedTuple):
    """One row a unit: of the interleaved slates that it rewarded, how many either variant won, and how many neither;
    what its rewards said for either, and what they came to in all."""

    control: Column
    treatment: Column
    ties: Column
    credit_control: Column
    credit_treatment: Column
    rewards: Column


class _Share(NamedTuple):
    """What a variant had in a slate."""

    variant: str
    unit: str
    picks: float
    rewards: list[float]


def split(experiment: Experiment, slates: Iterable[Slate]) -> Split:
    """Each unit under the one variant that it saw."""
    sums = _summed(experiment, (_whole(experiment, slate) for slate in slates))
    variants_seen = Counter(unit for units in sums.values() for unit in units)
    crossed = {unit for unit, count in variants_seen.items() if count > 1}
    for units in sums.values():
        for unit in crossed.intersection(units):
            del units[unit]
    return Split(_columns(experiment, sums), len(crossed))


def teams(experiment: Experiment, slates: Iterable[Slate]) -> dict[str, Units]:
    """Each unit under every variant, with the picks that speak for it and what these earned."""
    shares = (share for slate in slates for share in _drafted(experiment, slate))
    return _columns(experiment, _summed(experiment, shares))


def contests(experiment: Experiment, metric: Metric, slates: Iterable[Slate], *, treatment: int = 1) -> Contests:
    """Who won the slates that were rewarded; a slate without a reward says nothing and is left out."""
    earned_by = METHODS[experiment.interleave].earned
    units: dict[str, list[float]] = {}
    for slate in slates:
        earned = _earned(metric, slate)
        if earned:
            a, b = earned_by(slate.duels[treatment - 1], earned)
            row = (a > b, b > a, a == b, a, b, sum(abs(value) for _, value in earned))
            total = units.setdefault(slate.unit, [0.0] * len(row))
            for index, value in enumerate(row):
                total[index] += value
    table = np.array(list(units.values()), np.float64).reshape(-1, 6)
    return Contests(*table.T)


def _whole(experiment: Experiment, slate: Slate) -> _Share:
    rewards = [sum(one.value for one in slate.rewards(metric.reward)) for metric in experiment.metrics]
    return _Share(slate.variant, slate.unit, len(slate.picks()), rewards)


def _drafted(experiment: Experiment, slate: Slate) -> Iterator[_Share]:
    """What counts for each variant: for the control, as it does against the first treatment."""
    earned_by = METHODS[experiment.interleave].earned
    shown = set(slate.picks())
    indices = [index for index, position in enumerate(slate.positions) if position in shown]
    for at, variant in enumerate(experiment.variants):
        marks, side = slate.duels[max(at - 1, 0)], min(at, 1)
        # Balanced interleaving has no teams: each pick counts for whoever ranks it at least as high.
        picks = sum(marks[index][side] for index in indices)
        if experiment.interleave == "balanced":
            picks = sum(marks[index][side] <= marks[index][1 - side] for index in indices)
        rewards = [earned_by(marks, _earned(metric, slate))[side] for metric in experiment.metrics]
        yield _Share(variant.name, slate.unit, picks, rewards)


def _earned(metric: Metric, slate: Slate) -> list[tuple[int, float]]:
    """The rewards that belong to a position, by its index in the slate."""
    return [
        (slate.positions.index(one.position), one.value)
        for one in slate.rewards(metric.reward)
        if one.position is not None
    ]


def _summed(experiment: Experiment, shares: Iterable[_Share]) -> dict[str, dict[str, list[float]]]:
    sums: dict[str, dict[str, list[float]]] = {variant.name: {} for variant in experiment.variants}
    for share in shares:
        row = (1, share.picks, *share.rewards)
        total = sums[share.variant].setdefault(share.unit, [0.0] * len(row))
        for index, value in enumerate(row):
            total[index] += value
    return sums


def _columns(experiment: Experiment, sums: dict[str, dict[str, list[float]]]) -> dict[str, Units]:
    found: dict[str, Units] = {}
    for variant, units in sums.items():
        table = np.array(list(units.values()), np.float64).reshape(-1, 2 + len(experiment.metrics))
        decisions, picks, *rewards = table.T
        named = {metric.name: column for metric, column in zip(experiment.metrics, rewards, strict=True)}
        found[variant] = Units(decisions, picks, named)
    return found
