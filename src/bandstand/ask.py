"""What a request means to a model: surface, history, features, and which items may be shown."""

from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from bandstand.candidates import Mask, Rows
from bandstand.columns import Columns, InlineReader
from bandstand.errors import InputError, UnknownError
from bandstand.events import Filter, Inline, Request, UserPut
from bandstand.expressions import parse
from bandstand.features import context_features, segments
from bandstand.history import History
from bandstand.matching import Facts, mask
from bandstand.native import native
from bandstand.ruling import Rulings, facts_of, left_out, own, rulings, why_not
from bandstand.state import State
from bandstand.strategy import LONGEST_SLATE, Surface


class Given(NamedTuple):
    """Candidates that the app named: catalogue items with their rows, items it describes itself, and why others were
    left out."""

    items: list[str]
    rows: Rows
    inline: list[Inline]
    skipped: dict[str, str]


class Asked(NamedTuple):
    """One request, the same for every strategy that answers it.

    `page` is the catalogue row of the item that the page is about, if any, `who` the user and the session as far as
    slates may be personal. `rulings` are the business rules in force. `among` are the candidates that the app named,
    or, where it named none, a mask of the rows that may be proposed.
    """

    request: Request
    decision: str
    surface: Surface
    n: int
    page: int | None
    who: tuple[str | None, str | None]
    history: History
    user: dict[str, float]
    context: dict[str, float]
    segments: tuple[str, ...]
    rulings: Rulings
    among: Given | Mask


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
    who = (request.user, request.session) if personal else (None, None)
    history = state.history(*who)
    ruled_out = _ruled_out(state, request, profile)
    facts = Facts()
    if state.rules or (request.filter is not None and request.filter.where is not None):
        facts = facts_of(request, profile if personal else None, user=who[0], newcomer=not len(history.rows))
    ruled = rulings(state.rules, request, facts, state.columns)
    page = request.context.get("item")
    return Asked(
        request=request,
        decision=decision,
        surface=surface,
        n=n,
        page=state.catalogue.rows.get(page) if isinstance(page, str) else None,
        who=who,
        history=history,
        user=state.person(request.user if personal else None, history),
        context=context_features(request),
        segments=segments(request.context),
        rulings=ruled,
        among=_allowed(state, request, ruled_out, ruled)
        if request.candidates is None
        else _given(state, request, request.candidates, ruled_out, ruled),
    )


def still(state: State, among: Given | Mask, items: Sequence[str]) -> Given:
    """Those of the items that may be shown."""
    if isinstance(among, Given):
        there = [at for at, item in enumerate(among.items) if item in items]
        inline = [own for own in among.inline if own.item in items]
        return Given([among.items[at] for at in there], among.rows[there], inline, {})
    rows = {item: state.catalogue.rows[item] for item in items if item in state.catalogue.rows}
    allowed = {item: row for item, row in rows.items() if among[row]}
    return Given(list(allowed), np.array(list(allowed.values()), np.int64), [], {})


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


def _allowed(state: State, request: Request, ruled_out: dict[str, str], ruled: Rulings) -> Mask:
    catalogue = state.catalogue
    allowed = catalogue.allowed(request.time)
    allowed[[catalogue.rows[item] for item in ruled_out if item in catalogue.rows]] = False
    if request.filter is not None and request.filter.tags:
        tagged = np.zeros_like(allowed)
        tagged[list(catalogue.with_tags(request.filter.tags))] = True
        allowed &= tagged
    if request.filter is not None and request.filter.where is not None:
        allowed &= _fulfilled(request.filter.where, state.columns, ruled.facts)
    for _, left in left_out(ruled):
        allowed &= left
    return allowed


def _fulfilled(where: str, columns: Columns, facts: Facts) -> Mask:
    try:
        return mask(parse(where), columns, facts)
    except InputError as error:
        raise InputError(f"filter.where: {error}", field="filter.where") from None


def _given(
    state: State, request: Request, candidates: Sequence[str | Inline], ruled_out: dict[str, str], ruled: Rulings
) -> Given:
    """Each candidate once, but for those that may not be shown, and why these may not."""
    catalogue = state.catalogue
    names, rows, described = _found(catalogue.rows, candidates)
    shown = catalogue.shown(rows, request.time)
    if ruled_out:
        shown &= np.array([item not in ruled_out for item in names], np.bool_)
    wanted = request.filter or Filter()
    if wanted.tags:
        tagged = catalogue.with_tags(wanted.tags)
        shown &= np.array([row in tagged for row in rows.tolist()], np.bool_)
    if wanted.where is not None:
        fulfilled = _fulfilled(wanted.where, state.columns, ruled.facts)
        shown &= fulfilled[rows] if len(catalogue) else False
    by_rule: dict[str, str] = {}
    for ruling, left in left_out(ruled) if len(catalogue) else ():
        by_rule |= {names[at]: why_not(ruling.rule) for at in np.flatnonzero(shown & ~left[rows]).tolist()}
        shown &= left[rows]
    skipped = {}
    lacks = "without the tags of the filter" if wanted.where is None else "not as the filter wants it"
    otherwise = f"unavailable, expired, or {lacks}"
    for at in () if shown.all() else np.flatnonzero(~shown).tolist():
        why = ruled_out.get(names[at]) or by_rule.get(names[at], otherwise)
        skipped[names[at]] = why if int(rows[at]) in catalogue.known else "not in the catalogue"
    if skipped:
        names, rows = [names[at] for at in np.flatnonzero(shown)], rows[shown]
    if not described:
        return Given(names, rows, [], skipped)
    inline = {one.item: one for one in described}
    for item, why in (ruled_out | _own_left_out(list(inline.values()), wanted, ruled)).items():
        if item in inline:
            skipped[item] = why
            del inline[item]
    known = set(names)
    return Given(names, rows, [one for item, one in inline.items() if item not in known], skipped)


def _found(known: dict[str, int], candidates: Sequence[str | Inline]) -> tuple[list[str], Rows, list[Inline]]:
    """The different names among the candidates, the row of each, -1 where there is none, and the other candidates."""
    if native is None:
        names = list(dict.fromkeys([item for item in candidates if isinstance(item, str)]))
        rows = np.array(list(map(known.get, names, repeat(-1))), np.int64)
        return names, rows, [one for one in candidates if isinstance(one, Inline)]
    rows = np.empty(len(candidates), np.int64)
    names, described = native.found(known, tuple(candidates), rows)
    return names, rows[: len(names)], described


def _own_left_out(inline: list[Inline], wanted: Filter, ruled: Rulings) -> dict[str, str]:
    """Which of the items that the app described itself a rule or the filter's condition leaves out, and why."""
    why: dict[str, str] = {}
    if not inline or (wanted.where is None and not ruled.all):
        return why
    if wanted.where is not None:
        fulfilled = _fulfilled(wanted.where, Columns(InlineReader(inline)), ruled.facts)
        why |= {inline[at].item: "not as the filter wants it" for at in np.flatnonzero(~fulfilled).tolist()}
    for ruling, left in left_out(own(ruled, inline)):
        why = {inline[at].item: why_not(ruling.rule) for at in np.flatnonzero(~left).tolist()} | why
    return why
