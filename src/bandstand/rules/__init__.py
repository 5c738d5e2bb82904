"""Business rules: what people say about slates beside what is learned, as data."""

from functools import lru_cache
from math import inf
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from bandstand.errors import InputError
from bandstand.expressions import LONGEST, Expression, parse
from bandstand.misfit import misfit
from bandstand.rules.when import Moment, Window, instant

LAST_POSITION = 10_000
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Condition = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
Strength = Annotated[float, msgspec.Meta(gt=0.0, le=100.0)]
Most = Annotated[int, msgspec.Meta(ge=1, le=100)]
Positions = Annotated[
    tuple[Annotated[int, msgspec.Meta(ge=0, le=LAST_POSITION)], ...], msgspec.Meta(min_length=1, max_length=100)
]


class Rule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, tag_field="action"
):
    """What every rule says: about which items, where, for whom and when.

    It is about an item that is one of `items`, has every one of `tags` and fulfils `where`, as far as each is given. It
    applies on `surfaces` (none named: everywhere) to requests that fulfil `audience`, from `starts` until `ends`
    (RFC 3339), in any of the windows of `season`. Of rules that want the same, the higher `priority` goes first.
    """

    name: Annotated[str, msgspec.Meta(max_length=256)] = ""
    note: str = ""
    items: Annotated[tuple[Id, ...], msgspec.Meta(max_length=2000)] = ()
    tags: Annotated[tuple[Id, ...], msgspec.Meta(max_length=100)] = ()
    where: Condition | None = None
    surfaces: tuple[Id, ...] = ()
    audience: Condition | None = None
    starts: str | None = None
    ends: str | None = None
    season: tuple[Window, ...] = ()
    priority: int = 0
    enabled: bool = True

    @property
    def chooses(self) -> bool:
        """Whether it says about which items it is."""
        return bool(self.items or self.tags or self.where is not None)


class Promote(Rule, frozen=True, tag="promote"):
    """Brings the `most` popular of its items in as candidates, and lifts all of them by `strength`."""

    strength: Strength = 1.0
    most: Most = 20


class Pin(Rule, frozen=True, tag="pin"):
    """Places its best items at `positions` of the page, from 0."""

    positions: Positions


class Sponsor(Rule, frozen=True, tag="sponsor"):
    """As `Pin`, at most `most` in a slate, each marked with `label` in the answer."""

    positions: Positions
    label: Name = "Sponsored"
    most: Most = 1


class Boost(Rule, frozen=True, tag="boost"):
    """Adds `strength` times the spread between the best and the worst candidate's score: 1 lifts the worst to the
    best."""

    strength: Strength = 1.0


class Bury(Rule, frozen=True, tag="bury"):
    """Takes `strength` times that spread away: more than 1 puts its items behind all others."""

    strength: Strength = 2.0


class Block(Rule, frozen=True, tag="block"):
    """Never shows its items."""


class Require(Rule, frozen=True, tag="require"):
    """Shows only its items."""


class Limit(Rule, frozen=True, tag="cap"):
    """Shows at most `most` of its items in a slate, or, where `by` names an attribute, of those with each value of it:
    without any choice, of all items."""

    most: Most
    by: Name | None = None


AnyRule: TypeAlias = Promote | Pin | Sponsor | Boost | Bury | Block | Require | Limit


class Read(NamedTuple):
    """A rule's conditions and times, read."""

    where: Expression | None
    audience: Expression | None
    starts: float
    ends: float


@lru_cache(maxsize=4096)
def read(rule: AnyRule) -> Read:
    """InputError where a condition or a time cannot be read."""
    starts = -inf if rule.starts is None else instant(rule.starts, "starts")
    ends = inf if rule.ends is None else instant(rule.ends, "ends")
    return Read(_condition(rule.where, "where"), _condition(rule.audience, "audience"), starts, ends)


def check(rule: AnyRule) -> None:
    """InputError with what is wrong about the rule, whatever the catalogue holds."""
    try:
        found = read(rule)
        if found.audience is not None and found.audience.asks("item"):
            raise InputError(f"audience {rule.audience!r}: it asks about items; say that in `where`", field="audience")
        if not found.starts < found.ends:
            raise InputError(f"ends == {rule.ends}, must be after starts, {rule.starts}", field="ends")
        if not rule.chooses and not (isinstance(rule, Limit) and rule.by is not None):
            raise InputError(
                "items, tags and where are all missing; say about which items it is: for all of them, "
                "where = 'item.id != \"\"'",
                field="where",
            )
    except InputError as error:
        raise InputError(f"rule {rule.name!r}: {error}", field=error.field) from None


def converted(builtins: object) -> AnyRule:
    """The rule that a decoded TOML file describes; InputError where it is none."""
    try:
        # A time may be written as TOML's own, which has become a text by now.
        rule: AnyRule = msgspec.convert(msgspec.to_builtins(builtins), AnyRule)
    except msgspec.ValidationError as error:
        told = misfit(str(error), builtins, AnyRule)
        raise InputError(f"rule: {told}", field=told.field, code=told.code) from None
    check(rule)
    return rule


def applies(rule: AnyRule, *, surface: str, time: float, moment: Moment) -> bool:
    """Whether the rule is in force there and then, for some audience."""
    if not rule.enabled or (rule.surfaces and surface not in rule.surfaces):
        return False
    found = read(rule)
    return found.starts <= time < found.ends and (
        not rule.season or any(window.holds(moment) for window in rule.season)
    )


def _condition(text: str | None, field: str) -> Expression | None:
    try:
        return None if text is None else parse(text)
    except InputError as error:
        raise InputError(f"{field}: {error}", field=field) from None
