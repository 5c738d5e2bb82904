"""GET /v1/decisions/{id}: what was decided, on what evidence, and what came of it."""

from collections.abc import Callable
from typing import Any

from litestar.testing import TestClient

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]


def test_decision_is_explained_with_what_came_of_it(client: Client) -> None:
    client.post("/v1/interactions", json={"user": "ann", "item": "i1", "name": "view"})
    context = {"device": "mobile", "location": "FR-75"}
    answer = client.post("/v1/rank", json={"surface": "home", "user": "ann", "n": 4, "context": context}).json()
    key = {"decision": answer["decision"]}
    client.post("/v1/exposures", json=key | {"positions": [0, 1]})
    client.post("/v1/rewards", json=key | {"position": 1, "name": "click", "value": 1})
    other = client.post("/v1/rank", json={"surface": "home"}).json()
    client.post("/v1/rewards", json={"decision": other["decision"], "name": "click", "value": 1})
    told = client.get(f"/v1/decisions/{answer['decision']}").json()
    assert told["request"]["context"] == context
    assert told["context"]["region=FR-75"] == 1.0
    assert {"strategy", "as_of", "weights_as_of", "scored_by", "assignments", "fallback"} <= told.keys()
    assert [(pick["item"], pick["propensity"], pick["reason"]) for pick in told["picks"]] == [
        (pick["item"], pick["propensity"], pick["reason"]) for pick in answer["picks"]
    ]
    assert [[source["name"] for source in pick["sources"]] for pick in told["picks"]] == [
        pick["sources"] for pick in answer["picks"]
    ]
    assert [seen["positions"] for seen in told["exposures"]] == [[0, 1]]
    assert [(earned["name"], earned["position"]) for earned in told["rewards"]] == [("click", 1)]
    assert told["complete"] is True


def test_features_are_those_that_the_decision_was_made_from(client: Client) -> None:
    body = {"surface": "home", "candidates": ["i1", {"item": "own", "features": {"a": 1}}]}
    answer = client.post("/v1/rank", json=body).json()
    client.put("/v1/items/i1", json={"features": {"category": "changed since"}})
    told = client.get(f"/v1/decisions/{answer['decision']}").json()
    features = {pick["item"]: pick["features"] for pick in told["picks"]}
    assert features["i1"]["category"] == "bags"
    assert features["own"] == {"a": 1}


def test_unknown_decision_is_not_found(client: Client, refused: Refused) -> None:
    refused(client.get("/v1/decisions/a%2Fb"), 404, "unknown_decision")


def test_decision_says_what_moved_each_score(client: Client) -> None:
    answer = client.post("/v1/rank", json={"surface": "home", "user": "ann", "n": 2}).json()
    told = client.get(f"/v1/decisions/{answer['decision']}").json()
    assert told["moved_as_of"] == told["weights_as_of"]
    assert all(pick["moved"] is None or {"common", "most", "rest"} == pick["moved"].keys() for pick in told["picks"])
