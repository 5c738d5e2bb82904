"""What leaves the server: answers as JSON, and every failure in one shape with a fitting status."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send

from bandstand.errors import (
    BandstandError,
    BusyError,
    ConflictError,
    InputError,
    StoreError,
    UnknownError,
)

JSON = "application/json"
_STATUS_OF_CODE = {"slow": 408, "too_large": 413, "not_ready": 503}
_STATUS_OF_KIND: tuple[tuple[type[BandstandError], int], ...] = (
    (InputError, 400),
    (UnknownError, 404),
    (ConflictError, 409),
    (BusyError, 503),
    (StoreError, 503),
)
_logger = logging.getLogger("bandstand")
_encoder = msgspec.json.Encoder()
_NO_MORE: Mapping[str, str] = MappingProxyType({})


class Error(msgspec.Struct, frozen=True):
    """What went wrong, for a person (`message`) and for a program; `request` is the id of the refused request."""

    code: str
    message: str
    field: str | None
    request: str


class Failure(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: Error


class Answer:
    """A finished answer; `more` are headers beside those that the body has.

    Litestar's own response objects cost as much as everything else that it does for a request.
    """

    __slots__ = ("body", "media_type", "more", "status")

    def __init__(
        self, body: bytes = b"", *, status: int = 200, media_type: str = JSON, more: Mapping[str, str] = _NO_MORE
    ) -> None:
        self.body = body
        self.status = status
        self.media_type = media_type
        self.more = more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.encode(), text.encode()) for name, text in self.more.items()]
        if self.status != HTTPStatus.NO_CONTENT:
            length = str(len(self.body)).encode()
            headers += (b"content-type", self.media_type.encode()), (b"content-length", length)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def answer(content: object, *, status: int = 200) -> Answer:
    return Answer(_encoder.encode(content), status=status)


def nothing() -> Answer:
    """The answer of what has succeeded and has no more to say."""
    return Answer(status=HTTPStatus.NO_CONTENT)


def request_id(scope: Scope) -> str:
    found: str = scope["state"].get("request_id", "")
    return found


def explained(error: BandstandError, request: str, *, within: str = "") -> Error:
    """The error as data; `within` is the path of the entry in which `error.field` is found."""
    field = error.field
    if within:
        field = within if field is None else f"{within}.{field}"
    return Error(error.code, str(error), field, request)


def failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """`failure` for Litestar."""
    told = failure(request.scope, error)
    return Response(told.body, status_code=told.status, headers=dict(told.more), media_type=JSON)


def failure(scope: Scope, error: Exception) -> Answer:
    """The answer to a request that raised `error`. What nobody expected is logged, and told to nobody else."""
    id_ = request_id(scope)
    headers: dict[str, str] = {}
    match error:
        case BandstandError():
            status, content = _status(error), explained(error, id_)
            if status == HTTPStatus.SERVICE_UNAVAILABLE:
                headers["retry-after"] = "1"
                _logger.warning("request %s: %s", id_, error)
        case HTTPException() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            status, content = error.status_code, _of_the_framework(error, scope)
            headers |= error.headers or {}
        case _:
            _logger.error("request %s: %s", id_, error, exc_info=error)
            message = f"request {id_}: the server failed; its log has the reason under this id"
            status, content = 500, Error("internal", message, None, id_)
    return Answer(_encoder.encode(Failure(content)), status=status, more=headers)


def _status(error: BandstandError) -> int:
    by_code = _STATUS_OF_CODE.get(error.code)
    if by_code is not None:
        return by_code
    return next((status for kind, status in _STATUS_OF_KIND if isinstance(error, kind)), 500)


def _of_the_framework(error: HTTPException, scope: Scope) -> Error:
    """What routing refused, in our words."""
    asked, id_ = f"{scope.get('method')} {scope['path'][:300]}", request_id(scope)
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            how = "an id's slashes are written %2F; /schema lists the routes"
            return Error("unknown_route", f"{asked}: there is no such route; {how}", None, id_)
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("allow", "none")
            return Error("method_not_allowed", f"{asked}: not allowed; allowed: {allowed}", None, id_)
        case _:
            return Error("invalid", f"{asked}: {error.detail}", None, id_)
