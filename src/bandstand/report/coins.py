"""An interleaving judged by its own coins: what else they could have made of the slates that were rewarded."""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from bandstand.errors import InputError
from bandstand.experiments.definition import Experiment
from bandstand.experiments.interleaving.contests import Chances, chances, ways, won
from bandstand.experiments.metrics import Metric
from bandstand.report.slates import Slate
from bandstand.report.tally import positioned
from bandstand.stats.coin_sequence import coin_sequence
from bandstand.stats.interleaving import randomisation

MOST_WAYS: Final = 100_000
"""Slates that are made again for one p-value, in some seconds. A test of so many impressions needs no exact one."""


class Tossed(NamedTuple):
    """One row a rewarded slate: what its coins could have made of it, and what they did."""

    chances: list[Chances]
    results: list[int]


def coins_p_value(experiment: Experiment, metric: Metric, slates: Sequence[Slate], *, treatment: int) -> float | None:
    """By the experiment's method: for one look, else for looks at any time. None where coins cannot say."""
    found = tossed(metric, slates, treatment=treatment)
    if found is None:
        return None
    try:
        if experiment.analysis.method == "fixed":
            return randomisation(found.chances, found.results.count(-1), found.results.count(1))
        return coin_sequence(found.chances, found.results, horizon=experiment.analysis.units)
    except InputError:  # no coin decided anything
        return None


def tossed(metric: Metric, slates: Sequence[Slate], *, treatment: int = 1) -> Tossed | None:
    """Every slate that the metric rewards; None where coins cannot be counted, or in more than `MOST_WAYS` ways."""
    left, rewarded = float(MOST_WAYS), []
    for slate in slates:
        rewards = positioned(metric, slate)
        if rewards:
            left -= ways(slate.merged, rewards) if slate.merged is not None else inf
            if slate.merged is None or left < 0:
                return None
            rewarded.append((slate.merged, rewards))
    return Tossed(
        [chances(made, rewards, treatment=treatment) for made, rewards in rewarded],
        [won(made, rewards, treatment=treatment) for made, rewards in rewarded],
    )
