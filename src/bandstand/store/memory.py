"""The log and the snapshots in this process's memory: for tests, simulations and trials; gone when it ends."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Lock

from bandstand.events import AnyFact, Draft, Entry, encode, kind
from bandstand.store import Appended, Snapshot, Written
from bandstand.store.line import line, placed

KEPT = 3
"""How many snapshots of a kind stay: the newest, and two to fall back to."""


class MemoryLog:
    """An `EventLog` in a list, where an entry's index is its `seq` less one."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._seq_of: dict[str, int] = {}
        self._seqs_about: defaultdict[str, list[int]] = defaultdict(list)
        self._turn = Lock()

    def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        lines = [line(draft) for draft in drafts]
        with self._turn:
            held = {each.key: entry for each in lines if each.key is not None and (entry := self.find(each.key))}
            answers = placed(lines, head=self.head(), held=held)
            for each, (entry, duplicate) in zip(lines, answers, strict=True):
                if not duplicate:
                    self._keep(entry, key=each.key, subject=each.subject)
        return answers

    def read(self, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        return self._entries[after : after + limit]

    def scan(self, kinds: Sequence[str], *, after: int = 0, limit: int = 300) -> list[Written]:
        rest = islice(self._entries, after, None)
        wanted = ((entry, kind(entry.fact)) for entry in rest)
        return list(islice((_written(each) for each, name in wanted if name in kinds), limit))

    def find(self, key: str) -> Entry | None:
        seq = self._seq_of.get(key)
        return None if seq is None else self._entries[seq - 1]

    def under(self, keys: Sequence[str]) -> list[Written]:
        seqs = {self._seq_of[key] for key in keys if key in self._seq_of}
        return [_written(self._entries[seq - 1]) for seq in sorted(seqs)]

    def about(self, subject: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        seqs = self._seqs_about.get(subject, [])
        first = bisect_right(seqs, after)
        return [self._entries[seq - 1] for seq in seqs[first : first + limit]]

    def rewrite(self, subject: str, new: Callable[[AnyFact], AnyFact]) -> int:
        """Replace each fact about `subject` by `new(fact)`, all or none; `seq`, `at` and key stay. Answers how many."""
        with self._turn:
            old = [self._entries[seq - 1] for seq in self._seqs_about.get(subject, [])]
            lines = [line(Draft(new(entry.fact), entry.at)) for entry in old]
            self._seqs_about.pop(subject, None)
            for entry, each in zip(old, lines, strict=True):
                self._entries[entry.seq - 1] = entry._replace(fact=each.fact)
                if each.subject is not None:
                    insort(self._seqs_about[each.subject], entry.seq)
        return len(old)

    def head(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Nothing to give back."""

    def _keep(self, entry: Entry, *, key: str | None, subject: str | None) -> None:
        self._entries.append(entry)
        if key is not None:
            self._seq_of[key] = entry.seq
        if subject is not None:
            self._seqs_about[subject].append(entry.seq)


class MemorySnapshots:
    """`Snapshots` in a dictionary."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[Snapshot]] = {}

    def put(self, kind: str, snapshot: Snapshot, *, alone: bool = False) -> None:
        others = [kept for kept in self._kinds.get(kind, []) if kept.seq != snapshot.seq and not alone]
        self._kinds[kind] = sorted([*others, snapshot], reverse=True)[:KEPT]

    def newest(self, kind: str, *, after: int = -1) -> Snapshot | None:
        kept = self._kinds.get(kind, [])
        return kept[0] if kept and kept[0].seq > after else None

    def close(self) -> None:
        """Nothing to give back."""


def _written(entry: Entry) -> Written:
    return entry.seq, entry.at, kind(entry.fact), encode(entry.fact).decode()
