"""Logs to measure on, made once a run: a shop whose users looked at things, were shown slates, and clicked."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.events import AnyFact, Decided, Draft, Rewarded
from bandstand.follow import newest_model
from bandstand.model import Model
from bandstand.packing import pack
from bandstand.store import Snapshot
from bandstand.store.sql import open_log, open_snapshots, snapshots_url
from benchmarks.data import CANDIDATES, Shop, items, requests, touches

_PAGE = 500
_T = TypeVar("_T")
Told = Callable[[str], None]


def _silent(_: str) -> None:
    """Tell nobody."""


class Made(NamedTuple):
    """A log on disk in a folder of its own."""

    folder: Path
    shop: Shop

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/bandstand.db"

    def model(self, *, learning: bool) -> Model:
        """The model of its snapshot; a fresh one where it has none."""
        log, snapshots = open_log(self.url, readonly=True), open_snapshots(snapshots_url(self.url))
        model = newest_model(snapshots, log, learning=learning)
        log.close()
        snapshots.close()
        return model


def make(
    folder: Path, shop: Shop, *, decisions: int, candidates: int | None = CANDIDATES, told: Told = _silent
) -> Made:
    """A log of the day before, with snapshots: items, page views, and decisions from weights that learned meanwhile."""
    folder.mkdir(parents=True)
    made = Made(folder, shop)
    engine = Engine(Model(), open_log(made.url))
    live(engine, shop, decisions=decisions, candidates=candidates, told=told)
    write_down(made, engine.model)
    engine.log.close()
    return made


def live(
    engine: Engine, shop: Shop, *, decisions: int, candidates: int | None = CANDIDATES, told: Told = _silent
) -> float:
    """What `make` writes down, through this engine; the time at which it ends."""
    clock = stocked(engine, shop, told=told)
    for number, page in enumerate(pages(requests(shop, decisions, time=clock, candidates=candidates), _PAGE)):
        told(f"making a log: {number * _PAGE:,} of {decisions:,} decisions")
        decided = [engine.decide(one, decision=f"{number}-{at}") for at, one in enumerate(page)]
        clock += 60.0
        engine.commit(decided, at=clock)
        engine.commit(clicks(decided), at=clock + 1.0)
        clock += 601.0  # the default window, so that the next entries close these
        engine.commit(list(touches(shop, 10, seed=100 + number)), at=clock)
        engine.model.publish()
    return clock


def stocked(engine: Engine, shop: Shop, *, told: Told = _silent) -> float:
    """Items and page views alone."""
    clock = time.time() - 86400.0
    engine.commit(definitions(engine.model.state), at=clock)
    for number, page in enumerate(pages(items(shop), _PAGE)):
        told(f"making a log: {number * _PAGE:,} of {shop.items:,} items")
        engine.commit(page, at=clock)
    for number, page in enumerate(pages(touches(shop, shop.touches), _PAGE)):
        clock += 10.0
        told(f"making a log: {number * _PAGE:,} of {shop.touches:,} page views")
        engine.commit(page, at=clock)
    return clock


def long(folder: Path, shop: Shop, entries: int, *, told: Told = _silent) -> Made:
    """A log of so many entries, without snapshots: of ten after the items, one is a decision with ten picks, two are
    rewards, seven are page views.

    The decisions are copies of some that an engine made, so that a million take a minute.
    """
    folder.mkdir(parents=True)
    made = Made(folder, shop)
    engine = Engine(Model(learning=False), open_log(made.url))
    clock = stocked(engine, shop)
    sample = [
        engine.decide(one, decision=f"sample {at}")
        for at, one in enumerate(requests(shop, 1_000, time=clock, candidates=None))
    ]
    log, number = engine.log, 0
    for number, page in enumerate(pages(range(log.head(), entries), _PAGE)):
        told(f"making a log: {page[0]:,} of {entries:,} entries")
        clock += 5.0
        decided = [
            msgspec.structs.replace(
                sample[(number * _PAGE + at) % len(sample)], decision=f"d{number}-{at}", as_of=page[0] - 1
            )
            for at in range(len(page) // 10)
        ]
        rewards = [
            Rewarded(
                fact.decision,
                "click",
                1.0,
                "home",
                position,
                fact.picks[position].item,
                fact.request.user,
                key=f"{position}",
            )
            for fact in decided
            for position in (0, 3)
        ]
        views = list(touches(shop, len(page) - 3 * len(decided), seed=1_000 + number))
        log.append([Draft(fact, clock) for fact in (*decided, *rewards, *views)])
    log.close()
    return made


def write_down(made: Made, model: Model) -> None:
    """The snapshots that a learner would have left behind."""
    snapshots = open_snapshots(snapshots_url(made.url))
    published = model.publish()
    snapshots.put("weights", Snapshot(published.seq, pack(published)))
    snapshots.put("model", Snapshot(model.state.seq, model.dump()))
    snapshots.close()


def clicks(decided: Iterable[Decided]) -> list[AnyFact]:
    """A click on the first pick of each slate that every seventh item is liked for."""
    facts: list[AnyFact] = []
    for fact in decided:
        liked = [pick for pick in fact.picks if int(pick.item[1:]) % 7 == 0][:1]
        facts += [
            Rewarded(fact.decision, "click", 1.0, "home", pick.position, pick.item, fact.request.user, key="1")
            for pick in liked
        ]
    return facts


def pages(things: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(things)
    while page := list(islice(iterator, size)):
        yield page
