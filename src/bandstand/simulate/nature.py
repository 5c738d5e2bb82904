"""The laws of a simulated world, as a scenario file writes them."""

from typing import Annotated, Literal

import msgspec

Trait = Literal["segment", "device", "daypart", "country"]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]


class Taste(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much a trait of the visit (`of`) moves the liking for a feature of the item (`on`).

    Each pair of values, as (evening, groceries), has a pull of its own, normal with standard deviation `strength` in
    logits. A numeric feature counts by its quarter of the catalogue.
    """

    of: Trait
    on: str
    strength: NotNegative


class Arrival(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At visit number `at`, so many `items` become available that were not before; `stars` of them please nearly
    everybody."""

    at: Count
    items: AtLeastOne
    stars: Count = 0


TASTES = (
    Taste("segment", "category", 0.7),
    Taste("segment", "style", 0.3),
    Taste("daypart", "category", 0.7),
    Taste("device", "category", 0.6),
    Taste("device", "price", 0.3),
    Taste("country", "category", 0.5),
)

# Hours from UTC. At any instant it is morning for some and night for others.
LOCATIONS = {
    "FR-75": 1.0,
    "GB-LND": 0.0,
    "US-NY": -5.0,
    "US-CA": -8.0,
    "BR-SP": -3.0,
    "IN-MH": 5.5,
    "JP-13": 9.0,
}


class Nature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who visits, what they like, and how they look at a slate.

    `users` are there from the start, and the share `newcomers` of visits is somebody's first; `loyalty` is how
    unequally the others come back (0: all alike). `devices` have weights, `locations` hours from UTC. `click_through`
    is that of random slates of ten, and `quality` the spread of items' own appeal in logits. Attention falls with the
    position as (1 + position)^-`attention`. A click arrives after `delay_s` seconds on average. At each visit number in
    `drifts` tastes move on: who liked one category now likes another.
    """

    users: AtLeastOne = 500
    newcomers: Share = 0.0
    loyalty: NotNegative = 1.0
    segments: AtLeastOne = 6
    devices: dict[str, Annotated[float, msgspec.Meta(gt=0.0)]] = msgspec.field(
        default_factory=lambda: {"mobile": 0.55, "desktop": 0.3, "tablet": 0.15}
    )
    locations: dict[str, Annotated[float, msgspec.Meta(ge=-14.0, le=14.0)]] = msgspec.field(
        default_factory=lambda: dict(LOCATIONS)
    )
    tastes: tuple[Taste, ...] = TASTES
    quality: NotNegative = 0.3
    click_through: Annotated[float, msgspec.Meta(gt=0.0, lt=0.3)] = 0.05
    attention: NotNegative = 0.4
    delay_s: NotNegative = 0.0
    drifts: tuple[Count, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
