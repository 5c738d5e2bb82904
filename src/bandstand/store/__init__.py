"""Where entries and snapshots are kept: two small ports, and the adapters behind them."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from bandstand.events import AnyFact, Draft, Entry


class Appended(NamedTuple):
    """The entry that the log now holds for a draft; `duplicate` where its key was taken, and then it is the old one."""

    entry: Entry
    duplicate: bool


Written = tuple[int, float, str, str]
"""An entry whose fact is as it was written down: `seq`, `at`, its kind and its text. Millions of them are read at a
time, and a plain tuple is what a database's driver makes."""


class EventLog(Protocol):
    """Facts in order. `seq` starts at 1 and has no gaps.

    - `append` is all or nothing and returns only when every entry is durable, with the facts as they will be read. A
      draft whose key (`events.key`) is already in the log, or earlier in the same call, is not stored again: the stored
      entry comes back, marked `duplicate`. It raises InputError for what could not be read back, BusyError for what may
      succeed later, StoreError for the rest.
    - A reader that pages with `after` sees every entry once, in order, and never one that could still vanish; while
      others append it may see fewer, never with a gap.
    """

    def append(self, drafts: Sequence[Draft]) -> list[Appended]: ...

    def read(self, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Up to `limit` entries with `seq > after`, oldest first."""
        ...

    def scan(self, kinds: Sequence[str], *, after: int = 0, limit: int = 300) -> list[Written]:
        """Up to `limit` entries of these kinds (`events.kind`) with `seq > after`, oldest first, not decoded: for who
        reads millions of them and needs little of each."""
        ...

    def find(self, key: str) -> Entry | None:
        """The entry stored under this idempotency key."""
        ...

    def under(self, keys: Sequence[str]) -> list[Written]:
        """The entries stored under these idempotency keys, those that there are, oldest first and not decoded."""
        ...

    def about(self, subject: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Up to `limit` entries about this user with `seq > after`, oldest first."""
        ...

    def rewrite(self, subject: str, new: Callable[[AnyFact], AnyFact]) -> int:
        """Replace each fact about this user by `new(fact)`, all or none, and leave no copy of the old ones; `seq`, `at`
        and key stay. How many they were."""
        ...

    def head(self) -> int:
        """The newest `seq`; 0 where the log is empty."""
        ...

    def close(self) -> None: ...


class Snapshot(NamedTuple):
    seq: int
    body: bytes


class Snapshots(Protocol):
    """What was computed from the log up to a position: a cache, never the truth.

    `newest` returns only a body whose checksum holds; a damaged one is passed over for the one before it.
    """

    def put(self, kind: str, snapshot: Snapshot, *, alone: bool = False) -> None:
        """Store whole or not at all; the newest few of a kind are kept, or none beside this one where it is to stand
        `alone`, and then no copy of them is left."""
        ...

    def newest(self, kind: str, *, after: int = -1) -> Snapshot | None:
        """The snapshot of this kind with the highest `seq > after`."""
        ...

    def close(self) -> None: ...


def entries(log: EventLog, *, after: int = 0) -> Iterator[Entry]:
    """Everything in the log with `seq > after`, read page by page up to its head."""
    while page := log.read(after=after):
        yield from page
        after = page[-1].seq
