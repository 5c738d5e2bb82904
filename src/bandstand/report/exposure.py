"""Who took part, and since when: a unit enters at its first exposure, once, under the variant that it saw there."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.experiments.crossing import NOBODY, Crossed, crossed
from bandstand.experiments.formula import Term
from bandstand.report.gathered import Gathered
from bandstand.report.index import ABSENT
from bandstand.report.ledger import JOINS, Ledger, Rows
from bandstand.report.phases import Chances, Entered, chances
from bandstand.report.stretch import WHOLE, Floats, Ints
from bandstand.stats.moments import PairMoments

_SPAN = 1 << 20
"""Above any position on a page, so that a decision and a position make one number."""


class Events(NamedTuple):
    """What units did, one row an event: whose, how long after that unit's first exposure, when in the log, and how much
    of it."""

    unit: Ints
    age_s: Floats
    at: Floats
    value: Floats


class Units(NamedTuple):
    """One row for each unit that took part under exactly one variant, with all that it did; `who` is its mark.

    `crossed` saw more than one and are left out, for their behaviour speaks for none; of these `merged` did so as two
    units of one person. `unseen` are the decisions that nobody was shown, by variant, and `decided` all of them; `lost`
    are both of each unit that had a decision, shown or not, by the variant of its first assignment, and empty where all
    were shown at once. `values` are the rewards by name as they came. `chances` is None where weights never changed.
    """

    who: Ints
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
    lost: tuple[PairMoments, ...]
    lag_s: Floats
    lag_variant: Ints
    chances: Chances | None

    def __len__(self) -> int:
        return len(self.first)


def units(gathered: Gathered, *, slates: bool) -> Units:
    """Every unit that was really shown something, with its rewards, exposures and interactions.

    With `slates` what it was shown is an event for each slate; else one event at its first exposure tells of all, which
    is enough where all of them count.
    """
    life, ledger, _ = gathered
    seen = _Seen(ledger)
    late = ledger.deferred["unit"][seen.ever]
    first, least, most = (ledger.units[name].copy() for name in ("first", "least", "most"))
    np.minimum.at(first, late, seen.at[seen.ever])
    np.minimum.at(least, late, ledger.deferred["variant"][seen.ever])
    np.maximum.at(most, late, ledger.deferred["variant"][seen.ever])
    both = _crossed(ledger, seen, least, most)
    inside = (most >= 0) & ~both.units
    # In the order of their ids, which is the same however the log was read.
    keys, numbers = ledger.unit_of.whole()
    order = numbers[inside[numbers]]
    row = np.full(len(first), -1, np.int32)
    row[order] = np.arange(len(order))
    since = first[order]
    events = dict(_shown(ledger, seen, row, since) if slates else _summed(ledger, seen, row, order, since))
    for name, rewards in ledger.rewards.items():
        after = _events(row, since, seen.earners(rewards), rewards["at"], rewards["value"], least=0.0)
        if ledger.asked.everybody:
            after = _joined(_before(row, since, rewards), after)
        events[Term("sum", name)] = after
        events[Term("count", name)] = _counted(events[Term("sum", name)])
    for name, each in ledger.interactions.items():
        events[Term("interactions", name)] = _events(row, since, each["unit"], each["at"], each["value"])
    return Units(
        who=keys[inside[numbers]].astype(np.int64),
        variant=least[order].astype(np.int64),
        first=since,
        newcomer=ledger.units["born"][order] >= since,
        labels={name: _codes(ledger, place)[order] for place, name in enumerate(ledger.asked.segments)},
        names={name: tuple(sorted(codes)) for name, codes in zip(ledger.asked.segments, ledger.names, strict=True)},
        events=events,
        crossed=int(np.count_nonzero(both.units)),
        merged=both.merged,
        decided=ledger.decided,
        unseen=np.bincount(ledger.deferred["variant"][~seen.ever], minlength=len(ledger.decided)),
        lost=_lost(ledger, seen),
        lag_s=(seen.at - ledger.deferred["at"])[seen.ever],
        lag_variant=ledger.deferred["variant"][seen.ever].astype(np.int64),
        chances=chances(
            life.experiment.name,
            life.phases,
            Entered(ledger.units["entered"], ledger.units["phase"]),
            took_part=most >= 0,
            compared=order,
        ),
    )


class _Seen:
    """When each decision that was not shown at once was first shown (infinite: never), how many of its picks were, and
    whom a reward is from."""

    def __init__(self, ledger: Ledger) -> None:
        self._deferred = ledger.deferred
        count = len(ledger.deferred)
        self.at = np.full(count, np.inf)
        self.picks = np.zeros(count)
        self._whole = np.zeros(count, np.bool_)
        self._single = np.empty(0, np.int64)
        if count:
            self._expose(ledger.exposures)
        self.ever = np.isfinite(self.at)

    def earners(self, rewards: Rows) -> Ints:
        """The unit behind each reward, -1 where it is of no decision of ours, or of something that nobody was shown."""
        earner = rewards["earner"]
        late = np.flatnonzero(earner < ABSENT)
        if not len(late):
            return earner
        found, of, position = earner.copy(), -2 - earner[late].astype(np.int64), rewards["position"][late]
        counts = self.ever[of]
        part = counts & ~self._whole[of] & (position != WHOLE)
        if part.any():
            counts[part] = np.isin(of[part] * _SPAN + position[part], self._single)
        found[late] = np.where(counts, self._deferred["unit"][of], -1)
        return found

    def _expose(self, exposures: Rows) -> None:
        of, position = exposures["row"].astype(np.int64), exposures["position"].astype(np.int64)
        start = self._deferred["first"][of].astype(np.int64)
        end = start + self._deferred["picks"][of]
        whole = position == WHOLE
        real = whole | ((position >= start) & (position < end))
        np.minimum.at(self.at, of[real], exposures["at"][real])
        self._whole[of[whole]] = True
        self._single = np.unique(of[real & ~whole] * _SPAN + position[real & ~whole])
        np.add.at(self.picks, self._single // _SPAN, 1.0)
        self.picks[of[whole]] = self._deferred["picks"][of[whole]]


def _crossed(ledger: Ledger, seen: _Seen, least: Ints, most: Ints) -> Crossed:
    """By the variants that each unit saw, and by those of persons of whom more than one thing is known."""
    joins = ledger.joined({name: ledger.deferred[name][seen.ever] for name in JOINS})
    known = joins["person"] != NOBODY
    unit, variant = joins["unit"][known], joins["variant"][known]
    people = np.unique(joins["person"][known], return_inverse=True)[1]
    alone = least < most
    found = alone | crossed(unit, variant, people, units=len(least)).units
    return Crossed(found, int(np.count_nonzero(found & ~alone)))


def _shown(ledger: Ledger, seen: _Seen, row: Ints, since: Floats) -> Mapping[Term, Events]:
    """An event for each slate."""
    slates = ledger.slates
    unit = np.concatenate((slates["unit"], ledger.deferred["unit"][seen.ever]))
    at = np.concatenate((slates["at"], seen.at[seen.ever]))
    picks = np.concatenate((slates["picks"], seen.picks[seen.ever]))
    return {
        Term("picks"): _events(row, since, unit, at, picks, least=0.0),
        Term("decisions"): _events(row, since, unit, at, None, least=0.0),
    }


def _lost(ledger: Ledger, seen: _Seen) -> tuple[PairMoments, ...]:
    if not len(ledger.deferred):
        return ()
    units, variant = ledger.deferred["unit"], ledger.units["entered"]
    unseen, late = (np.bincount(of, minlength=len(variant)) for of in (units[~seen.ever], units))
    decided = ledger.units["slates"] + late
    sides = [(variant == index) & (decided > 0) for index in range(len(ledger.decided))]
    return tuple(PairMoments.of(unseen[side], decided[side]) for side in sides)


def _summed(ledger: Ledger, seen: _Seen, row: Ints, order: Ints, since: Floats) -> Mapping[Term, Events]:
    """An event for each unit."""
    late = ledger.deferred["unit"][seen.ever]
    late_picks = np.bincount(late, weights=seen.picks[seen.ever], minlength=len(row))
    picks: Floats = ledger.units["picks"].astype(np.float64) + late_picks
    slates: Floats = ledger.units["slates"].astype(np.float64) + np.bincount(late, minlength=len(row))
    of, age = np.arange(len(order)), np.zeros(len(order))
    return {
        Term("picks"): Events(of, age, since, picks[order]),
        Term("decisions"): Events(of, age, since, slates[order]),
    }


def _codes(ledger: Ledger, place: int) -> Ints:
    """Labels by the order of their names, which is the same however the log was read."""
    codes = ledger.names[place]
    sorted_as = {text: code for code, text in enumerate(sorted(codes))}
    return np.array([*(sorted_as[text] for text in codes), ABSENT], np.int64)[ledger.labels[:, place]]


def _events(
    row: Ints, since: Floats, who: Ints, at: Floats, value: Floats | None, *, least: float | None = None
) -> Events:
    """Those of units that took part. A reward may come before its exposure is told: no younger than `least`."""
    unit = np.where(who >= 0, row[who], -1) if len(row) else np.full(len(who), -1, np.int64)
    kept = unit >= 0
    values = _ones(len(unit)) if value is None else np.asarray(value, np.float64)
    if not kept.all():
        unit, at, values = unit[kept], at[kept], values[kept]
    age = at - since[unit]
    return Events(unit, age if least is None else np.maximum(age, least), at, values)


def _before(row: Ints, since: Floats, rewards: Rows) -> Events:
    """What units earned before they took part, on whichever decision."""
    known = _events(row, since, rewards["unit"], rewards["at"], rewards["value"])
    earlier = known.age_s < 0
    return Events._make(column[earlier] for column in known)


def _joined(before: Events, after: Events) -> Events:
    if not len(before.unit):
        return after
    return Events._make(np.concatenate(pair) for pair in zip(before, after, strict=True))


def _counted(events: Events) -> Events:
    return events._replace(value=_ones(len(events.value)))


def _ones(count: int) -> Floats:
    return np.broadcast_to(np.float64(1.0), count)
