"""For those who run the server: is it alive, is it ready, and what does it count."""

import asyncio

import msgspec
from litestar import get

from bandstand.api.answer import Answer, answer
from bandstand.api.document import says
from bandstand.api.serving import Serving
from bandstand.errors import BusyError

# Some seconds of a busy server's traffic: a server that lags so far is starting, or cannot keep up.
_FAR_BEHIND = 10_000
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Alive(msgspec.Struct, frozen=True):
    live: bool = True


class Ready(msgspec.Struct, frozen=True):
    """The server answers. `head` is the log's newest entry, `as_of` the newest that this server has read,
    `weights_as_of` that of the weights which serve; `failing` says which background tasks do not succeed, and why."""

    ready: bool
    head: int
    as_of: int
    weights_as_of: int
    failing: dict[str, str]


@get("/health/live", status_code=200, opt=says(Alive))
async def alive() -> Answer:
    """Say that the process answers."""
    return answer(Alive())


@get("/health/ready", status_code=200, opt=says(Ready))
async def ready(serving: Serving) -> Answer:
    """Say whether the log can be read and the model has caught up with it."""
    head = await asyncio.to_thread(serving.live.engine.log.head)
    model = serving.live.engine.model
    if head - model.state.seq > _FAR_BEHIND:
        raise BusyError(
            f"server: {head - model.state.seq:,} entries behind the log's {head:,}; it is ready when it has read them",
            code="not_ready",
        )
    return answer(Ready(True, head, model.state.seq, model.published.seq, dict(serving.live.failing)))


@get("/metrics", status_code=200, opt=says(str, media_type="text/plain"))
async def metrics(serving: Serving) -> Answer:
    """Count what the server does, in Prometheus' text format."""
    return Answer(await asyncio.to_thread(serving.metrics.text, serving.live), media_type=_PROMETHEUS)
