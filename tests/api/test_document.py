"""The OpenAPI document says what the routes really take and give."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

Client = TestClient[Any]
Answer = dict[str, Any]


@pytest.fixture
def described(client: Client) -> Any:
    return client.get("/schema").json()


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_route_is_described(client: Client, described: Answer) -> None:
    declared = {(route.path_format, method) for route in client.app.routes for method in route.methods}
    documented = {(path, method.upper()) for path, methods in described["paths"].items() for method in methods}
    assert {place for place in declared if place[1] != "OPTIONS"} == documented | {("/schema", "GET")}


def test_every_reference_is_resolved(described: Answer) -> None:
    for reference in references(described):
        found = described
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_every_operation_has_a_summary_parameters_and_errors(described: Answer) -> None:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert {"4XX", "5XX"} <= operation["responses"].keys()
            in_path = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
            assert in_path == re.findall(r"{(\w+)}", path)
            takes_body = (method in ("post", "put")) and not path.endswith(("/start", "/stop", "/archive"))
            assert ("requestBody" in operation) == takes_body, (method, path)


def test_operations_have_names_of_their_own(described: Answer) -> None:
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_objects_that_refuse_unknown_fields_say_so(described: Answer) -> None:
    for name in ("Rank", "Reward", "Exposure", "Interaction", "ItemEntry", "User", "Experiment", "Ship", "Candidate"):
        assert described["components"]["schemas"][name]["additionalProperties"] is False, name


def test_batches_may_be_one_or_many(described: Answer) -> None:
    schema = described["paths"]["/v1/rewards"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    one = {"$ref": "#/components/schemas/Reward"}
    many = {"type": "array", "items": one, "maxItems": 1000}
    assert schema["anyOf"] in ([one, many], [many, one])
