"""Between files and a log: facts go in by the batch, entries come out by the page."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from bandstand.errors import ConflictError, InputError, UnknownError
from bandstand.events import AnyFact, Decided, Draft, Entry, Exposed, Rewarded
from bandstand.formats import BATCH, Format, Progress, Read, Refused, Target
from bandstand.formats.registry import FORMATS
from bandstand.store import EventLog, entries

_SEEN_BITS = 2**26


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
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Imported:
    """Append what the files say, file by file. Bad lines are left out and reported.

    `now` is the time of facts that have none of their own; `teaches` names the strategy whose weights learn from
    imported decisions; `columns` says which column of a table holds what, by role, and `likes_from` from which value on
    a rating says that somebody liked the thing. The entries of a log are stored once, so such an import can go on where
    it stopped. A file that holds nothing, or that cannot be read after others were, is reported as a line of it.

    UnknownError for the format, InputError for an option, or a path where nothing was read before, ConflictError where
    the log holds what does not fit the file.
    """
    reader = _known(format_).read
    _check_taken(format_, columns=columns, likes_from=likes_from)
    imported, decided = Imported(), _Decided(log)
    for path in paths:
        before = imported.read + imported.refused.count
        facts = reader(path, Target(log, now, teaches, columns or {}, likes_from), imported.refused)
        try:
            while some := list(islice(facts, batch)):
                _store(log, path, some, imported, decided)
                if progress is not None:
                    progress(imported.read, None)
        except InputError as error:
            if not imported.read:
                raise
            imported.refused.add(path, 1, f"{error}; nothing more of this file was read")
        if imported.read + imported.refused.count == before:
            imported.refused.add(path, 1, f"nothing is in it, must hold {FORMATS[format_].about}; check the file")
    return imported


def stored(log: EventLog, name: Path, read: Callable[[Refused], Iterator[Read]]) -> Imported:
    """Append what somebody reads who has no file; `name` stands for it in what is reported."""
    imported, decided = Imported(), _Decided(log)
    facts = read(imported.refused)
    while some := list(islice(facts, BATCH)):
        _store(log, name, some, imported, decided)
    return imported


def export(log: EventLog, name: str, path: Path, *, progress: Progress | None = None) -> int:
    """Write the whole log to a file; how many entries, or how many of what the format holds."""
    format_ = _known(name)
    if format_.write_log is not None:
        return format_.write_log(log, path, progress)
    if format_.write is None:
        able = ", ".join(one.name for one in FORMATS.values() if one.writes)
        raise InputError(f"format '{name}': can only be read; for export there is: {able}", field="format")
    return format_.write(_entries(log, progress), path)


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


def _store(log: EventLog, path: Path, some: Sequence[Read], imported: Imported, decided: "_Decided") -> None:
    some = list(decided.once(path, some, imported.refused))
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


class _Decided:
    """The decisions that were read: a second one under the id of a first is left out, with what its line says came of
    it, unless it says the same.

    Ids are not held, but a bit each: where another id has the same, as happens to one in a hundred of a million, the
    log is asked for nothing.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._fresh = not log.head()
        self._repeated: tuple[Path, int] | None = None
        self._bits = bytearray(_SEEN_BITS // 8)

    def once(self, path: Path, some: Sequence[Read], refused: Refused) -> Iterator[Read]:
        """What may be stored of a batch."""
        batch: dict[str, Decided] = {}
        for one in some:
            if isinstance(one.what, Draft) and isinstance(one.what.fact, Decided):
                fact = one.what.fact
                if not _same(fact, self._earlier(fact.decision, batch)):
                    self._repeated = path, one.line
                    refused.add(
                        path,
                        one.line,
                        f"decision {fact.decision!r} was read before, with other contents; correct either, or put its "
                        "rows together",
                    )
                else:
                    batch[fact.decision] = fact
            of_it = isinstance(one.what, Draft) and isinstance(one.what.fact, Decided | Rewarded | Exposed)
            if not of_it or (path, one.line) != self._repeated:
                yield one

    def _earlier(self, decision: str, batch: Mapping[str, Decided]) -> AnyFact | None:
        if decision in batch:
            return batch[decision]
        byte, bit = divmod(hash(decision) % _SEEN_BITS, 8)
        seen = self._bits[byte] >> bit & 1
        self._bits[byte] |= 1 << bit
        if self._fresh and not seen:
            return None
        held = self._log.find(f"decided/{decision}")
        return None if held is None else held.fact


def _same(decided: Decided, earlier: AnyFact | None) -> bool:
    """Whether a decision says what an earlier one did, if there was one; the time, which may be that of the import, and
    what the catalogue says meanwhile of the items may differ."""
    if not isinstance(earlier, Decided):
        return True
    asked = (msgspec.structs.replace(one.request, time=0.0) for one in (decided, earlier))
    shown = ([(pick.item, pick.position, pick.propensity) for pick in one.picks] for one in (decided, earlier))
    return next(asked) == next(asked) and next(shown) == next(shown)


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
        if progress is not None and (entry.seq % BATCH == 0 or entry.seq >= head):
            progress(entry.seq, max(head, entry.seq))
