"""One decision explained: what was asked and shown, on what evidence, and what came of it."""

import asyncio
from itertools import islice

import msgspec
from litestar import get

from bandstand.api.answer import Answer, answer
from bandstand.api.document import says
from bandstand.api.reading import PathId, identifier
from bandstand.api.serving import Serving
from bandstand.errors import UnknownError
from bandstand.events import Assignment, Decided, Exposed, Features, ItemPut, Pick, Request, Rewarded
from bandstand.explain import Parts, parts
from bandstand.features import item_features, source_features
from bandstand.live import Live
from bandstand.policy.linear import Weights
from bandstand.store import EventLog, entries

# The log is not indexed by decision, so what came of one is sought behind it, and not for ever.
_FARTHEST = 20_000


class Evidence(msgspec.Struct, frozen=True):
    """A generator's word for an item: its score and rank, and the item that brought it."""

    name: str
    score: float
    rank: int
    because: str | None


class Explained(msgspec.Struct, frozen=True):
    """A pick with what was known of it. `features` are those of the item's version that was served; `moved` is what
    moved its score, where weights made it, by the weights `moved_as_of` of the decision."""

    item: str
    position: int
    propensity: float
    score: float
    reason: str
    sources: list[Evidence]
    features: Features | None
    team: str | None
    rule: str | None
    sponsored: str | None
    moved: Parts | None


class SeenAt(msgspec.Struct, frozen=True):
    at: float
    positions: tuple[int, ...] | None


class EarnedAt(msgspec.Struct, frozen=True):
    at: float
    name: str
    value: float
    item: str | None
    position: int | None


class Decision(msgspec.Struct, frozen=True):
    """A decision and what came of it. Times are seconds since the epoch.

    `user` and `context` are the features that were used. Its weights, `weights_as_of`, are held for some seconds; then
    those that serve now, `moved_as_of`, explain it. Exposures and rewards are those up to log position `read_to`;
    `complete` says that this is the log's end.
    """

    decision: str
    seq: int
    at: float
    request: Request
    strategy: str
    as_of: int
    weights_as_of: int
    fits_as_of: int
    moved_as_of: int
    scored_by: str
    assignments: tuple[Assignment, ...]
    user: dict[str, float]
    context: dict[str, float]
    picks: list[Explained]
    rankings: dict[str, tuple[str, ...]]
    skipped: dict[str, str]
    empty: str | None
    fallback: bool
    exposures: list[SeenAt]
    rewards: list[EarnedAt]
    read_to: int
    complete: bool


@get("/v1/decisions/{decision:str}", status_code=200, opt=says(Decision))
async def get_decision(decision: PathId, serving: Serving) -> Answer:
    """Explain a decision: what was decided, on what evidence, why, and what came of it."""
    return answer(await asyncio.to_thread(_explained, serving.live, identifier(decision, "decision")))


def _explained(live: Live, decision: str) -> Decision:
    log = live.engine.log
    entry = log.find(f"decided/{decision}")
    if entry is None or not isinstance(entry.fact, Decided):
        raise UnknownError(
            f"decision {decision!r} is not in the log; use the `decision` of a rank answer",
            field="decision",
            code="unknown_decision",
        )
    fact = entry.fact
    exposures: list[SeenAt] = []
    rewards: list[EarnedAt] = []
    read_to = entry.seq
    for later in islice(entries(log, after=entry.seq), _FARTHEST):
        read_to = later.seq
        match later.fact:
            case Exposed(decision=of) as seen if of == decision:
                exposures.append(SeenAt(later.at, seen.positions))
            case Rewarded(decision=of) as earned if of == decision:
                rewards.append(EarnedAt(later.at, earned.name, earned.value, earned.item, earned.position))
            case _:
                pass
    published = live.published(fact.weights_as_of)
    weights = published.weights.get(fact.scored_by)
    return Decision(
        decision=decision,
        seq=entry.seq,
        at=entry.at,
        request=fact.request,
        strategy=fact.strategy,
        as_of=fact.as_of,
        weights_as_of=fact.weights_as_of,
        fits_as_of=fact.fits_as_of,
        moved_as_of=published.seq,
        scored_by=fact.scored_by,
        assignments=fact.assignments,
        user=fact.user,
        context=fact.context,
        picks=[_pick(log, fact, pick, weights) for pick in fact.picks],
        rankings=fact.rankings,
        skipped=fact.skipped,
        empty=fact.empty,
        fallback=fact.fallback,
        exposures=exposures,
        rewards=rewards,
        read_to=read_to,
        complete=read_to >= log.head(),
    )


def _pick(log: EventLog, fact: Decided, pick: Pick, weights: Weights | None) -> Explained:
    put = ItemPut(pick.item, pick.features) if pick.features is not None else _item(log, pick.version)
    return Explained(
        item=pick.item,
        position=pick.position,
        propensity=pick.propensity,
        score=pick.score,
        reason=pick.reason,
        sources=[Evidence(one.name, one.score, one.rank, one.because) for one in pick.sources],
        features=None if put is None else put.features,
        team=pick.team,
        rule=pick.rule,
        sponsored=pick.sponsored,
        moved=None if put is None or weights is None else _moved(fact, pick, put, weights),
    )


def _moved(fact: Decided, pick: Pick, put: ItemPut, weights: Weights) -> Parts:
    return parts(
        weights,
        user=fact.user,
        context=fact.context,
        item=item_features(put.item, put.features, put.tags),
        sources=source_features(pick.sources),
    )


def _item(log: EventLog, version: int) -> ItemPut | None:
    """The item version that the log holds at this position."""
    for entry in log.read(after=version - 1, limit=1) if version else ():
        if isinstance(entry.fact, ItemPut):
            return entry.fact
    return None
