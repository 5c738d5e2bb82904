"""Whatever is sent to whichever route: never a 5xx, and one shape for every refusal."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from bandstand.api import create_api
from bandstand.engine import Engine
from bandstand.errors import BandstandError, BusyError, StoreError
from bandstand.events import Draft
from bandstand.live import Live
from bandstand.store import Appended
from bandstand.store.memory import MemoryLog, MemorySnapshots

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]

GARBAGE = [
    b"",
    b" ",
    b"{",
    b"[",
    b"null",
    b"5",
    b'"text"',
    b"[]",
    b"{}",
    b"[{}]",
    b"[null, 5, []]",
    b'{"a": 1}',
    b'{"": null}',
    b"\xff\xfe",
    b"\x00",
    b'{"a": "\xff"}',
    b'{"a": "\\ud800"}',
    b'{"\\ud800": 1}',
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'{"a": 1' + b"0" * 5000 + b"}",
    b'[{"a": "\xff"}, {"a": "\\ud800"}]',
    b'[{"a": 1, "a": 2}]',
    b" " * 1_000_001,
]
IDS = ["x", "%ff", "%00", "%2F", "%F0%9F%98%80", "x" * 257, "x" * 5000, "%", "%zz", "..%2f", "~", "%20"]
ITEM = {"item": "n", "features": {"a": 1, "b": "x", "c": [1.5, "y"]}, "tags": ["t"], "expires": "2027-01-01T00:00:00Z"}
AB = [{"name": "a", "strategy": "default", "weight": 0.5}, {"name": "b", "strategy": "random", "weight": 0.5}]
VALID = {
    ("post", "/v1/rank"): {
        "surface": "home",
        "user": "u",
        "session": "s",
        "n": 3,
        "context": {"device": "mobile", "location": "FR-75", "item": "i1", "more": 1.5},
        "candidates": ["i1", {"item": "own", "features": {"a": 1, "b": ["x"]}}],
        "exclude": ["i2"],
        "filter": {"tags": ["sale"]},
        "shown": True,
    },
    ("post", "/v1/rewards"): [{"decision": "of a decision", "name": "click", "value": 1, "position": 0, "key": "k"}],
    ("post", "/v1/exposures"): {"decision": "of a decision", "positions": [0]},
    ("post", "/v1/interactions"): [{"user": "u", "item": "i1", "name": "view", "value": 1, "key": "k"}],
    ("put", "/v1/items"): [ITEM, ITEM],
    ("put", "/v1/items/n"): ITEM,
    ("put", "/v1/users/u"): {"features": {"a": 1}, "personalize": True, "blocked_items": ["i"], "blocked_tags": ["t"]},
    ("put", "/v1/experiments/e"): {
        "surface": "home",
        "variants": AB,
        "alpha": 0.1,
        "metrics": [{"name": "a", "reward": "b"}],
    },
    ("post", "/v1/experiments/e/ship"): {"winner": "a"},
}


def operations(client: Client) -> list[tuple[str, str]]:
    paths = client.get("/schema").json()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


def check(answer: httpx.Response, refused: Refused) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        refused(answer, answer.status_code)


def test_garbage_to_every_route_is_refused_in_one_shape(client: Client, refused: Refused) -> None:
    for method, path in operations(client):
        place = path.replace("{", "").replace("}", "")
        for content in GARBAGE:
            check(client.request(method, place, content=content), refused)


def test_garbage_in_every_path_and_query_is_refused_in_one_shape(client: Client, refused: Refused) -> None:
    for method, path in operations(client):
        for id_ in IDS:
            place = "/".join(id_ if part.startswith("{") else part for part in path.split("/"))
            check(client.request(method, f"{place}?{id_}={id_}&limit={id_}", content=b"{}"), refused)


def test_method_that_a_route_does_not_have_is_refused_in_one_shape(client: Client, refused: Refused) -> None:
    for _, path in operations(client):
        answer = client.request("PATCH", path.replace("{", "").replace("}", ""))
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/rank/more", "/v2/rank", "/v1/experiments/a/b/start", "/%00", "//"])
def test_unknown_route_is_refused_in_one_shape(client: Client, refused: Refused, path: str) -> None:
    refused(client.post(path), 404, "unknown_route")


def nested(depth: int, opening: str, closing: str) -> bytes:
    return (opening * depth).encode() + b"1" + (closing * depth).encode()


@pytest.mark.parametrize("depth", [300, 900, 980, 1000, 1020, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_wherever_it_is(
    client: Client, refused: Refused, depth: int, opening: str, closing: str
) -> None:
    deep = nested(depth, opening, closing)
    for place in (
        b"%b",
        b'{"surface": %b}',
        b'{"surface": "home", "context": {"a": %b}}',
        b'{"surface": "home", "candidates": [{"item": "x", "features": {"a": %b}}]}',
        b'{"surface": "home", "unknown": %b}',
    ):
        refused(client.post("/v1/rank", content=place % deep), 400)
        refused(client.put("/v1/experiments/e", content=place % deep), 400)
        check(client.post("/v1/rewards", content=b"[%b]" % (place % deep)), refused)


def test_body_beyond_the_limit_is_refused_and_at_the_limit_is_not(client: Client, refused: Refused) -> None:
    body = b'{"surface": "home"}'
    assert client.post("/v1/rank", content=body.ljust(1_000_000)).status_code == 200
    refused(client.post("/v1/rank", content=body.ljust(1_000_001)), 413, "too_large")
    assert client.put("/v1/items", content=b"[]".ljust(16_000_000)).status_code == 200
    refused(client.put("/v1/items", content=b"[]".ljust(16_000_001)), 413, "too_large")


def test_unexpected_failure_tells_its_id_and_nothing_else_and_the_log_has_the_reason(
    client: Client, live: Live, refused: Refused, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Any = "the secret inside"
    live.engine.model.state.surfaces["broken"] = broken
    with caplog.at_level(logging.ERROR, logger="bandstand"):
        error = refused(client.post("/v1/rank", json={"surface": "broken"}), 500, "internal")
    assert "secret" not in str(error)
    assert "attribute" not in error["message"]
    assert error["request"] in caplog.text
    assert "Traceback" in caplog.text


class Full(MemoryLog):
    """A log that takes nothing more."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        raise self.error


