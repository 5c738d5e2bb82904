"""How a draft becomes a line of the log: what is written down, what is refused, and which place it gets."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import NamedTuple

import msgspec

from bandstand import events
from bandstand.errors import InputError, StoreError
from bandstand.events import AnyFact, Decided, Draft, Entry
from bandstand.store import Appended

KEY_BYTES = 2600
"""Longest key or subject: PostgreSQL's B-tree refuses index rows above 2704 bytes (its manual, chapter 64.4). A key of
two ids of 256 characters has at most 2058."""


class Line(NamedTuple):
    """A draft as it is written. `fact` is what reading `body` gives, so that live and replayed facts are the same."""

    at: float
    key: str | None
    subject: str | None
    body: str
    fact: AnyFact


def line(draft: Draft) -> Line:
    """The line for this draft; InputError where it could not be read back, for one such would stop every reader."""
    kind = events.kind(draft.fact)
    if not isfinite(draft.at):
        raise InputError(f"{kind}: at == {draft.at}, must be finite seconds since the epoch", field="at")
    body, fact = written(draft.fact)
    key, subject = events.key(fact), events.subject(fact)
    for name, text in (("key", key), ("subject", subject)):
        if text is not None and (why := refusal(text)) is not None:
            raise InputError(f"{kind}: {name} {text[:40]!r} {why}", field=name)
    return Line(draft.at, key, subject, body, fact)


def written(fact: AnyFact) -> tuple[str, AnyFact]:
    """The fact as text, and as that text reads: a decision is what was made, for reading it would cost as much as all
    else that is done to write it down."""
    try:
        body = events.encode(fact)
        return body.decode(), fact if isinstance(fact, Decided) and _reads_alike(fact, body) else events.decode(body)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise InputError(
            f"{events.kind(fact)}: cannot be written down ({error}); numbers must be finite and texts valid Unicode"
        ) from error


def _reads_alike(decided: Decided, body: bytes) -> bool:
    """A number that is not finite is written as null, so where each null is of a source that nothing brought, there is
    none. An imported decision was not made here, out of what the types say."""
    nulls = body.count(b"null")
    if nulls:
        nulls -= sum([source.because is None for pick in decided.picks for source in pick.sources])
    return not nulls and not decided.imported


def entry(seq: int, at: float, body: str) -> Entry:
    """The entry that was stored as `body`; StoreError where that is no fact which this release knows."""
    try:
        return Entry(seq, at, events.decode(body))
    except (ValueError, msgspec.MsgspecError) as error:
        raise StoreError(
            f"entry {seq}: cannot be read ({error}); use the release that wrote it, or restore a backup"
        ) from error


def placed(lines: Iterable[Line], *, head: int, held: Mapping[str, Entry]) -> list[Appended]:
    """Each line with its place after `head`, or with the entry that already holds its key."""
    taken = dict(held)
    answers = []
    for each in lines:
        old = taken.get(each.key) if each.key is not None else None
        if old is not None:
            answers.append(Appended(old, duplicate=True))
            continue
        head += 1
        new = Entry(head, each.at, each.fact)
        if each.key is not None:
            taken[each.key] = new
        answers.append(Appended(new, duplicate=False))
    return answers


def refusal(text: str) -> str | None:
    """Why no log holds this key or subject, or None; to look such a one up would be an error in some databases."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is no valid Unicode; send whole characters"
    if "\0" in text:
        return "contains the NUL character, which PostgreSQL cannot store; remove it"
    if size > KEY_BYTES:
        return f"is {size} bytes long, must be at most {KEY_BYTES}; shorten it"
    return None
