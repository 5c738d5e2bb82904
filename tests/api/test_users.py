"""Users over HTTP: profile, export, erasure."""

from collections.abc import Callable
from typing import Any

from litestar.testing import TestClient

from bandstand.live import Live
from bandstand.store import entries

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]


def test_profile_is_put_whole_and_given_back(client: Client, refused: Refused) -> None:
    refused(client.get("/v1/users/a%2Fb"), 404, "unknown_user")
    profile = {"features": {"plan": "pro"}, "personalize": False, "blocked_items": ["i1"], "blocked_tags": ["sale"]}
    put = client.put("/v1/users/a%2Fb", json=profile)
    assert put.json() == profile | {"user": "a/b"}
    assert client.get("/v1/users/a%2Fb").json() == put.json()
    assert client.put("/v1/users/a%2Fb", json=put.json()).status_code == 200
    assert client.put("/v1/users/a%2Fb", json={}).json()["features"] == {}


def test_profile_of_another_user_than_the_paths_is_refused(client: Client, refused: Refused) -> None:
    assert refused(client.put("/v1/users/ann", json={"user": "bob"}), 400)["field"] == "user"


def test_blocked_items_and_tags_are_obeyed_at_once(client: Client) -> None:
    client.put("/v1/users/ann", json={"blocked_items": ["i1"], "blocked_tags": ["sale"]})
    picks = client.post("/v1/rank", json={"surface": "home", "user": "ann", "n": 100}).json()["picks"]
    # Even items are on sale, i3 is out of stock.
    assert {pick["item"] for pick in picks} == {"i5", "i7", "i9", "i11"}


def test_export_has_everything_in_the_log_about_the_user_and_nobody_else(client: Client) -> None:
    client.put("/v1/users/ann", json={"features": {"plan": "pro"}})
    client.post("/v1/interactions", json=[{"user": user, "item": "i1", "name": "view"} for user in ("ann", "bob")])
    ranked = client.post("/v1/rank", json={"surface": "home", "user": "ann"}).json()
    client.post("/v1/rewards", json={"decision": ranked["decision"], "position": 0, "name": "click", "value": 1})
    export = client.get("/v1/users/ann/export").json()
    assert export["user"] == "ann"
    assert export["profile"]["features"] == {"plan": "pro"}
    assert export["history"] == [ranked["picks"][0]["item"], "i1"] or export["history"] == ["i1"]
    assert [entry["fact"]["fact"] for entry in export["entries"]] == ["userput", "interacted", "decided", "rewarded"]
    assert "bob" not in str(export)


def test_erased_user_is_in_no_fact_any_more(client: Client, live: Live, refused: Refused) -> None:
    client.put("/v1/users/canary", json={"features": {"plan": "pro"}})
    client.post("/v1/interactions", json={"user": "canary", "item": "i1", "name": "view"})
    client.post("/v1/rank", json={"surface": "home", "user": "canary"})
    assert client.delete("/v1/users/canary").status_code == 204
    assert "canary" not in str(list(entries(live.engine.log)))
    refused(client.get("/v1/users/canary"), 404, "unknown_user")
    refused(client.get("/v1/users/canary/export"), 404, "unknown_user")
    assert client.delete("/v1/users/canary").status_code == 204
