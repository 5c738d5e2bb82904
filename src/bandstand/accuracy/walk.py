"""Through the log in its order: everything that somebody liked for the first time is ranked just before it is known."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bandstand.accuracy.lists import NOT_SHOWABLE, Found, Lists, Protocol, catalogued
from bandstand.accuracy.past import Deeds, Past, known, spread
from bandstand.accuracy.systems import Asking, System, fit, fresh, made
from bandstand.events import Entry, Interacted, Rewarded
from bandstand.store import EventLog

Progress = Callable[[int, int | None], None]
"""Told how much is done, and of how much: an entry that is read is a step, a list of all systems so many."""

STEPS_A_LIST = 20
TOLD = 500


def through_time(
    log: EventLog,
    past: Past,
    systems: Sequence[System],
    protocol: Protocol,
    *,
    choosing: bool,
    progress: Progress | None,
) -> Found:
    """Judge what comes after the first part of the likes; where settings are to be chosen, by the first half of it, and
    report the second."""
    first = int(len(past.likes) * protocol.train)
    later = past.likes[first:]
    taken = later[spread(len(later), protocol.most_events)]
    lists = Lists(systems, room=len(taken), k=protocol.k)
    lists.report_from = int(choosing)
    halves = dict(zip(taken.tolist(), (2 * np.arange(len(taken)) // max(len(taken), 1)).tolist(), strict=True))
    begins = int(later[0]) if len(later) else past.head + 1
    _go(log, past, lists, halves, begins, progress)
    question = (
        f"What people liked next, ranked among all that they had not dealt with, from all that was known just before: "
        f"the last {len(later):,} of {len(past.likes):,} likes"
    )
    return Found(lists, question, lists.left_out, sampled(len(taken), len(later), "likes"))


def _go(
    log: EventLog, past: Past, lists: Lists, halves: dict[int, int], begins: int, progress: Progress | None
) -> None:
    state, deeds = fresh(), Deeds()
    seen: defaultdict[str, list[int]] = defaultdict(list)
    people: dict[str, int] = {}
    touches: Counter[int] = Counter()
    begun = counts(touches)
    asked, steps = 0, past.head + STEPS_A_LIST * len(halves)
    for entry in known(log, past.head):
        if entry.seq == begins:
            begun = counts(touches)
        deed = deeds.of(entry)
        if deed is not None and entry.seq in halves:
            asked += 1
            fit(state, lists.systems)
            row = state.catalogue.rows.get(deed.item)
            if row is None:
                lists.left_out[NOT_SHOWABLE] += 1
            else:
                asking = asking_at(entry, deed.who, seen[deed.who])
                who = people.setdefault(deed.who, len(people))
                lists.add(*made(state, lists.systems, asking), np.array([row]), who=who, part=halves[entry.seq])
        state.apply(entry)
        if deed is not None and (row := state.catalogue.rows.get(deed.item)) is not None:
            if deeds.first(deed):
                seen[deed.who].append(row)
            touches[row] += deed.liked
        if progress is not None and entry.seq % TOLD == 0:
            progress(entry.seq + STEPS_A_LIST * asked, steps)
    if progress is not None:
        progress(steps, steps)
    lists.known = catalogued(state, begun)


def asking_at(entry: Entry, who: str, seen: Sequence[int]) -> Asking:
    """The question that this entry answers."""
    assert isinstance(entry.fact, Interacted | Rewarded)
    return Asking(f"ranking/{entry.seq}", who, entry.at, np.array(seen, np.int64), entry.fact.segments)


def counts(touches: Counter[int]) -> npt.NDArray[np.int64]:
    """The counts by row."""
    by_row = np.zeros(max(touches, default=-1) + 1, np.int64)
    by_row[list(touches)] = list(touches.values())
    return by_row


def sampled(taken: int, available: int, what: str) -> tuple[str, ...]:
    """What to say of a sample; nothing where it is all."""
    if taken == available:
        return ()
    return (f"{taken:,} of {available:,} {what} were judged, evenly spread; --most-events takes more",)
