"""Each person's likes in parts by chance: each part is ranked from all the others."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandstand.accuracy.lists import Found, Lists, Protocol, catalogued
from bandstand.accuracy.past import Deeds, Past, known, spread
from bandstand.accuracy.systems import Asking, System, fit, fresh, made
from bandstand.accuracy.walk import STEPS_A_LIST, TOLD, sampled
from bandstand.chance import bits
from bandstand.events import ItemPut
from bandstand.history import History
from bandstand.state import State
from bandstand.store import EventLog

Progress = Callable[[int, int | None], None]


class Deal(NamedTuple):
    """The fold of each thing that somebody liked, by person, in the order in which they first liked anything; and all
    items that the log names, so that each has the same row in every fold."""

    folds: dict[str, dict[str, int]]
    items: dict[str, int]


class Left(NamedTuple):
    """What a person did outside the fold: the rows they liked, the last one last, and all that they dealt with."""

    liked: dict[int, None]
    seen: dict[int, None]


def across_folds(
    log: EventLog,
    past: Past,
    systems: Sequence[System],
    protocol: Protocol,
    *,
    folds: int,
    progress: Progress | None,
) -> Found:
    """Judge each fold by the lists that the log without it would have made in the end.

    Times say nothing here, so a person's history is all that is left of it, in the order of time and none of it faded:
    the protocol of gorse's benchmark, and of most papers.
    """
    deal = dealt(log, folds, head=past.head)
    everybody = list(deal.folds)
    asked = [everybody[at] for at in spread(len(everybody), max(protocol.most_events // folds, 1)).tolist()]
    lists = Lists(systems, room=folds * len(asked), k=protocol.k)
    steps = past.head + STEPS_A_LIST * len(asked)
    for fold in range(folds):
        told = _shifted(progress, fold * steps, folds * steps)
        state = _judge(log, past, lists, deal, asked, fold, told)
    lists.known = catalogued(state, _touches(deal))
    question = (
        f"What people liked, dealt into {folds} parts by chance: each part ranked among all that is not in the others, "
        "from what is in the others"
    )
    return Found(lists, question, lists.left_out, sampled(len(asked), len(everybody), "people"))


def dealt(log: EventLog, folds: int, *, head: int) -> Deal:
    """Each person's likes in an order by chance, one to each fold in turn."""
    deeds, items = Deeds(), dict[str, int]()
    liked: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for entry in known(log, head):
        deed = deeds.of(entry)
        if isinstance(entry.fact, ItemPut):
            items.setdefault(entry.fact.item, len(items))
        elif deed is not None:
            items.setdefault(deed.item, len(items))
            if deed.liked:
                liked[deed.who].setdefault(deed.item, 0)
    for who, own in liked.items():
        start = bits("fold", who)
        for at, item in enumerate(sorted(own, key=partial(bits, "fold", who))):
            own[item] = (start + at) % folds
    return Deal(liked, items)


def _judge(
    log: EventLog, past: Past, lists: Lists, deal: Deal, asked: Sequence[str], fold: int, told: Progress
) -> State:
    """The state without the fold, after the lists from it are made and judged."""
    state, deeds = fresh(), Deeds()
    for item in deal.items:
        state.catalogue.row(item)
    left: defaultdict[str, Left] = defaultdict(lambda: Left({}, {}))
    for entry in known(log, past.head):
        deed = deeds.of(entry)
        if deed is None:
            state.apply(entry)
        elif deal.folds.get(deed.who, {}).get(deed.item) != fold:
            state.apply(entry)
            _keep(left[deed.who], deal.items[deed.item], liked=deed.liked)
        if entry.seq % TOLD == 0:
            told(entry.seq, None)
    fit(state, lists.systems)
    for number, who in enumerate(asked):
        wanted = [deal.items[item] for item, its in deal.folds[who].items() if its == fold]
        if wanted:
            asking = _asking(state, who, left[who], fold)
            lists.add(*made(state, lists.systems, asking), np.array(wanted), who=number, part=fold)
        told(past.head + STEPS_A_LIST * (number + 1), None)
    return state


def _keep(left: Left, row: int, *, liked: bool) -> None:
    left.seen[row] = None
    if liked:
        left.liked.pop(row, None)
        left.liked[row] = None


def _asking(state: State, who: str, left: Left, fold: int) -> Asking:
    rows = np.array(list(left.liked)[::-1], np.int64)
    seen = np.array(list(left.seen), np.int64)
    return Asking(f"ranking/{fold}/{who}", who, state.clock, seen, history=History(rows, np.ones(len(rows))))


def _touches(deal: Deal) -> npt.NDArray[np.int64]:
    """By how many people each row is liked."""
    rows = [deal.items[item] for own in deal.folds.values() for item in own]
    return np.bincount(rows, minlength=len(deal.items))


def _shifted(progress: Progress | None, start: int, total: int) -> Progress:
    def told(done: int, _: int | None) -> None:
        if progress is not None:
            progress(start + done, total)

    return told
