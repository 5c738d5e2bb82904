"""Where an answer comes from: by position and by day, the heaviest decisions, what other levels would have given."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandstand.evaluate import support
from bandstand.evaluate.estimators import Estimator, scored
from bandstand.evaluate.evidence import Evidence
from bandstand.evaluate.question import Question, Target
from bandstand.evaluate.result import Day, Details, Heavy, Level, Slot
from bandstand.evaluate.rows import Floats, Rows
from bandstand.evaluate.scored import Case, Scored
from bandstand.evaluate.uncertainty import effective, moments, standing_weights
from bandstand.evaluate.walk import Walked
from bandstand.events import Decided
from bandstand.stats.moments import Moments
from bandstand.store import EventLog

HEAVIEST: Final = 5
DAY_S: Final = 86400.0
MOST_DAYS: Final = 60
"""Lines of the table by day; of a longer log each has several days."""


class Studied(NamedTuple):
    """All that an answer is made from."""

    log: EventLog
    question: Question
    targets: Sequence[Target]
    estimator: Estimator
    evidence: Evidence
    walked: Walked
    taught: frozenset[str]

    @property
    def rows(self) -> Rows:
        return self.walked.rows

    def case(self, target: int, metric: int, level: float | None = None) -> Case:
        question = self.question if level is None else msgspec.structs.replace(self.question, level=level)
        return Case(self.rows, self.evidence, target, metric, question)


def details(studied: Studied, target: int, metric: int, one: Scored, earned: Floats) -> Details:
    """Of an answer over all decisions; `earned` is what each slate did as logged."""
    return Details(
        positions=_positions(studied, metric, one),
        days=_days(studied.rows.times, one, earned),
        heaviest=_heaviest(studied, standing_weights(one)),
        weights=support.spread_of(one.weights),
        levels=_levels(studied, target, metric, one.weights),
    )


def _positions(studied: Studied, metric: int, one: Scored) -> tuple[Slot, ...]:
    """Each with weights of its own. What came for slates as a whole is in none of them."""
    if one.slots is None:
        return ()
    rewards, method = studied.rows.rewards(metric), studied.estimator.method
    # Those of the position-based model are not 1 on average at any single position, so there is nothing to divide by.
    divided = method.endswith("_snips") and not method.startswith("position_based")
    found = []
    for slot in range(studied.rows.length):
        there = studied.rows.lengths > slot
        times = np.ones(there.sum()) if one.standing is None else one.standing[there]
        w, r = one.slots[there, slot] * times, rewards[there, slot]
        over = float(w.sum() if divided else times.sum())
        found.append(
            Slot(
                position=slot,
                rows=len(w),
                logged=float(np.average(r, weights=times)),
                value=float((w * r).sum() / over) if over else None,
                mean_weight=float(w.sum() / times.sum()),
                ess=effective(w),
                events=int(np.count_nonzero(w * r)),
            )
        )
    return tuple(found)


def weights_by_day(times: Floats, one: Scored) -> list[Moments]:
    """Of each line of the table by day in which weights differ at all; of none where decisions are missing, for only
    with these is the mean weight 1."""
    if one.dropped is not None:
        return []
    _, _, bins = _bins(times)
    parts = [Moments.of(one.weights[bins == number]) for number in np.unique(bins).tolist()]
    return [part for part in parts if part.n > 1 and part.m2 > 0]


def _bins(times: Floats) -> tuple[float, int, Floats]:
    """The first day, how many days go together, and which of those each time is in."""
    day = np.floor(times / DAY_S)
    begin = float(day.min())
    width = math.ceil((float(day.max()) - begin + 1) / MOST_DAYS)
    return begin, width, np.floor((day - begin) / width)


def _days(times: Floats, one: Scored, earned: Floats) -> tuple[Day, ...]:
    begin, width, bins = _bins(times)
    found = []
    for number in np.unique(bins).tolist():
        among = bins == number
        part = one.among(among)
        spread = moments(part, None) if among.sum() > 1 and not part.empty else None
        found.append(
            Day(
                at=(begin + number * width) * DAY_S,
                rows=int(among.sum()),
                logged=part.mean(earned[among]),
                value=None if part.empty else part.value,
                mean_weight=part.mean(part.weights),
                std_error=None if spread is None else spread.std_error,
                ess=effective(standing_weights(part)),
            )
        )
    return tuple(found)


def _heaviest(studied: Studied, weights: Floats) -> tuple[Heavy, ...]:
    total = float(np.abs(weights).sum())
    found = []
    for row in np.argsort(-weights, kind="stable")[:HEAVIEST].tolist():
        entry = studied.log.read(after=int(studied.rows.seqs[row]) - 1, limit=1)[0]
        assert isinstance(entry.fact, Decided)
        found.append(Heavy(entry.fact.decision, float(weights[row]), float(weights[row]) / total if total else 0.0))
    return tuple(found)


def _levels(studied: Studied, target: int, metric: int, weights: Floats) -> tuple[Level, ...]:
    shrunk = studied.estimator.shrunk
    if shrunk is None:
        return ()
    asked = shrunk.level if studied.question.level is None else studied.question.level
    found = []
    for level in sorted({*shrunk.levels, asked}):
        value = scored(studied.estimator, studied.case(target, metric, level)).value
        kept = float(shrunk.of(weights, level).sum() / weights.sum()) if weights.any() else 1.0
        found.append(Level(level, kept, value))
    return tuple(found)
