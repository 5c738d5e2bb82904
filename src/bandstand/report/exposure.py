"""Who took part, and since when: a unit enters at its first exposure, once, under the variant that it saw there."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.crossing import crossed
from bandstand.experiments.formula import Term
from bandstand.report.gathered import WHOLE, Decisions, Exposures, Floats, Gathered, Ints, Rewards

_SPAN = 1 << 20
"""Above any position on a page, so that a decision and a position make one number."""


class Events(NamedTuple):
    """What units did, one row an event in the order of time: whose, how long after that unit's first exposure, when in
    the log, and how much of it."""

    unit: Ints
    age_s: Floats
    at: Floats
    value: Floats


class Units(NamedTuple):
    """One row for each unit that took part under exactly one variant, with all that it did.

    `crossed` saw more than one and are left out, for their behaviour speaks for none; of these `merged` did so as two
    units of one person. `unseen` are the decisions that
    nobody was shown, by variant, and `decided` all of them. `values` are the rewards by name as they came.
    """

    variant: Ints
    first: Floats
    newcomer: npt.NDArray[np.bool_]
    labels: Mapping[str, Ints]
    names: Mapping[str, tuple[str, ...]]
    events: Mapping[Term, Events]
    crossed: int
    merged: int
    decided: Ints
    unseen: Ints
    lag_s: Floats
    lag_variant: Ints

    def __len__(self) -> int:
        return len(self.first)


def units(gathered: Gathered, *, variants: int) -> Units:
    """Every unit that was really shown something, with its rewards, exposures and interactions."""
    decisions = gathered.decisions
    seen = _Seen(decisions, gathered.exposures)
    people = len(gathered.born)
    shown = np.isfinite(seen.at)
    whose = decisions.unit[shown].astype(np.int64)
    first = np.full(people, np.inf)
    np.minimum.at(first, whose, seen.at[shown])
    variant = np.full(people, -1, np.int64)
    variant[whose] = decisions.variant[shown]
    both = crossed(whose, decisions.variant[shown].astype(np.int64), decisions.person[shown], units=people)
    inside = (variant >= 0) & ~both.units
    row = np.where(inside, np.cumsum(inside) - 1, -1)
    since = first[inside]
    events = {
        Term("picks"): _events(row, since, decisions.unit[shown], seen.at[shown], seen.picks[shown], least=0.0),
        Term("decisions"): _events(row, since, decisions.unit[shown], seen.at[shown], None, least=0.0),
    }
    for name, rewards in gathered.rewards.items():
        of_unit = seen.earners(rewards)
        after = _events(row, since, of_unit, rewards.at, rewards.value, least=0.0)
        before = _before(row, since, rewards)
        events[Term("sum", name)] = _joined(before, after)
        events[Term("count", name)] = _counted(events[Term("sum", name)])
    for name, each in gathered.interactions.items():
        events[Term("interactions", name)] = _events(row, since, each.unit, each.at, each.value)
    waited = shown & ~decisions.shown
    return Units(
        variant=variant[inside],
        first=since,
        newcomer=gathered.born[inside] >= since,
        labels={name: codes[inside] for name, codes in gathered.labels.items()},
        names=gathered.names,
        events=events,
        crossed=int(np.count_nonzero(both.units)),
        merged=both.merged,
        decided=np.bincount(decisions.variant, minlength=variants),
        unseen=np.bincount(decisions.variant[~shown], minlength=variants),
        lag_s=(seen.at - decisions.at)[waited],
        lag_variant=decisions.variant[waited].astype(np.int64),
    )


class _Seen:
    """When each decision was first shown (infinite: never), how many of its picks were, and whom a reward is from."""

    def __init__(self, decisions: Decisions, exposures: Exposures) -> None:
        self._decisions = decisions
        self._order = np.argsort(decisions.id, kind="stable")
        self._sorted = decisions.id[self._order]
        self.at = np.where(decisions.shown, decisions.at, np.inf)
        self.picks = np.where(decisions.shown, decisions.picks, 0).astype(np.float64)
        self._whole = decisions.shown.copy()
        self._single = np.empty(0, np.int64)
        self._expose(exposures)

    def earners(self, rewards: Rewards) -> Ints:
        """The unit behind each reward, -1 where it is of no decision of ours, or of something that nobody was shown."""
        of = self._rows(rewards.decision)
        if not len(self._decisions.id):
            return np.full(len(of), -1, np.int64)
        counts = (of >= 0) & np.isfinite(self.at[of])
        part = counts & ~self._whole[of] & (rewards.position != WHOLE)
        if part.any():
            counts[part] = np.isin(of[part] * _SPAN + rewards.position[part], self._single)
        return np.where(counts, self._decisions.unit[of], -1)

    def _expose(self, exposures: Exposures) -> None:
        of = self._rows(exposures.decision)
        ours = of >= 0
        ours[ours] &= ~self._decisions.shown[of[ours]]
        of, at, position = of[ours], exposures.at[ours], exposures.position[ours].astype(np.int64)
        start, end = self._decisions.first[of], self._decisions.first[of].astype(np.int64) + self._decisions.picks[of]
        whole = position == WHOLE
        real = whole | ((position >= start) & (position < end))
        np.minimum.at(self.at, of[real], at[real])
        self._whole[of[whole]] = True
        self._single = np.unique(of[real & ~whole] * _SPAN + position[real & ~whole])
        np.add.at(self.picks, self._single // _SPAN, 1.0)
        self.picks[of[whole]] = self._decisions.picks[of[whole]]

    def _rows(self, ids: Ints) -> Ints:
        """The row of each decision's id, -1 where it is not among them."""
        if not len(self._sorted):
            return np.full(len(ids), -1, np.int64)
        place = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
        return np.where(self._sorted[place] == ids, self._order[place], -1)


def _events(
    row: Ints, since: Floats, who: Ints, at: Floats, value: Floats | None, *, least: float | None = None
) -> Events:
    """Those of units that took part. A reward may come before its exposure is told: no younger than `least`."""
    unit = np.where(who >= 0, row[who], -1) if len(row) else np.full(len(who), -1, np.int64)
    kept = unit >= 0
    unit, when = unit[kept], np.asarray(at)[kept]
    age = when - since[unit]
    values = np.ones(len(unit)) if value is None else np.asarray(value, np.float64)[kept]
    return Events(unit, age if least is None else np.maximum(age, least), when, values)


def _before(row: Ints, since: Floats, rewards: Rewards) -> Events:
    """What units earned before they took part, on whichever decision."""
    known = _events(row, since, rewards.unit, rewards.at, rewards.value)
    earlier = known.age_s < 0
    return Events._make(column[earlier] for column in known)


def _joined(before: Events, after: Events) -> Events:
    if not len(before.unit):
        return after
    return Events._make(np.concatenate(pair) for pair in zip(before, after, strict=True))


def _counted(events: Events) -> Events:
    return events._replace(value=np.ones(len(events.value)))
