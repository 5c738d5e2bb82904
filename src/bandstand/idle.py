"""Why a rule can never matter, as far as that can be known before anybody asks."""

from collections.abc import Iterator
from difflib import get_close_matches

from bandstand.expressions import Comparison, Constant, Expression, Field, Listed, Membership, comparisons
from bandstand.matching import Facts
from bandstand.rules import AnyRule, read
from bandstand.rules.when import DAYPARTS, WEEKDAYS
from bandstand.ruling import KNOWN_CONTEXT, chosen
from bandstand.state import State

_VALUES = {
    "weekday": frozenset(WEEKDAYS),
    "daypart": frozenset(DAYPARTS),
    "hour": frozenset(range(24)),
    "month": frozenset(range(1, 13)),
    "day": frozenset(range(1, 32)),
}


def never(rule: AnyRule, state: State, *, now: float) -> list[str]:
    """Every reason; none where it may matter."""
    return list(_reasons(rule, state, now))


def _reasons(rule: AnyRule, state: State, now: float) -> Iterator[str]:
    found = read(rule)
    if found.ends <= now:
        yield f"it ended at {rule.ends}"
    if rule.surfaces and not state.surfaces.keys() & set(rule.surfaces):
        known = ", ".join(sorted(state.surfaces)) or "none"
        yield f"none of its surfaces is defined; known: {known}"
    if rule.season and all(window.never for window in rule.season):
        yield "no month of its season has such a day"
    for condition in (found.where, found.audience):
        if condition is not None:
            yield from _impossible(condition)
    where = found.where
    lasting = where is None or not (where.asks("context") or where.asks("user"))
    if lasting and state.catalogue.known and not chosen(rule, state.columns, Facts()).any():
        yield "no item of the catalogue matches"


def _impossible(condition: Expression) -> Iterator[str]:
    """Names of the context that look misspelt, and parts of the time compared with what they never are."""
    for field in condition.fields:
        if field.scope == "context" and field.name not in KNOWN_CONTEXT:
            for meant in get_close_matches(field.name, KNOWN_CONTEXT, 1, 0.75):
                yield f"context.{field.name} is not known; is context.{meant} meant?"
    for one in comparisons(condition.truth):
        match one:
            case Comparison("==", Field("context", name), Constant(value)) if name in _VALUES:
                wanted = {value}
            case Membership(True, Field("context", name), Listed(values)) if name in _VALUES:
                wanted = set(values)
            case _:
                continue
        if not wanted & _VALUES[name]:
            yield f"context.{name} is never {', '.join(sorted(map(repr, wanted)))}"
