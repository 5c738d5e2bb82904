"""What the log says of experiments themselves: a handful of entries among millions, kept so that nobody has to look
through all of them."""

from typing import Final

import msgspec

from bandstand.store import EventLog, Snapshot, Snapshots, Written

_NAME: Final = "report experiments"
_KINDS: Final = ("experimentput", "experimentmoved")


class _Kept(msgspec.Struct, frozen=True):
    """`origin` is the time of the log's first entry, which tells one log from another."""

    origin: float
    entries: list[Written]


def recorded(log: EventLog, snapshots: Snapshots | None = None) -> list[Written]:
    """Every definition and every move of an experiment, oldest first, up to the log's end."""
    found, after = _known(log, snapshots)
    while page := log.scan(_KINDS, after=after):
        found += page
        after = page[-1][0]
    return found


def keep(log: EventLog, snapshots: Snapshots) -> int:
    """Remember them; up to where."""
    head, origin = log.head(), log.read(limit=1)
    if head:
        entries = [each for each in recorded(log, snapshots) if each[0] <= head]
        kept = _Kept(origin[0].at, entries)
        snapshots.put(_NAME, Snapshot(head, msgspec.msgpack.encode(kept)), alone=True)
    return head


def _known(log: EventLog, snapshots: Snapshots | None) -> tuple[list[Written], int]:
    snapshot = None if snapshots is None else snapshots.newest(_NAME)
    if snapshot is None or snapshot.seq > log.head():
        return [], 0
    try:
        kept = msgspec.msgpack.decode(snapshot.body, type=_Kept)
    except msgspec.MsgspecError:
        return [], 0
    return (kept.entries, snapshot.seq) if kept.origin == log.read(limit=1)[0].at else ([], 0)
