"""Between files and a log: facts go in by the batch, entries come out by the page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from bandstand.errors import ConflictError, InputError, UnknownError
from bandstand.events import Draft, Entry
from bandstand.formats import Format, Progress, Read, Refused, Target
from bandstand.formats.registry import FORMATS
from bandstand.store import EventLog, entries

_BATCH = 1000


class Imported(msgspec.Struct):
    """What came of an import: facts read, stored now, in the log before; and the lines that were left out."""

    read: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: Refused = msgspec.field(default_factory=Refused)


def import_(
    log: EventLog,
    format_: str,
    paths: Iterable[Path],
    *,
    now: float,
    teaches: str = "default",
    columns: Mapping[str, str] | None = None,
    likes_from: float | None = None,
    batch: int = _BATCH,
    progress: Progress | None = None,
) -> Imported:
    """Append what the files say, file by file. Bad lines are left out and reported.

    `now` is the time of facts that have none of their own; `teaches` names the strategy whose weights learn from
    imported decisions; `columns` says which column of a table holds what, by role, and `likes_from` from which value on
    a rating says that somebody liked the thing. The entries of a log are stored once, so such an import can go on where
    it stopped.

    UnknownError for the format, InputError for a path or an option, ConflictError where the log holds what does not fit
    the file.
    """
    reader = _known(format_).read
    _check_taken(format_, columns=columns, likes_from=likes_from)
    imported = Imported()
    for path in paths:
        facts = reader(path, Target(log, now, teaches, columns or {}, likes_from), imported.refused)
        while some := list(islice(facts, batch)):
            _store(log, path, some, imported)
            if progress is not None:
                progress(imported.read, None)
    return imported


def export(log: EventLog, format_: str, path: Path, *, progress: Progress | None = None) -> int:
    """Write the whole log to a file; how many entries."""
    writer = _known(format_).write
    if writer is None:
        able = ", ".join(name for name, one in FORMATS.items() if one.write is not None)
        raise InputError(f"format '{format_}': can only be read; for export there is: {able}", field="format")
    return writer(_entries(log, progress), path)


def _known(name: str) -> Format:
    if name not in FORMATS:
        raise UnknownError(f"format '{name}' is not known; known: {', '.join(FORMATS)}", field="format")
    return FORMATS[name]


def _check_taken(format_: str, **options: object) -> None:
    """InputError for an option that the format does not heed."""
    for name, value in options.items():
        if value and name not in FORMATS[format_].takes:
            able = ", ".join(one.name for one in FORMATS.values() if name in one.takes)
            raise InputError(f"{name}: format '{format_}' takes none; these do: {able}", field=name)


def _store(log: EventLog, path: Path, some: Sequence[Read], imported: Imported) -> None:
    entries = [one.what for one in some if isinstance(one.what, Entry)]
    drafts = [one.what for one in some if isinstance(one.what, Draft)]
    fresh = _beyond(log, path, entries) if entries else []
    duplicates = len(entries) - len(fresh)
    if fresh:
        _restore(log, path, fresh)
    if drafts:
        duplicates += sum(appended.duplicate for appended in log.append(drafts))
    imported.read += len(some)
    imported.stored += len(some) - duplicates
    imported.duplicates += duplicates


def _beyond(log: EventLog, path: Path, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries that the log does not have yet; ConflictError where it holds others in their places."""
    first = entries[0].seq
    held = log.read(after=first - 1, limit=len(entries))
    for ours, theirs in zip(held, entries, strict=False):
        if ours != theirs:
            raise ConflictError(
                f"file '{path}': entry {theirs.seq} is not what the log holds there; import into a database of its own"
            )
    return entries[len(held) :]


def _restore(log: EventLog, path: Path, entries: Sequence[Entry]) -> None:
    appended = log.append([Draft(entry.fact, entry.at) for entry in entries])
    for new, entry in zip(appended, entries, strict=True):
        if new.duplicate or new.entry.seq != entry.seq:
            raise ConflictError(
                f"file '{path}': entry {entry.seq} came to stand at {new.entry.seq}, for somebody else writes to the "
                "log; import into a database of its own"
            )


def _entries(log: EventLog, progress: Progress | None) -> Iterator[Entry]:
    head = log.head()
    for entry in entries(log):
        yield entry
        if progress is not None and (entry.seq % _BATCH == 0 or entry.seq >= head):
            progress(entry.seq, max(head, entry.seq))
