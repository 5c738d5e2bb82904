"""What interleaved slates earned, summed by team and unit."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.definition import Experiment
from bandstand.experiments.interleaving import Credit, credit
from bandstand.experiments.metrics import Metric
from bandstand.report.slates import Slate

Column = npt.NDArray[np.float64]


class Drafted(NamedTuple):
    """What a variant's team had, one row a unit: decisions, picks shown, and each metric's rewards."""

    decisions: Column
    picks: Column
    rewards: dict[str, Column]


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


def drafted(experiment: Experiment, slates: Iterable[Slate]) -> dict[str, Drafted]:
    """Each unit under both variants, with the picks that either team drafted and what these earned."""
    shares = (share for slate in slates for share in _shares(experiment, slate))
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


def _shares(experiment: Experiment, slate: Slate) -> Iterator[_Share]:
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


def _columns(experiment: Experiment, sums: dict[str, dict[str, list[float]]]) -> dict[str, Drafted]:
    found: dict[str, Drafted] = {}
    for variant, units in sums.items():
        table = np.array(list(units.values()), np.float64).reshape(-1, 2 + len(experiment.metrics))
        decisions, picks, *rewards = table.T
        named = {metric.name: column for metric, column in zip(experiment.metrics, rewards, strict=True)}
        found[variant] = Drafted(decisions, picks, named)
    return found
