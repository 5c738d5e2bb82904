"""What the rules in force say about the items of one request, before any of them is scored."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bandstand.columns import Columns, InlineReader, Mask
from bandstand.events import Feature, Inline, Request, UserPut
from bandstand.expressions import Expression
from bandstand.features import segments
from bandstand.matching import Facts, holds, mask
from bandstand.rules import AnyRule, Block, Require, applies, read
from bandstand.rules.when import DAYPARTS, moment

KNOWN_CONTEXT = (
    *("hour", "weekday", "daypart", "weekend", "month", "day", "surface"),
    *("device", "location", "country", "region", "item"),
)


class Ruling(NamedTuple):
    """A rule that is in force for a request, and the catalogue rows that it is about."""

    rule: AnyRule
    rows: Mask


class Rulings(NamedTuple):
    """Every rule in force, the first in priority first, and what they went by."""

    facts: Facts = Facts()
    all: Sequence[Ruling] = ()


def facts_of(request: Request, profile: UserPut | None, *, user: str | None, newcomer: bool) -> Facts:
    """What conditions may ask of a request: its context with the user's local time and place, and the user's
    attributes where slates may be personal; `user` is their id then."""
    now = moment(request.time, request.utc_offset_s)
    context: dict[str, Feature] = {
        "hour": now.hour,
        "weekday": now.weekday,
        "daypart": DAYPARTS[now.hour // 6],
        "weekend": now.weekday in ("saturday", "sunday"),
        "month": now.month,
        "day": now.day,
        "surface": request.surface,
        **request.context,
    }
    for segment in segments(request.context):
        name, _, value = segment.partition("=")
        context[name] = value
    if "location" in context:
        context["region"] = context["location"]
    known: dict[str, Feature] = {"newcomer": newcomer, **(profile.features if profile is not None else {})}
    if user is not None:
        known["id"] = user
    return Facts(context, known)


def rulings(rules: Mapping[str, AnyRule], request: Request, facts: Facts, columns: Columns) -> Rulings:
    """Which rules are in force for this request, and about which rows each is."""
    if not rules:
        return Rulings(facts)
    now = moment(request.time, request.utc_offset_s)
    found = []
    for rule in sorted(rules.values(), key=lambda rule: (-rule.priority, rule.name)):
        if applies(rule, surface=request.surface, time=request.time, moment=now):
            audience = read(rule).audience
            if audience is None or holds(audience, facts):
                found.append(Ruling(rule, chosen(rule, columns, facts)))
    return Rulings(facts, found)


def chosen(rule: AnyRule, columns: Columns, facts: Facts) -> Mask:
    """bool[n]: the rows that the rule is about. Not to be written to."""
    where = read(rule).where
    key = (rule.items, rule.tags, rule.where)
    lasting = where is None or not (where.asks("context") or where.asks("user"))
    found = columns.matches.get(key) if lasting else None
    if found is None or len(found) != len(columns):
        found = _chosen(rule, where, columns, facts)
        if lasting:
            columns.matches[key] = found
    return found


def left_out(given: Rulings) -> Iterator[tuple[Ruling, Mask]]:
    """Each rule that forbids items, and the rows that it leaves."""
    for ruling in given.all:
        match ruling.rule:
            case Block():
                yield ruling, ~ruling.rows
            case Require():
                yield ruling, ruling.rows
            case _:
                pass


def own(given: Rulings, inline: Sequence[Inline]) -> Rulings:
    """The same rules about items that an app described itself, as rows in their order."""
    columns = Columns(InlineReader(inline))
    return Rulings(given.facts, [Ruling(one.rule, chosen(one.rule, columns, given.facts)) for one in given.all])


def why_not(rule: AnyRule) -> str:
    """What is said of an item that the rule leaves out."""
    return f"{'blocked' if isinstance(rule, Block) else 'not among those required'} by rule {rule.name!r}"


def _chosen(rule: AnyRule, where: Expression | None, columns: Columns, facts: Facts) -> Mask:
    found = np.ones(len(columns), np.bool_) if where is None else mask(where, columns, facts)
    if rule.items or rule.tags:
        columns.prepare([*(["id"] if rule.items else []), *(["tags"] if rule.tags else [])])
    for tag in rule.tags:
        found &= columns.column("tags").holding(tag)[: len(columns)]
    if rule.items:
        codes = columns.column("id").codes[: len(columns)]
        found &= np.isin(codes, [columns.words.known(item) for item in rule.items])
    return found
