"""What interleaved slates earned, summed by variant and unit."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.definition import Experiment
from bandstand.experiments.interleaving.registry import METHODS
from bandstand.experiments.metrics import Metric
from bandstand.report.slates import Slate

Column = npt.NDArray[np.float64]


class Drafted(NamedTuple):
    """What speaks for a variant, one row a unit: decisions, picks shown, and each metric's rewards."""

    decisions: Column
    picks: Column
    rewards: dict[str, Column]


class Contests(NamedTuple):
    """One row a unit: of the interleaved slates that it rewarded, how many either variant won, and how many neither;
    what its rewards said for either, and what they came to in all. Of `Rounds` one row a slate."""

    control: Column
    treatment: Column
    ties: Column
    credit_control: Column
    credit_treatment: Column
    rewards: Column


class Rounds(NamedTuple):
    """One row a rewarded slate: of which unit, by its number, when it was shown, and its `wins`."""

    unit: npt.NDArray[np.int64]
    at: Column
    wins: Contests


class _Share(NamedTuple):
    """What a variant had in a slate."""

    variant: str
    unit: str
    picks: float
    rewards: list[float]


def drafted(experiment: Experiment, slates: Iterable[Slate]) -> dict[str, Drafted]:
    """Each unit under every variant, with the picks that speak for it and what these earned."""
    shares = (share for slate in slates for share in _shares(experiment, slate))
    return _columns(experiment, _summed(experiment, shares))


def rounds(experiment: Experiment, metric: Metric, slates: Iterable[Slate], *, treatment: int = 1) -> Rounds:
    """Who won each slate that was rewarded; one without a reward says nothing and is left out."""
    earned_by = METHODS[experiment.interleave].earned
    numbers: dict[str, int] = {}
    units, at, rows = [], [], []
    for slate in slates:
        rewards = positioned(metric, slate)
        if rewards:
            a, b = earned_by(slate.duels[treatment - 1], rewards)
            rows.append((a > b, b > a, a == b, a, b, sum(abs(value) for _, value in rewards)))
            units.append(numbers.setdefault(slate.unit, len(numbers)))
            at.append(slate.at)
    table = np.array(rows, np.float64).reshape(-1, len(Contests._fields))
    return Rounds(np.array(units, np.int64), np.array(at, np.float64), Contests(*table.T))


def contests(of: Rounds, *, until: float = np.inf) -> Contests:
    """The sums by unit, of the slates that were shown until then."""
    inside = of.at <= until
    units = of.unit[inside]
    return Contests(*(np.bincount(units, weights=each[inside]).astype(np.float64, copy=False) for each in of.wins))


def _shares(experiment: Experiment, slate: Slate) -> Iterator[_Share]:
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
        rewards = [earned_by(marks, positioned(metric, slate))[side] for metric in experiment.metrics]
        yield _Share(variant.name, slate.unit, picks, rewards)


def positioned(metric: Metric, slate: Slate) -> list[tuple[int, float]]:
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
