"""Files of other systems as facts: what a format must offer, and how lines that it cannot accept are reported."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from bandstand.events import Draft, Entry
from bandstand.store import EventLog

BATCH = 1000
"""So many facts go into a log at once."""

Progress = Callable[[int, int | None], None]
"""Told how much is done, and of how much where that is known."""


class Refusal(msgspec.Struct, frozen=True):
    """A line that was left out, and why. Lines count from 1."""

    file: str
    line: int
    reason: str


class Refused(msgspec.Struct):
    """How many lines were left out, and what was wrong with the first of them."""

    count: int = 0
    first: list[Refusal] = []
    keep: int = 100

    def add(self, file: Path, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < self.keep:
            self.first.append(Refusal(str(file), line, reason))


class Target(NamedTuple):
    """What a reader may ask about where its facts will go: the log, what time it is there, and the strategy whose
    weights imported decisions teach; and what the caller said of the file: which column holds what, by role, and the
    lowest value that counts as liking."""

    log: EventLog
    now: float
    teaches: str = "default"
    columns: Mapping[str, str] = MappingProxyType({})
    likes_from: float | None = None


class Read(NamedTuple):
    """What a line says: a new fact, or an entry whose place in the log is fixed."""

    line: int
    what: Draft | Entry


class Format(NamedTuple):
    """A kind of file.

    `read` yields what the lines of a file say, in order and without holding more than a line of it, and adds those that
    it leaves out to `Refused`. `write` puts entries into a file and answers how many; `write_log` does so for a format
    that joins decisions with what came of them later; neither is there where only reading is known. `takes` names the
    options of `Target` that it heeds.
    """

    name: str
    about: str
    read: Callable[[Path, Target, Refused], Iterator[Read]]
    write: Callable[[Iterable[Entry], Path], int] | None = None
    takes: frozenset[str] = frozenset()
    write_log: Callable[[EventLog, Path, Progress | None], int] | None = None

    @property
    def writes(self) -> bool:
        return self.write is not None or self.write_log is not None