@pytest.mark.parametrize(("error", "code"), [(BusyError("queue: full"), "busy"), (StoreError("disk: full"), "store")])
def test_what_may_succeed_later_is_503_with_retry_after(
    shop: Engine, refused: Refused, error: BandstandError, code: str
) -> None:
    shop.log = Full(error)
    with TestClient(create_api(Live(shop, MemorySnapshots(), alone=True)), raise_server_exceptions=False) as client:
        answer = client.post("/v1/rank", json={"surface": "home"})
        refused(answer, 503, code)
        assert answer.headers["retry-after"] == "1"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def places(document: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a JSON document."""
    yield here
    if isinstance(document, dict | list):
        for key, inner in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(inner, (*here, key))


def replaced(document: Any, place: Sequence[str | int], value: object) -> Any:
    if not place:
        return value
    first, *rest = place
    inner = replaced(document[first], rest, value)
    if isinstance(document, dict):
        return document | {first: inner}
    return [inner if at == first else one for at, one in enumerate(document)]


@st.composite
def spoiled(draw: st.DrawFn, document: Any) -> bytes:
    """A valid body with some of its parts replaced by anything."""
    for _ in range(draw(st.integers(1, 3))):
        document = replaced(document, draw(st.sampled_from(list(places(document)))), draw(anything))
    return json.dumps(document).encode()


def fuzz(
    client: Client,
    refused: Refused,
    method: str,
    path: str,
    bodies: st.SearchStrategy[bytes],
    *,
    examples: int,
) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(bodies)
    def never_fails(content: bytes) -> None:
        check(client.request(method, path, content=content), refused)

    never_fails()


def test_no_body_whatever_makes_rank_fail(client: Client, refused: Refused) -> None:
    bodies = spoiled(VALID["post", "/v1/rank"]) | anything.map(lambda body: json.dumps(body).encode()) | st.binary()
    fuzz(client, refused, "post", "/v1/rank", bodies, examples=500)


@pytest.mark.parametrize(("method", "path"), [place for place in VALID if place[1] != "/v1/rank"])
def decided(client: Client, body: Any) -> Any:
    """The body, about a decision that was made."""
    answer = client.post("/v1/rank", json=VALID["post", "/v1/rank"]).json()
    return json.loads(json.dumps(body).replace("of a decision", answer["decision"]))


@pytest.mark.parametrize(("method", "path"), [place for place in VALID if place[1] != "/v1/rank"])
def test_no_nearly_valid_body_makes_a_route_fail(client: Client, refused: Refused, method: str, path: str) -> None:
    fuzz(client, refused, method, path, spoiled(decided(client, VALID[method, path])), examples=60)


def test_bodies_that_the_fuzzing_spoils_are_valid_to_begin_with(client: Client) -> None:
    for (method, path), body in VALID.items():
        answer = client.request(method, path, json=decided(client, body))
        assert answer.status_code in (200, 202), (path, answer.text)
        assert not answer.json().get("rejected"), (path, answer.text)
        if path == "/v1/experiments/e":
            client.post("/v1/experiments/e/start")
