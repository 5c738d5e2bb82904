"""What apps may send, with every limit: the bodies and queries of the routes, and nothing of what they mean."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from bandstand.expressions import LONGEST
from bandstand.strategy import LONGEST_SLATE, MOST_CANDIDATES

MOST_ENTRIES = 1000
MOST_ITEMS = 10_000
_MOST_NAMES = 2000
# Beyond it JSON parsers disagree on integers, and sums of squares lose their last digits.
_LARGEST_NUMBER = 10**15

Id = Annotated[str, Meta(min_length=1, max_length=256, description="any characters but NUL")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Time = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset, as 2026-11-21T08:30:00+01:00")]
Ids = Annotated[tuple[Id, ...], Meta(max_length=_MOST_NAMES)]
Tags = Annotated[tuple[Id, ...], Meta(max_length=100)]

_Integer = Annotated[int, Meta(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER)]
_Number = Annotated[float, Meta(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER)]
Quality = Annotated[str, Meta(max_length=1024)] | bool | _Integer | _Number
Attribute = (
    Annotated[str, Meta(max_length=32_768)]
    | bool
    | _Integer
    | _Number
    | Annotated[list[Annotated[str, Meta(max_length=1024)] | _Number], Meta(max_length=4096)]
)
Context = Annotated[
    dict[Name, Quality],
    Meta(
        max_length=100,
        description="`time` (RFC 3339 with an offset, within a day of the server's clock), `device`, `location` (as FR "
        "or FR-75), `item` (the one that the page is about), and any further keys",
    ),
]
Features = Annotated[dict[Name, Attribute], Meta(max_length=200)]

VALUES = {"context": Quality, "features": Attribute}
"""What the tables of these names hold."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A JSON object that says what it says and nothing else."""


class Candidate(Body, frozen=True):
    """An item outside the catalogue, described by the app."""

    item: Id
    features: Features = {}


class Filter(Body, frozen=True):
    """Only items that carry every one of `tags` and fulfil `where`, a condition as `item.price < 50`."""

    tags: Tags = ()
    where: Annotated[str, Meta(min_length=1, max_length=LONGEST)] | None = None


class Rank(Body, frozen=True):
    """A request for a slate."""

    surface: Id
    user: Id | None = None
    session: Id | None = None
    n: Annotated[int, Meta(ge=1, le=LONGEST_SLATE)] | None = None
    context: Context = {}
    candidates: Annotated[tuple[Id | Candidate, ...], Meta(max_length=MOST_CANDIDATES)] | None = None
    exclude: Ids = ()
    filter: Filter | None = None
    key: Id | None = None
    shown: bool = True
    device: Id | None = None
    force: Annotated[
        dict[Id, Id], Meta(max_length=1, description="an experiment and the variant of it to show, to test it")
    ] = {}


class NextPage(Body, frozen=True):
    """How many more items; by default as many as on the page before."""

    n: Annotated[int, Meta(ge=1, le=LONGEST_SLATE)] | None = None


class Reward(Body, frozen=True):
    """What a pick earned, named by item or position; the whole slate where both are missing."""

    decision: Id
    name: Id
    value: float
    item: Id | None = None
    position: Annotated[int, Meta(ge=0)] | None = None
    key: Id | None = None
    time: Time | None = None


class Exposure(Body, frozen=True):
    """The slate was seen, or the named positions of it."""

    decision: Id
    positions: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(max_length=LONGEST_SLATE)] | None = None
    time: Time | None = None


class Interaction(Body, frozen=True):
    """Behaviour outside any slate. A user or a session is named; `context` says where it was, as in a request."""

    item: Id
    name: Id
    user: Id | None = None
    session: Id | None = None
    value: float = 1.0
    context: Context = {}
    key: Id | None = None
    time: Time | None = None


class Item(Body, frozen=True):
    """Something that can be shown; it replaces the earlier version whole. `item` may be left out: the path says it."""

    item: Id | None = None
    features: Features = {}
    tags: Tags = ()
    available: bool = True
    expires: Time | None = None


class ItemEntry(Item, frozen=True):
    """Something that can be shown; it replaces the earlier version whole."""

    item: Id


class User(Body, frozen=True):
    """A profile; it replaces the earlier one whole. `user` may be left out: the path says it."""

    user: Id | None = None
    features: Features = {}
    personalize: bool = True
    blocked_items: Ids = ()
    blocked_tags: Tags = ()


class Ship(Body, frozen=True):
    """The variant that becomes the surface's way to rank."""

    winner: Id


class Page(Body, frozen=True):
    """Up to `limit` items after the item `after`, in the order in which they became known."""

    after: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class Unit(Body, frozen=True):
    """Whose assignment is asked for: a user, or a session or a device where the experiment divides those."""

    user: Id | None = None
    session: Id | None = None
    device: Id | None = None


class NoQuery(Body, frozen=True):
    """A route without parameters."""
