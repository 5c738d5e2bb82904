"""What a log holds that can be ranked: who liked what for the first time, and where the log says so."""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple, Self

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.events import Entry, Interacted, Rewarded, SignalsPut, StrategyPut
from bandstand.store import EventLog, entries
from bandstand.strategy import Strategy


class Deed(NamedTuple):
    """Somebody did something with an item, and whether it says that they like it."""

    who: str
    item: str
    liked: bool


class Deeds:
    """Who has dealt with which item, as a log goes on."""

    def __init__(self) -> None:
        self._signals: dict[str, float] = {}
        self._items: dict[str, int] = {}
        self._seen: defaultdict[str, set[int]] = defaultdict(set)

    def of(self, entry: Entry) -> Deed | None:
        """What the entry says that somebody did; a reward of 0 or less is no deed."""
        fact = entry.fact
        if isinstance(fact, SignalsPut):
            self._signals = fact.worths
        if not isinstance(fact, Interacted | Rewarded) or fact.item is None:
            return None
        liked = fact.value > 0 and self._signals.get(fact.name, 1.0) > 0
        if isinstance(fact, Rewarded) and not liked:
            return None
        if fact.user is not None:
            return Deed(f"u:{fact.user}", fact.item, liked)
        return None if fact.session is None else Deed(f"s:{fact.session}", fact.item, liked)

    def first(self, deed: Deed) -> bool:
        """Whether this person had not dealt with the item until now; from now on they have."""
        seen, item = self._seen[deed.who], self._items.setdefault(deed.item, len(self._items))
        new = item not in seen
        seen.add(item)
        return new


class Past(NamedTuple):
    """`likes` are the entries that somebody's first deed with an item stands at, where they liked it; `by` numbers who
    it was, of `people`."""

    head: int
    likes: npt.NDArray[np.int64]
    by: npt.NDArray[np.int64]
    people: int
    strategies: dict[str, Strategy]

    @classmethod
    def read(cls, log: EventLog) -> Self:
        deeds, numbers = Deeds(), dict[str, int]()
        likes, by = array("q"), array("q")
        strategies: dict[str, Strategy] = {}
        head = 0
        for entry in entries(log):
            head = entry.seq
            deed = deeds.of(entry)
            if deed is not None and deeds.first(deed) and deed.liked:
                likes.append(entry.seq)
                by.append(numbers.setdefault(deed.who, len(numbers)))
            elif isinstance(entry.fact, StrategyPut):
                strategies[entry.fact.name] = msgspec.json.decode(entry.fact.definition, type=Strategy)
        return cls(head, np.array(likes, np.int64), np.array(by, np.int64), len(numbers), strategies)


def known(log: EventLog, head: int) -> Iterator[Entry]:
    """The log up to `head`, though somebody writes on meanwhile."""
    return takewhile(lambda entry: entry.seq <= head, entries(log))


def spread(available: int, most: int) -> npt.NDArray[np.int64]:
    """At most `most` of so many places, evenly spread, rising."""
    taken = min(available, most)
    return np.arange(taken, dtype=np.int64) * available // max(taken, 1)
