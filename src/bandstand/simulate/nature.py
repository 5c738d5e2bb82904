"""The laws of a simulated world, as a scenario file writes them."""

from typing import Annotated, Literal

import msgspec

Trait = Literal["segment", "device", "daypart", "country"]
Period = Literal["day", "week", "year"]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]


class Taste(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much a trait of the visit (`of`) moves the liking for a feature of the item (`on`).

    Each pair of values, as (evening, groceries), has a pull of its own, normal with standard deviation `strength` in
    logits. A numeric feature counts by its quarter of the catalogue.
    """

    of: Trait
    on: str
    strength: NotNegative


class Season(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each value of the item's feature `on` is liked more and less in turn, once a `period` of the visitor's local
    time: by `strength` logits at its height, which each value has at another moment. It moves in steps: by the hour,
    by six hours, by the week.
    """

    on: str
    period: Period
    strength: NotNegative


class Arrival(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At visit number `at`, so many `items` become available that were not before; `stars` of them please nearly
    everybody."""

    at: Count
    items: AtLeastOne
    stars: Count = 0


class Cascade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """People read from the top, and go on to the next position with probability `after_skip` from what they do not
    click, `after_click` from what they do. 1 and 0 are the cascade model (Craswell, Zoeter, Taylor and Ramsey 2008)."""

    after_skip: Share = 0.95
    after_click: Share = 0.3


class Churn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After `patience` visits in a row without a click, each further one included, somebody stays away with probability
    `leaves`, and comes back after `returns_s` seconds on average (exponential; never, where it is missing). Who is
    away does not visit: these visits do not take place."""

    patience: AtLeastOne = 2
    leaves: Share = 0.5
    returns_s: Positive | None = None


class Novelty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What having seen an item does to its liking, in logits: curious · exp(−f) − tires · f.

    f counts how often this visitor was shown it; each time counts half after `forgets_s` seconds.
    """

    curious: NotNegative = 0.0
    tires: NotNegative = 0.0
    forgets_s: Positive = 7 * 86400.0


class Bots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share `share` of visits is by machines under the names of `users` accounts. They click "everything", or the
    "one" item that they push, which is that of least appeal. No figure counts what is shown to them, nor what they
    click."""

    share: Share
    click: Literal["everything", "one"] = "everything"
    users: AtLeastOne = 20


class Purchases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody clicked, they buy: an item of median `amount` with probability `rate`, one that costs e times as
    much with `dear` logits less, and each item with a normal of its own with standard deviation `spread`.

    The reward "purchase" has the item's numeric feature `amount` as its value, and comes `delay_s` seconds on average
    after the click. Items without the feature are not for sale.
    """

    rate: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.1
    amount: str = "price"
    dear: NotNegative = 0.5
    spread: NotNegative = 0.5
    delay_s: NotNegative = 0.0


class Labelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A labelled table as a world: each visit is a row, its other columns are the context, the labels are the items,
    and the one label of the row is clicked. `csv` is a path, from the scenario's folder. With probability `noise`
    somebody errs: clicks a wrong label, or not the right one.

    A column of numbers is sent as the part of its range that they are in, of `parts` with equally many rows.
    """

    csv: str
    label: str
    noise: Annotated[float, msgspec.Meta(ge=0.0, lt=0.5)] = 0.0
    parts: AtLeastOne = 4


class Fitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A world fitted from the log at `database` (a URL, as everywhere): its items, its requests, and the likings and
    the attention that explain its rewards named `reward` (any above 0, where that is missing) on `surface` best.

    `spread` is the standard deviation in logits that likings are expected to have by item and by each pair of context
    and attribute: what is little known stays near the average. Where it is missing, it is what foretells best the
    clicks of a fifth of the users.
    """

    database: str
    surface: str = "home"
    reward: str | None = None
    spread: Positive | None = None


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
    position as (1 + position)^-`attention`, unless people read as in a `cascade`. A click arrives after `delay_s`
    seconds on average. At each visit number in `drifts` tastes move on: who liked one category now likes another.

    People, tastes and attention come from a table or a log instead where the world is `labelled` or `fitted`.
    """

    users: AtLeastOne = 500
    newcomers: Share = 0.0
    loyalty: NotNegative = 1.0
    segments: AtLeastOne = 6
    devices: dict[str, Positive] = msgspec.field(
        default_factory=lambda: {"mobile": 0.55, "desktop": 0.3, "tablet": 0.15}
    )
    locations: dict[str, Annotated[float, msgspec.Meta(ge=-14.0, le=14.0)]] = msgspec.field(
        default_factory=lambda: dict(LOCATIONS)
    )
    tastes: tuple[Taste, ...] = TASTES
    seasons: tuple[Season, ...] = ()
    quality: NotNegative = 0.3
    click_through: Annotated[float, msgspec.Meta(gt=0.0, lt=0.3)] = 0.05
    attention: NotNegative = 0.4
    cascade: Cascade | None = None
    delay_s: NotNegative = 0.0
    drifts: tuple[Count, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    churn: Churn | None = None
    novelty: Novelty | None = None
    bots: Bots | None = None
    purchases: Purchases | None = None
    labelled: Labelled | None = None
    fitted: Fitted | None = None
