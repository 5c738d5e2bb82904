"""Logs to measure on, made once a run: a shop whose users looked at things, were shown slates, and clicked."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.events import AnyFact, Decided, Rewarded
from bandstand.follow import Follower
from bandstand.model import Model
from bandstand.store.sql import open_log, open_snapshots, snapshots_url

from benchmarks.data import CANDIDATES, Shop, items, requests, touches

_PAGE = 500
_CLICKS = 0.3  # of the slates
_T = TypeVar("_T")


class Made(NamedTuple):
    """A log on disk in a folder of its own."""

    folder: Path
    shop: Shop

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/bandstand.db"


def make(
    folder: Path,
    shop: Shop,
    *,
    decisions: int = 2_000,
    candidates: int | None = CANDIDATES,
    snapshot: bool = True,
    told: Callable[[str], None] = lambda _: None,
) -> Made:
    """A log of the day before: the shop's items, page views, and decisions from weights that learned meanwhile."""
    folder.mkdir(parents=True)
    made = Made(folder, shop)
    log = open_log(made.url)
    engine = Engine(Model(), log)
    clock = time.time() - 86400.0
    engine.commit(definitions(engine.model.state), at=clock)
    for page in pages(items(shop), _PAGE):
        told(f"{shop.items:,} items")
        engine.commit(page, at=clock)
    for page in pages(touches(shop, shop.touches), _PAGE):
        clock += 10.0
        told(f"{shop.touches:,} page views")
        engine.commit(page, at=clock)
    for number, page in enumerate(pages(requests(shop, decisions, time=clock, candidates=candidates), _PAGE)):
        told(f"{decisions:,} decisions")
        decided = [engine.decide(one, decision=f"{number}-{at}") for at, one in enumerate(page)]
        clock += 60.0
        engine.commit(decided, at=clock)
        engine.commit(clicks(decided), at=clock + 1.0)
        clock += 601.0  # the default window, so that the next page's entries close these
        engine.commit(list(touches(shop, 10, seed=100 + number)), at=clock)
        engine.model.publish()
    if snapshot:
        snapshots = open_snapshots(snapshots_url(made.url))
        follower = Follower(engine.model, log, snapshots)
        follower.publish()
        follower.save()
        snapshots.close()
    log.close()
    return made


def clicks(decided: Iterable[Decided]) -> list[AnyFact]:
    """A click on one pick of some slates: always the same one of a slate, and more on some items than on others."""
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
