"""What was collected, summed by variant and unit."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.definition import Experiment, Metric
from bandstand.experiments.interleaving import Credit, credit
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
    """One row a unit: of the interleaved slates that it rewarded, how many either variant won, and how many neither."""

    control: Column
    treatment: Column
    ties: Column


class _Share(NamedTuple):
    """What a variant had in a slate."""

    variant: str
    unit: str
    picks: int
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
    """Each unit under both variants, with the picks that either team drafted and what these earned."""
    shares = (share for slate in slates for share in _drafted(experiment, slate))
    return _columns(experiment, _summed(experiment, shares))


def contests(metric: Metric, slates: Iterable[Slate]) -> Contests:
    """Who won the slates that were rewarded; a slate without a reward says nothing and is left out."""
    wins: dict[str, list[int]] = {}
    for slate in slates:
        earned = _earned(metric, slate)
        if earned:
            a, b = credit(slate.teams, earned)
            wins.setdefault(slate.unit, [0, 0, 0])[0 if a > b else 1 if b > a else 2] += 1
    table = np.array(list(wins.values()), np.float64).reshape(-1, 3)
    return Contests(*table.T)


def _whole(experiment: Experiment, slate: Slate) -> _Share:
    rewards = [sum(one.value for one in slate.rewards(metric.reward)) for metric in experiment.metrics]
    return _Share(slate.variant, slate.unit, len(slate.picks()), rewards)


def _drafted(experiment: Experiment, slate: Slate) -> Iterator[_Share]:
    shown = set(slate.picks())
    team_of = dict(zip(slate.positions, slate.teams, strict=True))
    credits: list[Credit] = [credit(slate.teams, _earned(metric, slate)) for metric in experiment.metrics]
    for team, variant in enumerate(experiment.variants):
        picks = sum(team_of[position] == team for position in shown)
        yield _Share(variant.name, slate.unit, picks, [each[team] for each in credits])


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
