"""Estimators that look at one pick of a slate, the first."""

from typing import Final

from bandstand.evaluate import regression
from bandstand.evaluate.evidence import Embedded
from bandstand.evaluate.regression import Sketches
from bandstand.evaluate.rows import Floats
from bandstand.evaluate.scored import Case, Scored, normalised
from bandstand.stats.shrinkage import Shrinkage, clipped

LEVEL: Final = 10.0
"""λ where none is named: the largest weight that clipping and switching keep."""


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


def clipped_ips(case: Case) -> Scored:
    weights, rewards = first(case)
    return Scored((clipped(weights, _level(case)) * rewards,), (None,), weights, rewards, plain=False)


def mips(case: Case) -> Scored:
    assert isinstance(case.evidence, Embedded)
    weights, (_, rewards) = case.evidence.weights(case.target), first(case)
    return Scored((weights * rewards,), (None,), weights, rewards)


def dm(case: Case) -> Scored:
    weights, rewards = first(case)
    return Scored((_predicted(case, rewards).expected,), (None,), weights, rewards, plain=False)


def dr(case: Case, *, shrink: Shrinkage | None = None, divided: bool = False) -> Scored:
    weights, rewards = first(case)
    found = _predicted(case, rewards)
    shrunk = weights if shrink is None else shrink(weights, _level(case))
    corrections = shrunk * (rewards - found.shown)
    return Scored((found.expected, corrections), (None, weights if divided else None), weights, rewards, plain=False)


def _predicted(case: Case, rewards: Floats) -> regression.Predicted:
    assert isinstance(case.evidence, Sketches)
    return regression.first_position(case.rows, case.evidence, case.target, rewards)


def _level(case: Case) -> float:
    return LEVEL if case.question.level is None else case.question.level
