"""The facts: everything that can happen, as one closed set of frozen structs, and how they are written down."""

from typing import Literal, NamedTuple

import msgspec

Scalar = str | bool | int | float
Feature = Scalar | list[str | float]
Features = dict[str, Feature]


class Inline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A candidate that the caller describes itself; it need not be in the catalogue."""

    item: str
    features: Features = {}


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Only items that carry every one of `tags` and fulfil `where`, a condition as `item.price < 50`."""

    tags: tuple[str, ...] = ()
    where: str | None = None


class Drafted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An interleaving as far as its earlier pages went: each variant's ranking, and by item who contributed it."""

    experiment: str
    rankings: dict[str, tuple[str, ...]]
    picks: tuple[tuple[str, str | None], ...]


class Request(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an app asked: a slate for this user on this surface, here and now.

    `time` is seconds since the epoch and `utc_offset_s` the user's distance from UTC; `first_position` is where the
    slate starts on the page, `continues` the decision whose next page it is, and `drafted` the interleaving that goes
    on there. `device` is the id of the app's installation or browser, and `force` the variant to show of an experiment,
    to test it.
    """

    surface: str
    time: float
    utc_offset_s: int = 0
    user: str | None = None
    session: str | None = None
    n: int | None = None
    context: dict[str, Scalar] = {}
    candidates: tuple[str | Inline, ...] | None = None
    exclude: tuple[str, ...] = ()
    filter: Filter | None = None
    shown: bool = True
    first_position: int = 0
    continues: str | None = None
    device: str | None = None
    force: dict[str, str] = {}
    drafted: Drafted | None = None


class Source(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One generator's word for a candidate: its score (scaled to 1 for the generator's best), its rank from 0, and
    the item that brought it."""

    name: str
    score: float
    rank: int
    because: str | None = None


class Pick(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One position of a slate. `propensity` is the probability of this item given the picks above it.

    `rule` names the business rule that placed it there, with propensity 1; nothing is learned from it. `sponsored` is
    what people are told of who paid. `chances` are those of all items there, where another system told them.
    """

    item: str
    position: int
    propensity: float
    score: float
    sources: tuple[Source, ...] = ()
    reason: str = ""
    version: int = 0
    features: Features | None = None
    team: str | None = None
    rule: str | None = None
    sponsored: str | None = None
    chances: dict[str, float] = {}


class Assignment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`phase` counts how often the experiment's weights had changed; `forced` where the caller named the variant, to
    test it: such a decision teaches nothing and is no part of the experiment's figures. `group` is "frozen" where the
    variant's weights served that learn no more; such a decision teaches nothing either."""

    experiment: str
    variant: str
    layer: str
    phase: int = 0
    forced: bool = False
    group: str = ""


class Interleaved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How rankings became one slate, where not by team draft.

    `exact` where each pick's propensity is its own given those above, over all chance there was: where neither ranking
    had any, and every order of their items could have come.
    """

    method: str
    exact: bool = False


class Fact(
    msgspec.Struct,
    frozen=True,
    tag_field="fact",
    tag=lambda name: name.lower(),
    omit_defaults=True,
    gc=False,  # facts hold no cycles, and a server keeps many: to look through them would hold it up
):
    """Something that happened. The log holds nothing else."""


class Decided(Fact, frozen=True):
    """A request was answered.

    `as_of` is the log position up to which the server had read, `weights_as_of` that of the weights which scored and
    `fits_as_of` that of what the fitted generators were made from; together they make the decision again. `user` and
    `context` hold the features as they were used. `teaches` names the weights that may learn from it. `imported` where
    another system decided; `dropped` is how likely it then was to leave this decision out of its log. Of an
    interleaving `rankings` holds each variant's, earlier pages included, and `interleaved` how they were merged: by
    team draft where it is missing.
    """

    decision: str
    request: Request
    strategy: str
    picks: tuple[Pick, ...]
    as_of: int
    weights_as_of: int = 0
    fits_as_of: int = 0
    scored_by: str = ""
    teaches: tuple[str, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    user: dict[str, float] = {}
    context: dict[str, float] = {}
    rankings: dict[str, tuple[str, ...]] = {}
    skipped: dict[str, str] = {}
    fallback: bool = False
    empty: str | None = None
    imported: bool = False
    interleaved: Interleaved | None = None
    dropped: float = 0.0

    @property
    def merged(self) -> bool:
        """Whether the slates of several variants became one; a triggered A/B keeps their rankings too."""
        return any(one.variant == "interleaved" for one in self.assignments)


class Exposed(Fact, frozen=True):
    """The client showed a slate, or the named positions of it."""

    decision: str
    positions: tuple[int, ...] | None = None
    time: float | None = None


class Rewarded(Fact, frozen=True):
    """A valued outcome of one pick, or of the whole slate where `position` is missing.

    `surface`, `user`, `session`, `item` and `segments` are filled in from the decision when it is recorded, so that no
    reader has to look the decision up.
    """

    decision: str
    name: str
    value: float
    surface: str
    position: int | None = None
    item: str | None = None
    user: str | None = None
    session: str | None = None
    time: float | None = None
    key: str | None = None
    segments: tuple[str, ...] = ()


class Interacted(Fact, frozen=True):
    """Behaviour that belongs to no decision: a page view, a purchase elsewhere. `segments` says among whom it was."""

    item: str
    name: str
    user: str | None = None
    session: str | None = None
    value: float = 1.0
    time: float | None = None
    key: str | None = None
    segments: tuple[str, ...] = ()


class ItemPut(Fact, frozen=True):
    item: str
    features: Features = {}
    tags: tuple[str, ...] = ()
    available: bool = True
    expires: float | None = None


class ItemRemoved(Fact, frozen=True):
    item: str


class UserPut(Fact, frozen=True):
    user: str
    features: Features = {}
    personalize: bool = True
    blocked_items: tuple[str, ...] = ()
    blocked_tags: tuple[str, ...] = ()


class UserErased(Fact, frozen=True):
    """A user asked to be forgotten. `user` is the pseudonym that replaced the id in the log, `was` the marks of that id
    and of the sessions that came with it, by which a reader who still knows them can forget them too."""

    user: str
    was: tuple[str, ...] = ()


class SurfacePut(Fact, frozen=True):
    name: str
    definition: msgspec.Raw


class StrategyPut(Fact, frozen=True):
    name: str
    definition: msgspec.Raw


class SignalsPut(Fact, frozen=True):
    """How much each name of a reward or an interaction tells of a taste, in place of what was said before; a name that
    is missing tells 1, and one of 0 nothing."""

    worths: dict[str, float]


class HoldoutPut(Fact, frozen=True):
    """The share of people who take part in no experiment, in place of what was said before."""

    share: float


class RulePut(Fact, frozen=True):
    name: str
    definition: msgspec.Raw


class RuleRemoved(Fact, frozen=True):
    name: str


class ExperimentPut(Fact, frozen=True):
    """`phase` where the server itself set new weights: the one that they begin."""

    name: str
    definition: msgspec.Raw
    phase: int | None = None


class ExperimentMoved(Fact, frozen=True):
    """An experiment went from one state of its life to the next; `winner` names the variant that was shipped.

    `left` is the state that it was in: there is no way back, so each is left once, whoever wants to and from where.
    `why` is the reason where the server itself moved it, by the rule of its definition.
    """

    name: str
    to: Literal["draft", "running", "stopped", "shipped", "archived"]
    winner: str | None = None
    left: str | None = None
    why: str | None = None


AnyFact = (
    Decided
    | Exposed
    | Rewarded
    | Interacted
    | ItemPut
    | ItemRemoved
    | UserPut
    | UserErased
    | SurfacePut
    | StrategyPut
    | SignalsPut
    | HoldoutPut
    | RulePut
    | RuleRemoved
    | ExperimentPut
    | ExperimentMoved
)


class Draft(NamedTuple):
    """A fact that is not in the log yet, and the time (seconds since the epoch) at which it happened."""

    fact: AnyFact
    at: float


class Entry(NamedTuple):
    """A fact with its place in the log."""

    seq: int
    at: float
    fact: AnyFact


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)


def encode(fact: AnyFact) -> bytes:
    """The fact as one line of JSON; floats survive the round trip exactly."""
    return _encoder.encode(fact)


def decode(body: bytes | str) -> AnyFact:
    return _decoder.decode(body)


def kind(fact: AnyFact) -> str:
    return type(fact).__name__.lower()


def key(fact: AnyFact) -> str | None:
    """The idempotency key under which the log keeps at most one fact, or None where each one counts."""
    match fact:
        case Decided():
            return f"decided/{fact.decision}"
        case Exposed():
            positions = "all" if fact.positions is None else ",".join(map(str, sorted(set(fact.positions))))
            return f"exposed/{fact.decision}/{positions}"
        case Rewarded(key=str(client_key)):
            # The length keeps decision "a/b" with key "c" apart from decision "a" with key "b/c".
            return f"rewarded/{len(fact.decision)}/{fact.decision}/{client_key}"
        case Interacted(key=str(client_key)):
            return f"interacted/{client_key}"
        case ExperimentMoved(left=str(left)):
            return f"moved/{left}/{fact.name}"
        case ExperimentPut(phase=int(phase)):
            return f"phase/{phase}/{fact.name}"
        case _:
            return None


def subject(fact: AnyFact) -> str | None:
    """The user whom the fact is about, or None."""
    match fact:
        case Decided():
            return fact.request.user
        case Rewarded() | Interacted() | UserPut() | UserErased():
            return fact.user
        case _:
            return None
