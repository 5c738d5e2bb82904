"""The outermost layer of the server: what happens to every request, whichever route it is for."""

import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from time import perf_counter

import msgspec
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

from bandstand.api.answer import Answer, Failure, explained, failure, request_id
from bandstand.api.reading import LARGEST_BODY, body_of
from bandstand.chance import ids
from bandstand.errors import BusyError
from bandstand.live import Live

Observe = Callable[[str, int, float], None]
Ranked = Callable[[bytes], Awaitable[Answer]]
_RANK = "/v1/rank"
_NEXT = "/v1/decisions/{decision:str}/next"
_ID_DIGITS = 16


def rim(app: ASGIApp, observe: Observe, live: Live, ranked: Ranked) -> ASGIApp:
    """`app` with an id for each request, ids in paths left as they were sent, `observe(route, status, seconds)`, and
    HEAD wherever there is GET.

    A request for a slate waits here for its turn, or is refused while that costs next to nothing. From here its body
    goes straight to `ranked`: the way through Litestar would be a fifth of all that is done for it.

    Servers decode a path before it is routed, and with it the %2F of an id with a slash: such a path has one segment
    too many. Routing by the path as it was sent keeps each id one segment; the routes decode it.
    """
    ranking = _in_turn(app, live, ranked)
    names = ids(os.urandom(32))

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        started = perf_counter()
        id_ = next(names)[:_ID_DIGITS]
        scope["state"]["request_id"] = id_
        scope["path"] = scope["raw_path"].partition(b"?")[0].decode("latin-1")
        status, bare = 500, scope["method"] == "HEAD"
        if bare:  # whoever only asks whether a page is there, as monitors do, asks for it and reads no further
            scope["method"] = HttpMethod.GET

        async def watched(message: Message) -> None:
            nonlocal status
            if bare and message["type"] == "http.response.body":
                message["body"] = b""
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", id_.encode())]
            await send(message)

        inner = ranking if _decides(scope) else app
        try:
            await inner(scope, receive, watched)
        finally:
            observe(_route(scope), status, perf_counter() - started)

    return around


def _decides(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope.get("method") == "POST" and (
        path == _RANK or (path.startswith("/v1/decisions/") and path.endswith("/next"))
    )


def _in_turn(app: ASGIApp, live: Live, ranked: Ranked) -> ASGIApp:
    """`app` for requests that decide. Whoever is slow to send a body holds no place in line."""

    async def ranking(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            live.come()
            begun = [await receive()]
            await live.turn()
        except BusyError as error:
            await _refuse(error, scope, receive, send)
            return

        async def received() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            return begun.pop() if begun else await receive()

        if scope["path"] != _RANK:
            await app(scope, received, send)
            return
        scope["path_template"] = _RANK
        try:
            found = await ranked(_whole(begun[0]) or await body_of(received))
        except Exception as error:
            found = failure(scope, error)
        await found(scope, receive, send)

    return ranking


def _whole(message: HTTPReceiveMessage | WebSocketReceiveMessage) -> bytes | None:
    """The body, where this message is all of it and it is neither empty nor too long."""
    if message["type"] == "http.request" and not message["more_body"] and len(message["body"]) <= LARGEST_BODY:
        return message["body"]
    return None


async def _refuse(error: BusyError, scope: Scope, receive: Receive, send: Send) -> None:
    scope["path_template"] = _RANK if scope["path"] == _RANK else _NEXT
    body = msgspec.json.encode(Failure(explained(error, request_id(scope))))
    await Answer(body, status=HTTPStatus.SERVICE_UNAVAILABLE, more={"retry-after": "1"})(scope, receive, send)


def _route(scope: Scope) -> str:
    """The route as it was declared: as a label, paths would never end."""
    template = scope.get("path_template")
    return f"{scope.get('method')} {template}" if template else "unknown"
