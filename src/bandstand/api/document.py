"""The OpenAPI document, made from the very structs that the routes decode and encode."""

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from inspect import getdoc
from typing import Any, NamedTuple

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec.structs import fields

from bandstand.api.answer import JSON, Failure
from bandstand.api.bodies import Id, NoQuery

_REF = "#/components/schemas/{name}"
_SAYS = "says"
_INTRODUCTION = (
    "Slates ranked by contextual bandits, and experiments about them. Ids are 1 to 256 characters, any but NUL; in a "
    "path they are percent-encoded, a slash as %2F. Bodies are JSON whatever their content type says; unknown and "
    "repeated fields are refused. Every error has the shape of `Failure`."
)


class Says(NamedTuple):
    """What a route takes and gives, beyond what its path says."""

    answer: Any
    body: Any
    query: type[msgspec.Struct]
    status: int
    media_type: str


def says(
    answer: Any = None,
    *,
    body: Any = None,
    query: type[msgspec.Struct] = NoQuery,
    status: int = 200,
    media_type: str = JSON,
) -> dict[str, Says]:
    """The `opt` of a route that the document describes."""
    return {_SAYS: Says(answer, body, query, status, media_type)}


def document(routes: Iterable[object]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes."""
    described = list(_described(routes))
    kinds = [kind for _, _, says in described for kind in (says.answer, says.body) if kind is not None]
    schemas, components = msgspec.json.schema_components([*kinds, Failure], ref_template=_REF)
    schema_of = {str(kind): schema for kind, schema in zip([*kinds, Failure], schemas, strict=True)}
    paths: dict[str, Any] = {}
    for path, handler, said in described:
        for method in sorted(handler.http_methods):
            paths.setdefault(path, {})[method.lower()] = _operation(path, handler, said, schema_of)
    failure = {"description": "what is wrong, and what to do", "content": {JSON: {"schema": schema_of[str(Failure)]}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bandstand", "version": version("bandstand"), "description": _INTRODUCTION},
        "paths": paths,
        "components": {"schemas": components, "responses": {"Failure": failure}},
    }


def _described(routes: Iterable[object]) -> Iterator[tuple[str, HTTPRouteHandler, Says]]:
    for route in routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if _SAYS in handler.opt:
                    yield route.path_format, handler, handler.opt[_SAYS]


def _operation(path: str, handler: HTTPRouteHandler, said: Says, schema_of: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = (getdoc(handler.fn) or "").partition("\n\n")
    success: dict[str, Any] = {"description": "done"}
    if said.answer is not None:
        success["content"] = {said.media_type: {"schema": schema_of[str(said.answer)]}}
    failure = {"$ref": "#/components/responses/Failure"}
    operation = {
        "operationId": handler.handler_name,
        "summary": " ".join(summary.split()),
        "description": " ".join(more.split()),
        "parameters": [*_in_path(path), *_in_query(said.query)],
        "responses": {str(said.status): success, "4XX": failure, "5XX": failure},
    }
    if said.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[str(said.body)]}}}
    return operation


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for part in path.split("/"):
        if part.startswith("{"):
            schema = msgspec.json.schema(Id)
            yield {"name": part.strip("{}"), "in": "path", "required": True, "schema": schema}


def _in_query(kind: type[msgspec.Struct]) -> Iterator[dict[str, Any]]:
    for field in fields(kind):
        yield {"name": field.name, "in": "query", "required": False, "schema": msgspec.json.schema(field.type)}
