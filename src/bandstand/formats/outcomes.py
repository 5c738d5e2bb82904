"""What came of each decision, gathered from a whole log: on disk, for it may come long after, and be more than fits
into memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from bandstand.events import Decided, Draft, Entry, Exposed, Rewarded, SurfacePut, decode, encode
from bandstand.strategy import Surface

_TABLE = "CREATE TABLE came (decision TEXT, seq INTEGER, at REAL, body BLOB, PRIMARY KEY (decision, seq)) WITHOUT ROWID"
_CACHE_KB = 16_000


class Earned(NamedTuple):
    """What a decision earned as the learner counts it, by position, and what came for the slate as a whole."""

    picks: dict[int, float]
    whole: float

    def share(self, position: int) -> float:
        """Of one position; a reward for the whole slate is shared evenly."""
        return self.picks[position] + self.whole / len(self.picks)

    @property
    def total(self) -> float:
        return sum(self.picks.values()) + self.whole


class Outcomes:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._surfaces: dict[str, Surface] = {}

    def add(self, entry: Entry) -> None:
        match entry.fact:
            case Rewarded() | Exposed() as fact:
                row = (fact.decision, entry.seq, entry.at, encode(fact))
                self._database.execute("INSERT INTO came VALUES (?, ?, ?, ?)", row)
            case SurfacePut() as fact:
                self._surfaces[fact.name] = msgspec.json.decode(fact.definition, type=Surface)
            case _:
                pass

    def of(self, decision: str) -> list[Draft]:
        """Rewards and exposures of this decision, in the log's order."""
        rows = self._database.execute("SELECT body, at FROM came WHERE decision = ? ORDER BY seq", (decision,))
        return [Draft(decode(body), at) for body, at in rows]

    def earned(self, decided: Decided, came: list[Draft]) -> Earned:
        """By the surface's latest definition: a pick for which nothing came earns the default, unless something came
        for the whole slate."""
        surface = self._surfaces.get(decided.request.surface, Surface())
        rewards = [one.fact for one in came if isinstance(one.fact, Rewarded)]
        whole = [surface.worth(one.name, one.value) for one in rewards if one.position is None]
        picks: dict[int, float] = {}
        for one in rewards:
            if one.position is not None:
                picks[one.position] = picks.get(one.position, 0.0) + surface.worth(one.name, one.value)
        default = 0.0 if whole else surface.default_reward
        return Earned({pick.position: picks.get(pick.position, default) for pick in decided.picks}, sum(whole))


@contextmanager
def outcomes() -> Iterator[Outcomes]:
    """In a temporary file, which is gone afterwards."""
    database = sqlite3.connect("", isolation_level=None)
    try:
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}"):
            database.execute(f"PRAGMA {setting}")
        database.execute(_TABLE)
        database.execute("BEGIN")
        yield Outcomes(database)
    finally:
        database.close()
