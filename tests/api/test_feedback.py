"""Rewards, exposures and interactions: batches, duplicates, and times that are not believed."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from litestar.testing import TestClient

from bandstand.events import Exposed, Interacted, Rewarded
from bandstand.live import Live
from bandstand.store import entries

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]
Answer = dict[str, Any]

T = TypeVar("T")
NOW = "2026-11-18T11:06:40Z"  # the tests' noon, 1795000000


@pytest.fixture
def decision(client: Client) -> Any:
    return client.post("/v1/rank", json={"surface": "home", "user": "ann", "session": "s", "n": 3}).json()


def facts(live: Live, kind: type[T]) -> list[T]:
    return [entry.fact for entry in entries(live.engine.log) if isinstance(entry.fact, kind)]


def click(ranked: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"decision": ranked["decision"], "position": 0, "name": "click", "value": 1} | more


def test_one_reward_is_recorded_with_what_its_decision_knows(client: Client, live: Live, decision: Answer) -> None:
    answer = client.post("/v1/rewards", json=click(decision))
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    (fact,) = facts(live, Rewarded)
    assert (fact.item, fact.user, fact.session, fact.surface) == (decision["picks"][0]["item"], "ann", "s", "home")


def test_reward_names_its_pick_by_item_or_by_position_or_the_whole_slate(
    client: Client, live: Live, decision: Answer
) -> None:
    second = decision["picks"][1]["item"]
    reward = {"decision": decision["decision"], "name": "buy", "value": 2.5}
    client.post("/v1/rewards", json=[reward | {"item": second}, reward | {"position": 2}, reward])
    assert [fact.position for fact in facts(live, Rewarded)] == [1, 2, None]


def test_bad_entries_are_rejected_by_index_and_the_others_kept(client: Client, live: Live, decision: Answer) -> None:
    batch = [
        click(decision, key="a"),
        click(decision, value="much"),
        click(decision, decision="nope"),
        click(decision, position=9),
        click(decision, item="i99"),
        click(decision, valeu=1),
        5,
        click(decision, value=1e7),
        click(decision, key="b"),
    ]
    answer = client.post("/v1/rewards", json=batch)
    assert answer.status_code == 202
    body = answer.json()
    assert body["accepted"] == 2
    assert [one["index"] for one in body["rejected"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [one["error"]["field"] for one in body["rejected"]] == [
        "[1].value",
        "[2].decision",
        "[3].position",
        "[4].item",
        "[5].valeu",
        "[6]",
        "[7].value",
    ]
    codes = {one["error"]["code"] for one in body["rejected"]}
    assert codes == {"invalid", "unknown_decision", "not_shown", "unknown_field"}
    assert [fact.key for fact in facts(live, Rewarded)] == ["a", "b"]


def test_one_bad_reward_on_its_own_is_the_error_itself(client: Client, refused: Refused, decision: Answer) -> None:
    refused(client.post("/v1/rewards", json=click(decision, decision="nope")), 404, "unknown_decision")
    refused(client.post("/v1/rewards", json=click(decision, position=9)), 400, "not_shown")


def test_repeated_key_is_counted_once(client: Client, live: Live, decision: Answer) -> None:
    batch = [click(decision, key="a"), click(decision, key="a")]
    assert client.post("/v1/rewards", json=batch).json() == {"accepted": 1, "duplicates": 1, "rejected": []}
    assert client.post("/v1/rewards", json=batch).json() == {"accepted": 0, "duplicates": 2, "rejected": []}
    assert len(facts(live, Rewarded)) == 1


def test_repeated_key_with_another_body_is_a_conflict(
    client: Client, live: Live, refused: Refused, decision: Answer
) -> None:
    client.post("/v1/rewards", json=click(decision, key="a"))
    refused(client.post("/v1/rewards", json=click(decision, key="a", value=2)), 409, "conflict")
    batch = [click(decision, key="a", position=1), click(decision, key="a")]
    body = client.post("/v1/rewards", json=batch).json()
    assert (body["accepted"], body["duplicates"]) == (0, 1)
    assert [(one["index"], one["error"]["code"], one["error"]["field"]) for one in body["rejected"]] == [
        (0, "conflict", "[0].key")
    ]
    assert len(facts(live, Rewarded)) == 1


def test_rewards_without_a_key_count_each_time(client: Client, live: Live, decision: Answer) -> None:
    client.post("/v1/rewards", json=[click(decision)] * 3)
    assert len(facts(live, Rewarded)) == 3


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400, "null", "true"])
def test_values_that_are_no_finite_number_are_refused(
    client: Client, live: Live, refused: Refused, decision: Answer, value: str
) -> None:
    body = f'{{"decision": "{decision["decision"]}", "name": "click", "value": {value}}}'
    refused(client.post("/v1/rewards", content=body), 400)
    assert facts(live, Rewarded) == []


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        ("2026-11-18T11:11:41Z", "at most 5 minutes ahead"),
        ("9999-12-31T23:59:59Z", "at most 5 minutes ahead"),
        ("2026-11-18T11:04:39Z", "at most 2 minutes before its decision"),
        ("2026-08-20T11:06:39Z", "at most 90 days before"),
        ("1970-01-01T00:00:00Z", "at most 90 days before"),
        ("2026-11-18T11:06:40", "add one such as Z or +01:00"),
    ],
)
@pytest.mark.parametrize("route", ["rewards", "exposures"])
def test_times_that_cannot_be_are_refused_with_the_rule(
    client: Client,
    refused: Refused,
    decision: Answer,
    route: str,
    time: str,
    rule: str,
) -> None:
    body = click(decision) if route == "rewards" else {"decision": decision["decision"]}
    error = refused(client.post(f"/v1/{route}", json=body | {"time": time}), 400)
    assert error["field"] == "time"
    assert rule in error["message"]


@pytest.mark.parametrize("time", ["2026-11-18T11:11:40Z", "2026-11-18T11:04:40Z", NOW, "2026-11-18T12:06:40+01:00"])
def test_times_at_the_edge_are_believed(client: Client, decision: Answer, time: str) -> None:
    assert client.post("/v1/rewards", json=click(decision, time=time)).status_code == 202


def test_late_reward_is_recorded(client: Client, live: Live, clock: list[float], decision: Answer) -> None:
    clock[0] += 89 * 86400
    assert client.post("/v1/rewards", json=click(decision, time=NOW)).json()["accepted"] == 1
    assert len(facts(live, Rewarded)) == 1


def test_exposures_are_recorded_once_each(client: Client, live: Live, decision: Answer) -> None:
    seen = {"decision": decision["decision"], "positions": [2, 0, 0]}
    assert client.post("/v1/exposures", json=seen).json()["accepted"] == 1
    again = client.post("/v1/exposures", json=[seen | {"positions": [0, 2]}, {"decision": decision["decision"]}]).json()
    assert (again["accepted"], again["duplicates"]) == (1, 1)
    assert [fact.positions for fact in facts(live, Exposed)] == [(0, 2), None]


def test_exposure_of_a_position_that_was_not_in_the_slate_is_refused(
    client: Client, refused: Refused, decision: Answer
) -> None:
    seen = {"decision": decision["decision"], "positions": [0, 3]}
    refused(client.post("/v1/exposures", json=seen), 400, "not_shown")


def test_interactions_are_recorded_and_the_next_slate_knows_them(client: Client, live: Live) -> None:
    batch = [
        {"user": "ann", "item": "i1", "name": "view", "key": "a"},
        {"session": "s", "item": "not yet known", "name": "view"},
        {"item": "i1", "name": "view"},
        {"user": "ann", "item": "i1", "name": "view", "value": 1e300},
    ]
    body = client.post("/v1/interactions", json=batch).json()
    assert body["accepted"] == 2
    assert [one["error"]["field"] for one in body["rejected"]] == ["[2].user", "[3].value"]
    assert [fact.item for fact in facts(live, Interacted)] == ["i1", "not yet known"]
    answer = client.post("/v1/rank", json={"surface": "home", "user": "ann"}).json()
    assert any(pick["sources"] != ["discovery"] for pick in answer["picks"])


def test_a_thousand_entries_fit_and_one_more_does_not(client: Client, refused: Refused) -> None:
    one = {"user": "ann", "item": "i1", "name": "view"}
    assert client.post("/v1/interactions", json=[one] * 1000).json()["accepted"] == 1000
    assert "1,001 entries" in refused(client.post("/v1/interactions", json=[one] * 1001), 400)["message"]


def test_empty_array_is_an_empty_batch(client: Client) -> None:
    assert client.post("/v1/rewards", json=[]).json() == {"accepted": 0, "duplicates": 0, "rejected": []}


def test_broken_json_refuses_the_whole_array(client: Client, live: Live, refused: Refused) -> None:
    body = b'[{"user": "ann", "item": "i1", "name": "view"}, {"user": ]'
    refused(client.post("/v1/interactions", content=body), 400, "malformed")
    assert facts(live, Interacted) == []
