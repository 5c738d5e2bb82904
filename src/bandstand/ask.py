"""What a request means to a model: surface, history, features, and which items may be shown."""

from typing import NamedTuple

import numpy as np

from bandstand.candidates import Mask
from bandstand.errors import InputError, UnknownError
from bandstand.events import Inline, Request, UserPut
from bandstand.features import context_features
from bandstand.state import History, State
from bandstand.strategy import LONGEST_SLATE, Surface


class Given(NamedTuple):
    """Candidates of the app's own: catalogue items with their rows, items it describes itself, and why others were
    left out."""

    rows: dict[str, int]
    inline: list[Inline]
    skipped: dict[str, str]


class Asked(NamedTuple):
    """One request, the same for every strategy that answers it.

    `page` is the catalogue row of the item that the page is about, if any; `allowed` masks the rows that may be shown;
    `given` are the candidates that the app named, if it did.
    """

    request: Request
    decision: str
    surface: Surface
    n: int
    page: int | None
    history: History
    user: dict[str, float]
    context: dict[str, float]
    allowed: Mask
    given: Given | None


def understand(state: State, request: Request, decision: str) -> Asked:
    """Raises UnknownError for the surface, InputError for a slate size out of range."""
    surface = state.surfaces.get(request.surface)
    if surface is None:
        known = ", ".join(sorted(state.surfaces)) or "none"
        raise UnknownError(
            f"surface {request.surface!r} is not defined; known: {known}", field="surface", code="unknown_surface"
        )
    n = surface.n if request.n is None else request.n
    if not 1 <= n <= LONGEST_SLATE:
        raise InputError(f"n == {n}, must be from 1 to {LONGEST_SLATE}", field="n")
    profile = state.people.get(request.user) if request.user is not None else None
    personal = profile is None or profile.personalize
    history = state.history(request.user, request.session) if personal else state.history(None, None)
    ruled_out = _ruled_out(state, request, profile)
    page = request.context.get("item")
    allowed = _allowed(state, request, ruled_out)
    return Asked(
        request=request,
        decision=decision,
        surface=surface,
        n=n,
        page=state.catalogue.rows.get(page) if isinstance(page, str) else None,
        history=history,
        user=state.person(request.user if personal else None, history),
        context=context_features(request),
        allowed=allowed,
        given=_given(state, request, allowed, ruled_out),
    )


def _ruled_out(state: State, request: Request, profile: UserPut | None) -> dict[str, str]:
    """Items that this request or this user refuses, and why."""
    why = dict.fromkeys(request.exclude, "excluded by the request")
    page = request.context.get("item")
    if isinstance(page, str):
        why[page] = "the page is about it"
    if profile is not None:
        for tag in profile.blocked_tags:
            rows = state.catalogue.tagged.get(tag, ())
            why |= dict.fromkeys((state.catalogue.ids[row] for row in rows), f"its tag {tag!r} is blocked by the user")
        why |= dict.fromkeys(profile.blocked_items, "blocked by the user")
    return why


def _allowed(state: State, request: Request, ruled_out: dict[str, str]) -> Mask:
    catalogue = state.catalogue
    allowed = catalogue.allowed(request.time)
    allowed[[catalogue.rows[item] for item in ruled_out if item in catalogue.rows]] = False
    if request.filter is not None and request.filter.tags:
        tagged = np.zeros_like(allowed)
        tagged[list(catalogue.with_tags(request.filter.tags))] = True
        allowed &= tagged
    return allowed


def _given(state: State, request: Request, allowed: Mask, ruled_out: dict[str, str]) -> Given | None:
    """The candidates that the app named: each once, but for those that may not be shown, and why these may not."""
    if request.candidates is None:
        return None
    rows: dict[str, int] = {}
    inline: dict[str, Inline] = {}
    skipped: dict[str, str] = {}
    for candidate in request.candidates:
        if isinstance(candidate, Inline):
            if candidate.item in ruled_out:
                skipped[candidate.item] = ruled_out[candidate.item]
            else:
                inline[candidate.item] = candidate
            continue
        row = state.catalogue.rows.get(candidate, -1)
        if row not in state.catalogue.known:
            skipped[candidate] = "not in the catalogue"
        elif not allowed[row]:
            skipped[candidate] = ruled_out.get(candidate, "unavailable, expired, or without the tags of the filter")
        else:
            rows[candidate] = row
    return Given(rows, [own for item, own in inline.items() if item not in rows], skipped)
