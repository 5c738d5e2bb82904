"""Estimators that look at one pick of a slate, the first."""

import math
from typing import Final, NamedTuple

from bandstand.evaluate import regression
from bandstand.evaluate.evidence import Embedded
from bandstand.evaluate.regression import Sketches
from bandstand.evaluate.rows import Floats
from bandstand.evaluate.scored import Case, Scored, normalised
from bandstand.stats.shrinkage import Shrinkage, clipped, optimistic, subgaussian, switched


class Shrunk(NamedTuple):
    """Weights made smaller: how, to which level λ where none is named, those of the table that shows what λ does, and
    the largest there is."""

    shrink: Shrinkage
    level: float = 10.0
    levels: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
    most: float = math.inf

    def of(self, weights: Floats, level: float | None) -> Floats:
        return self.shrink(weights, self.level if level is None else level)


CLIPPED: Final = Shrunk(clipped)
SWITCHED: Final = Shrunk(switched)
OPTIMISTIC: Final = Shrunk(optimistic)
SUBGAUSSIAN: Final = Shrunk(subgaussian, 0.1, (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0), 1.0)


def first(case: Case) -> tuple[Floats, Floats]:
    """Weight and reward of the first pick; of a slate of one, all that came."""
    rewards = case.rows.rewards(case.metric)[:, 0].copy()
    alone = case.rows.lengths == 1
    rewards[alone] += case.rows.wholes(case.metric)[alone]
    return case.rows.ratios(case.target)[:, 0], rewards


def ips(case: Case) -> Scored:
    weights, rewards = first(case)
    return Scored((weights * rewards,), (None,), weights, rewards)


def snips(case: Case) -> Scored:
    return normalised(ips(case))


def shrunk_ips(case: Case, *, shrunk: Shrunk) -> Scored:
    weights, rewards = first(case)
    return Scored((shrunk.of(weights, case.question.level) * rewards,), (None,), weights, rewards, plain=False)


def mips(case: Case, *, divided: bool = False) -> Scored:
    assert isinstance(case.evidence, Embedded)
    weights, (_, rewards) = case.evidence.weights(case.target), first(case)
    found = Scored((weights * rewards,), (None,), weights, rewards)
    return normalised(found) if divided else found


def dm(case: Case) -> Scored:
    weights, rewards = first(case)
    return Scored((_predicted(case, rewards).expected,), (None,), weights, rewards, plain=False)


def dr(case: Case, *, shrunk: Shrunk | None = None, divided: bool = False) -> Scored:
    weights, rewards = first(case)
    found = _predicted(case, rewards)
    kept = weights if shrunk is None else shrunk.of(weights, case.question.level)
    corrections = kept * (rewards - found.shown)
    return Scored((found.expected, corrections), (None, weights if divided else None), weights, rewards, plain=False)


def _predicted(case: Case, rewards: Floats) -> regression.Predicted:
    assert isinstance(case.evidence, Sketches)
    return regression.first_position(case.rows, case.evidence, case.target, rewards)
