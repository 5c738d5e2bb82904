"""Many facts in one body: each entry is judged alone, and those that fit are recorded together."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from bandstand.api.answer import Error, explained, request_id
from bandstand.api.bodies import MOST_ENTRIES
from bandstand.api.reading import LARGEST_BODY, Http, body_of, entries
from bandstand.errors import ConflictError, InputError, UnknownError
from bandstand.events import AnyFact, Interacted, Rewarded
from bandstand.live import Live
from bandstand.store import Appended

# Larger bodies go in parts, so that others are answered in between.
_AT_ONCE = MOST_ENTRIES
_Made = list[tuple[int, AnyFact]]


class Rejected(msgspec.Struct, frozen=True):
    """An entry, by its place in the array from 0, that was not recorded, and why."""

    index: int
    error: Error


class Outcome(msgspec.Struct):
    """What became of a batch. A duplicate had been recorded before and counts once."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = []


async def take(
    request: Http,
    live: Live,
    fact_of: Callable[[bytes], AnyFact],
    *,
    most: int = MOST_ENTRIES,
    limit: int = LARGEST_BODY,
) -> Outcome:
    """Record the facts that the body's entries mean. A body of one object fails as a whole where it is at fault."""
    body = await body_of(request.receive, limit=limit)
    several = entries(body, most=most)
    outcome = Outcome()
    if several is None:
        fact = fact_of(body)
        (stored,) = await live.record([fact])
        _count(outcome, fact, stored)
        return outcome
    id_ = request_id(request.scope)
    for first in range(0, len(several), _AT_ONCE):
        part = several[first : first + _AT_ONCE]
        made, rejected = await asyncio.to_thread(_judged, part, fact_of, first=first, request=id_)
        outcome.rejected += rejected
        stored_part = await live.record([fact for _, fact in made])
        for (index, fact), stored in zip(made, stored_part, strict=True):
            try:
                _count(outcome, fact, stored)
            except ConflictError as error:
                outcome.rejected.append(_rejected(index, error, id_))
    outcome.rejected.sort(key=lambda one: one.index)
    return outcome


def _judged(
    raw_entries: Sequence[msgspec.Raw], fact_of: Callable[[bytes], AnyFact], *, first: int, request: str
) -> tuple[_Made, list[Rejected]]:
    made: _Made = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(raw_entries, start=first):
        try:
            made.append((index, fact_of(bytes(raw))))
        except (InputError, UnknownError) as error:
            rejected.append(_rejected(index, error, request))
    return made, rejected


def _rejected(index: int, error: InputError | UnknownError | ConflictError, request: str) -> Rejected:
    return Rejected(index, explained(error, request, within=f"[{index}]"))


def _count(outcome: Outcome, fact: AnyFact, stored: Appended) -> None:
    """ConflictError where the key of `fact` stands for something else already."""
    if not stored.duplicate:
        outcome.accepted += 1
        return
    if isinstance(fact, Rewarded | Interacted) and stored.entry.fact != fact:
        raise ConflictError(
            f"key {fact.key!r} was used for something else; use a new key for each thing that happened",
            field="key",
        )
    outcome.duplicates += 1
