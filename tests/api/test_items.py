"""The catalogue over HTTP: whole versions in, the same out, whatever characters an id has."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from litestar.testing import TestClient

from bandstand.live import Live

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]

WEIRD = ["a/b", "/", "//", "a//b/", "😀", "%2F", "a b+c", "x" * 256, "..", "a?b#c", "start", "ü", "-"]


def place(item: str) -> str:
    # A client that resolves dot segments would never send "..", so its dots are encoded too.
    return f"/v1/items/{quote(item, safe='').replace('..', '%2E%2E')}"


@pytest.mark.parametrize("item", WEIRD)
def test_item_is_put_found_and_removed_under_any_id(client: Client, refused: Refused, item: str) -> None:
    body = {"features": {"category": "x", "price": 9.5, "vector": [1, 2.5]}, "tags": ["t"]}
    put = client.put(place(item), json=body)
    assert put.status_code == 200
    assert put.json() == body | {"item": item, "available": True, "expires": None}
    assert client.get(place(item)).json() == put.json()
    assert client.put(place(item), json=put.json()).status_code == 200
    removed = client.delete(place(item))
    assert (removed.status_code, removed.content) == (204, b"")
    refused(client.get(place(item)), 404, "unknown_item")
    refused(client.delete(place(item)), 404, "unknown_item")


def test_array_of_items_keeps_the_good_ones(client: Client, live: Live) -> None:
    batch = [{"item": "n1"}, {"item": ""}, {"features": {}}, {"item": "n2", "features": {"a": {}}}, {"item": "n3"}]
    body = client.put("/v1/items", json=batch).json()
    assert (body["accepted"], body["duplicates"]) == (2, 0)
    assert [one["error"]["field"] for one in body["rejected"]] == ["[1].item", "[2].item", "[3].features.a"]
    assert {"n1", "n3"} <= live.engine.model.state.catalogue.rows.keys()


def test_ten_thousand_items_fit_into_one_call(client: Client, live: Live) -> None:
    batch = [{"item": f"n{k}", "features": {"category": "c", "text": "x" * 100}} for k in range(10_000)]
    assert client.put("/v1/items", json=batch).json()["accepted"] == 10_000
    assert len(live.engine.model.state.catalogue.known) == 12 + 10_000


def test_put_item_replaces_the_earlier_version_whole(client: Client) -> None:
    client.put("/v1/items/n", json={"features": {"a": 1}, "tags": ["t"], "available": False})
    client.put("/v1/items/n", json={"features": {"b": 2}})
    shown = client.get("/v1/items/n").json()
    assert shown == {"item": "n", "features": {"b": 2}, "tags": [], "available": True, "expires": None}


def test_item_in_the_body_must_be_that_of_the_path(client: Client, refused: Refused) -> None:
    assert refused(client.put("/v1/items/n", json={"item": "m"}), 400)["field"] == "item"


def test_removed_item_is_not_ranked_and_put_again_it_is(client: Client) -> None:
    body = {"surface": "home", "n": 100}
    client.delete("/v1/items/i1")
    assert "i1" not in {pick["item"] for pick in client.post("/v1/rank", json=body).json()["picks"]}
    client.put("/v1/items/i1", json={"features": {"category": "bags"}})
    assert "i1" in {pick["item"] for pick in client.post("/v1/rank", json=body).json()["picks"]}


def test_expiry_is_given_back_in_utc_to_the_calendars_ends(client: Client, refused: Refused) -> None:
    def expiry(time: str) -> Any:
        client.put("/v1/items/n", json={"expires": time})
        return client.get("/v1/items/n").json()["expires"]

    assert expiry("2026-12-01T01:00:00+01:00") == "2026-12-01T00:00:00Z"
    assert expiry("9999-12-31T23:59:59-12:00") == "9999-12-31T23:59:59Z"
    assert expiry("0001-01-01T00:00:00+12:00") == "0001-01-01T00:00:00Z"
    assert refused(client.put("/v1/items/n", json={"expires": "2026-12-01T01:00:00"}), 400)["field"] == "expires"


def test_pages_list_every_item_once(client: Client) -> None:
    listed, after = [], None
    while True:
        page = client.get("/v1/items", params={"limit": 5} | ({"after": after} if after else {})).json()
        listed += [item["item"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
        assert len(page["items"]) == 5
    assert listed == [f"i{k}" for k in range(12)]


def test_page_goes_on_after_an_item_that_was_removed_meanwhile(client: Client) -> None:
    client.delete("/v1/items/i4")
    page = client.get("/v1/items", params={"limit": 2, "after": "i4"}).json()
    assert [item["item"] for item in page["items"]] == ["i5", "i6"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
        ("after=", "after"),
        ("after=a%00b", "after"),
        ("after=%ff", None),
        ("after=%ed%a0%80", None),
        ("&".join(f"p{k}=1" for k in range(100)), None),
    ],
)
def test_query_that_does_not_fit_is_refused_by_its_parameter(
    client: Client, refused: Refused, query: str, field: str
) -> None:
    assert refused(client.get(f"/v1/items?{query}"), 400)["field"] == field


def test_page_after_an_unknown_item_is_not_found(client: Client, refused: Refused) -> None:
    assert refused(client.get("/v1/items?after=nope"), 404, "unknown_item")["field"] == "after"


@pytest.mark.parametrize("segment", ["%ff", "a%00b", "x" * 257, "%ed%a0%80"])
def test_path_that_is_no_id_is_refused(client: Client, refused: Refused, segment: str) -> None:
    assert refused(client.get(f"/v1/items/{segment}"), 400)["field"] == "item"


def test_slash_that_was_not_encoded_is_told_how(client: Client, refused: Refused) -> None:
    assert "%2F" in refused(client.get("/v1/items/a/b"), 404, "unknown_route")["message"]


@pytest.mark.parametrize(
    "features",
    [
        {"a": None},
        {"a": {"b": 1}},
        {"a": [[1]]},
        {"a": [None]},
        {"": 1},
        {"x" * 129: 1},
        {"a": 10**400},
        {"a": [1e16]},
        {"text": "x" * 32_769},
        {"a": [0.5] * 4097},
        {str(k): k for k in range(201)},
    ],
)
def test_features_beyond_what_can_be_learned_are_refused(
    client: Client, refused: Refused, features: dict[str, Any]
) -> None:
    assert refused(client.put("/v1/items/n", json={"features": features}), 400)["field"].startswith("features")
