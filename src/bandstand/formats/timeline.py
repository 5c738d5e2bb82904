"""Another system's behaviour in the order of its time, after what it says of items and users: all that is new here."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import chain, islice
from operator import attrgetter
from tempfile import TemporaryFile
from typing import IO

import msgspec

from bandstand.chance import bits
from bandstand.events import (
    AnyFact,
    Decided,
    Draft,
    Exposed,
    Interacted,
    ItemPut,
    ItemRemoved,
    Rewarded,
    UserPut,
    encode,
)
from bandstand.formats import Read, Target
from bandstand.store import EventLog, entries

# Sorted in memory; of more, each so many wait in a temporary file: 100,000 take about 60 MB.
RUN = 100_000


class Happened(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a line says that somebody did."""

    line: int
    fact: Interacted


class Described(msgspec.Struct, frozen=True, gc=False):
    """What a line says of an item or a user."""

    line: int
    fact: ItemPut | UserPut


def timeline(
    target: Target, described: Iterable[Described], happened: Iterable[Happened], *, run: int = RUN
) -> Iterator[Read]:
    """Descriptions that the log does not hold as they are, then behaviour by its time; an item that was never described
    is put, without features, before the first thing that happens to it, so that it can be shown.

    Log time is the time of what happened, or that of the newest behaviour in the log where that is later; what has no
    time happens now. Descriptions stand at the time of the first thing that happened.
    """
    held = _Held(target.log)
    with ExitStack() as files:
        ordered = _by_time(happened, files, run)
        first = list(islice(ordered, 1))
        begins = max(held.clock, _time(first[0], target.now) if first else target.now)
        for one in described:
            if held.new(one.fact):
                yield Read(one.line, Draft(one.fact, begins))
        for did in chain(first, ordered):
            at = max(held.clock, _time(did, target.now))
            if did.fact.item not in held.items:
                bare = ItemPut(did.fact.item)
                held.new(bare)
                yield Read(did.line, Draft(bare, at))
            yield Read(did.line, Draft(did.fact, at))


def key(fact: Interacted, *, line: int) -> str:
    """The same for the same thing done at the same time, so that a second import adds nothing; where no time is known,
    each line of a file stands for itself."""
    when = f"line {line}" if fact.time is None else repr(fact.time)
    return f"import/{bits(fact.user or '', fact.session or '', fact.item, fact.name, when, repr(fact.value)):016x}"


class _Held:
    """What the log holds already: the newest time of any behaviour, and a mark of each description."""

    def __init__(self, log: EventLog) -> None:
        self.clock = float("-inf")
        self.items: dict[str, int | None] = {}
        self._users: dict[str, int] = {}
        for entry in entries(log):
            match entry.fact:
                case ItemPut() as fact:
                    self.items[fact.item] = _mark(fact)
                case ItemRemoved() as fact:
                    self.items[fact.item] = None
                case UserPut() as fact:
                    self._users[fact.user] = _mark(fact)
                case Decided() | Exposed() | Rewarded() | Interacted():
                    self.clock = max(self.clock, entry.at)
                case _:
                    pass

    def new(self, fact: ItemPut | UserPut) -> bool:
        """Whether the log does not say this of it; from now on it does."""
        mark = _mark(fact)
        if isinstance(fact, ItemPut):
            known, self.items[fact.item] = self.items.get(fact.item), mark
        else:
            known, self._users[fact.user] = self._users.get(fact.user), mark
        return known != mark


def _mark(fact: AnyFact) -> int:
    return bits(encode(fact).decode())


def _time(happened: Happened, now: float) -> float:
    return now if happened.fact.time is None else happened.fact.time


class _Placed(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """`Happened`, as it is sorted: by time, and then in the order of the file."""

    time: float
    place: int
    happened: bytes


def _by_time(happened: Iterable[Happened], files: ExitStack, run: int) -> Iterator[Happened]:
    """All of it, rising; no more than a run of it is held."""
    encoder = msgspec.msgpack.Encoder()
    decoder = msgspec.msgpack.Decoder(Happened)
    placed = (_Placed(one.fact.time or 0.0, place, encoder.encode(one)) for place, one in enumerate(happened))
    runs: list[Iterable[_Placed]] = []
    while some := sorted(islice(placed, run), key=attrgetter("time")):
        runs.append(some)
        if len(runs) > 1:
            runs = [_written(one, files) if isinstance(one, list) else one for one in runs]
    for one in merge(*runs):
        yield decoder.decode(one.happened)


def _written(run: list[_Placed], files: ExitStack) -> Iterator[_Placed]:
    """The run from a file of its own, in which it waits."""
    file = files.enter_context(TemporaryFile())  # noqa: SIM115 - the stack closes it
    encoder = msgspec.msgpack.Encoder()
    for one in run:
        body = encoder.encode(one)
        file.write(len(body).to_bytes(4, "little") + body)
    file.seek(0)
    return _read(file)


def _read(file: IO[bytes]) -> Iterator[_Placed]:
    decoder = msgspec.msgpack.Decoder(_Placed)
    while size := file.read(4):
        yield decoder.decode(file.read(int.from_bytes(size, "little")))
