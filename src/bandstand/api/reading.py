"""What arrives: a request's body, query and path, read strictly, with errors that name the field and the rule."""

import asyncio
import json
import re
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from litestar import Request
from litestar.params import FromPath
from litestar.types import Receive

from bandstand.api.bodies import VALUES, Id
from bandstand.errors import InputError
from bandstand.misfit import misfit
from bandstand.native import native

LARGEST_BODY = 1_000_000
_SLOWEST_BODY_S = 15.0
_MOST_PARAMETERS = 20
_SHOWN = 60

Http = Request[Any, Any, Any]
PathId: TypeAlias = FromPath[str]
T = TypeVar("T")

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_raw_entries: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


async def body_of(receive: Receive, *, limit: int = LARGEST_BODY) -> bytes:
    """The whole body. InputError where it is larger than `limit` bytes, comes too slowly, or breaks off."""
    chunks: list[bytes] = []
    left = limit
    try:
        async with asyncio.timeout(_SLOWEST_BODY_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise InputError("body: it broke off or is badly chunked; send it whole", code="incomplete")
                chunks.append(message["body"])
                left -= len(message["body"])
                if left < 0:
                    raise InputError(
                        f"body: longer than {limit:,} bytes, the most that this route takes; send it in parts",
                        code="too_large",
                    )
                if not message["more_body"]:
                    return b"".join(chunks)
    except TimeoutError:
        raise InputError(f"body: not complete after {_SLOWEST_BODY_S:g} s; send it faster", code="slow") from None


def read(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """What the JSON says; InputError names the field that does not fit, and the rule."""
    try:
        found = decoder.decode(body)
        text = body.decode()
        if native is None or native.doubtful(body):
            _each_name_once.decode(text)
    except msgspec.ValidationError as error:
        raise misfit(str(error), _plain(body), decoder.type, tables=VALUES) from None
    except (ValueError, RecursionError) as error:
        raise _malformed(body, error) from None
    if b"\\u0000" in body and _NUL.search(body):
        raise InputError("body: a text contains the NUL character (\\u0000), which cannot be stored; remove it")
    return found


def entries(body: bytes, *, most: int) -> list[msgspec.Raw] | None:
    """The entries of an array, not looked into yet; None where the body is no array."""
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return None
    try:
        found = _raw_entries.decode(body)
    except (ValueError, RecursionError) as error:
        raise _malformed(body, error) from None
    if len(found) > most:
        raise InputError(f"body: {len(found):,} entries, at most {most:,} at once; send the rest in another call")
    return found


def query(request: Http, kind: type[T]) -> T:
    """The parameters after the `?`, each at most once and none that the route does not know."""
    text: bytes = request.scope["query_string"]
    try:
        pairs = parse_qsl(
            text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError as error:
        raise InputError(f"query: {error}; write it percent-encoded in UTF-8, each parameter once") from None
    _once(pairs)
    for name, value in pairs:
        _check_nul(value, name)
    try:
        return msgspec.convert(dict(pairs), kind, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(str(error), dict(pairs), kind) from None


def identifier(encoded: str, field: str) -> str:
    """The id that a path's segment writes percent-encoded."""
    try:
        found = msgspec.convert(unquote_to_bytes(encoded).decode(), Id)
    except UnicodeDecodeError:
        raise InputError(f"{field}: {encoded[:_SHOWN]} is not percent-encoded UTF-8", field=field) from None
    except msgspec.ValidationError:
        raise InputError(f"{field}: longer than 256 characters, the most that an id may have", field=field) from None
    _check_nul(found, field)
    return found


def _check_nul(text: str, field: str) -> None:
    if "\0" in text:
        raise InputError(f"{field}: contains the NUL character, which cannot be stored; remove it", field=field)


def _once(pairs: list[tuple[str, object]] | list[tuple[str, str]]) -> dict[str, object]:
    """The pairs as a table. msgspec keeps the last of two values for a name, and says nothing."""
    table: dict[str, object] = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in table if names.count(name) > 1)
        raise InputError(f"{twice}: given more than once; say which value is meant", field=twice, code="repeated_field")
    return table


_each_name_once = json.JSONDecoder(object_pairs_hook=_once)


def _malformed(body: bytes, error: Exception) -> InputError:
    if isinstance(error, RecursionError):
        return InputError("body: nested too deep; send it flatter", code="malformed")
    why = str(error) if body.strip() else "it is empty"
    return InputError(f"body: not JSON in UTF-8 ({why}); send a JSON document", code="malformed")


def _plain(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return msgspec.UNSET  # broken behind the field that does not fit
