"""`POST /v1/rank`: the hot path, from bytes to a decision and back."""

from typing import cast

import msgspec
from litestar import post

from bandstand.api.answer import Answer
from bandstand.api.bodies import Candidate, NextPage, Quality, Rank
from bandstand.api.document import says
from bandstand.api.reading import Http, PathId, body_of, identifier, read
from bandstand.api.serving import Serving, Shared
from bandstand.api.times import local_time
from bandstand.errors import InputError
from bandstand.events import Assignment, Decided, Filter, Inline, Pick, Request
from bandstand.offer import GIVEN

_LONGEST_ID = 256
_GIVEN = [GIVEN.name]


class Shown(msgspec.Struct, frozen=True, gc=False):
    """One position of a slate. `propensity` is the probability of this pick given the picks above it; `rule` names the
    business rule that placed it, `sponsored` is to be shown with it."""

    item: str
    position: int
    propensity: float
    score: float
    sources: list[str]
    reason: str
    rule: str | msgspec.UnsetType = msgspec.UNSET
    sponsored: str | msgspec.UnsetType = msgspec.UNSET


class Slate(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request. `skipped` says why candidates of the app's cannot be shown, `empty` why none is."""

    decision: str
    surface: str
    strategy: str
    as_of: int
    picks: list[Shown]
    assignments: tuple[Assignment, ...]
    fallback: bool
    skipped: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    empty: str | msgspec.UnsetType = msgspec.UNSET


_bodies = msgspec.json.Decoder(Rank)
_next_pages = msgspec.json.Decoder(NextPage)
_encoder = msgspec.json.Encoder()


@post("/v1/rank", status_code=200, opt=says(Slate, body=Rank))
async def rank(request: Http, serving: Serving) -> Answer:
    """Decide a slate.

    Without candidates the strategy's generators propose; the same key answers the same decision again.
    """
    return await ranked(await body_of(request.receive), serving)


async def ranked(sent: bytes, serving: Shared) -> Answer:
    """The same, of a body that is there: the server's outermost layer comes here directly."""
    body = read(sent, _bodies)
    return _answered(await serving.live.rank(asked(body, now=serving.live.clock()), key=body.key), serving)


@post("/v1/decisions/{decision:str}/next", status_code=200, opt=says(Slate, body=NextPage))
async def next_page(decision: PathId, request: Http, serving: Serving) -> Answer:
    """Go on where a decision's slate ended, without repeats.

    The answer is a decision of its own, from which the page after it is asked for. Asked again, it is the same.
    """
    body = read(await body_of(request.receive) or b"{}", _next_pages)
    return _answered(await serving.live.next_page(identifier(decision, "decision"), body.n), serving)


def asked(body: Rank, *, now: float) -> Request:
    """The request that the body means; InputError for a part of the context that does not fit."""
    context = dict(body.context)
    time, utc_offset_s = now, 0
    if "time" in context:
        time, utc_offset_s = local_time(context.pop("time"), now=now)
    for name in ("device", "location", "item"):
        if name in context:
            _check_text(name, context[name])
    return Request(
        surface=body.surface,
        time=time,
        utc_offset_s=utc_offset_s,
        user=body.user,
        session=body.session,
        n=body.n,
        context=context,
        candidates=None if body.candidates is None else _candidates(body.candidates),
        exclude=body.exclude,
        filter=None if body.filter is None else Filter(body.filter.tags, body.filter.where),
        shown=body.shown,
        device=body.device,
        force=body.force,
    )


def _answered(decided: Decided, serving: Shared) -> Answer:
    serving.metrics.decided(decided.request.surface, decided.strategy)
    return Answer(_encoder.encode(slate(decided)))


def slate(decided: Decided) -> Slate:
    return Slate(
        decision=decided.decision,
        surface=decided.request.surface,
        strategy=decided.strategy,
        as_of=decided.as_of,
        picks=[_shown(pick) for pick in decided.picks],
        assignments=decided.assignments,
        fallback=decided.fallback,
        skipped=decided.skipped or msgspec.UNSET,
        empty=decided.empty or msgspec.UNSET,
    )


def _shown(pick: Pick) -> Shown:
    return Shown(
        pick.item,
        pick.position,
        pick.propensity,
        pick.score,
        [source.name for source in pick.sources] if pick.sources else _GIVEN,
        pick.reason,
        pick.rule or msgspec.UNSET,
        pick.sponsored or msgspec.UNSET,
    )


def _candidates(named: tuple[str | Candidate, ...]) -> tuple[str | Inline, ...]:
    if Candidate in set(map(type, named)):
        return tuple([one if isinstance(one, str) else Inline(one.item, one.features) for one in named])
    return cast(tuple[str, ...], named)


def _check_text(name: str, value: Quality) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_ID:
        raise InputError(
            f"context.{name} == {value!r:.60}, must be a text of 1 to {_LONGEST_ID} characters; "
            "leave it out where it is not known",
            field=f"context.{name}",
        )
