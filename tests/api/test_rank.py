"""POST /v1/rank: what apps rely on in the answer, and what is refused with which words."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar.testing import TestClient

from bandstand.events import Decided
from bandstand.live import Live

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]


def decided(live: Live, answer: dict[str, Any]) -> Decided:
    entry = live.engine.log.find(f"decided/{answer['decision']}")
    assert entry is not None
    assert isinstance(entry.fact, Decided)
    return entry.fact


def test_answer_has_the_documented_fields_and_no_more(client: Client) -> None:
    answer = client.post("/v1/rank", json={"surface": "home", "user": "ann", "n": 3}).json()
    assert answer.keys() == {"decision", "surface", "strategy", "as_of", "picks", "assignments", "fallback"}
    assert [pick["position"] for pick in answer["picks"]] == [0, 1, 2]
    for pick in answer["picks"]:
        assert pick.keys() == {"item", "position", "propensity", "score", "sources", "reason"}
        assert 0 < pick["propensity"] <= 1
        assert all(isinstance(source, str) for source in pick["sources"])


def test_decision_is_in_the_log_when_the_answer_arrives(client: Client, live: Live) -> None:
    answer = client.post("/v1/rank", json={"surface": "home"}).json()
    assert [pick.item for pick in decided(live, answer).picks] == [pick["item"] for pick in answer["picks"]]


def test_content_type_does_not_matter_as_long_as_it_is_json(client: Client) -> None:
    body = b'{"surface": "home"}'
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "nonsense"):
        assert client.post("/v1/rank", content=body, headers={"content-type": kind}).status_code == 200


def test_given_candidates_are_ranked_and_the_others_explained(client: Client) -> None:
    body = {"surface": "home", "candidates": ["i1", "i3", "nope", {"item": "x/9", "features": {"category": "hats"}}]}
    answer = client.post("/v1/rank", json=body).json()
    assert {pick["item"] for pick in answer["picks"]} == {"i1", "x/9"}
    assert all(pick["sources"] == ["given"] for pick in answer["picks"])
    assert answer["skipped"].keys() == {"i3", "nope"}
    assert answer["skipped"]["nope"] == "not in the catalogue"


def test_empty_slate_says_why(client: Client) -> None:
    answer = client.post("/v1/rank", json={"surface": "home", "filter": {"tags": ["sale", "unheard of"]}}).json()
    assert answer["picks"] == []
    assert "rule out" in answer["empty"]


def test_excluded_items_and_the_pages_own_item_are_not_shown(client: Client) -> None:
    body = {"surface": "related", "n": 100, "context": {"item": "i1"}, "exclude": ["i2"]}
    shown = {pick["item"] for pick in client.post("/v1/rank", json=body).json()["picks"]}
    assert shown
    assert not shown & {"i1", "i2"}


def test_time_becomes_the_users_local_time(client: Client, live: Live) -> None:
    # 1795000000 is 2026-11-18T11:06:40Z.
    context = {"time": "2026-11-18T13:06:40+02:00", "device": "mobile"}
    answer = client.post("/v1/rank", json={"surface": "home", "context": context}).json()
    fact = decided(live, answer)
    assert fact.request.time == 1_795_000_000.0
    assert fact.request.utc_offset_s == 7200
    assert fact.request.context == {"device": "mobile"}
    assert fact.context["hour=13"] == 1.0


def test_time_defaults_to_the_servers(client: Client, live: Live, clock: list[float]) -> None:
    clock[0] += 60
    answer = client.post("/v1/rank", json={"surface": "home"}).json()
    assert decided(live, answer).request.time == clock[0]


@pytest.mark.parametrize("time", ["2026-11-19T11:06:41Z", "2026-11-17T11:06:39Z", "1970-01-01T00:00:00Z"])
def test_time_beyond_a_day_from_now_is_refused_with_the_way_to_import_history(
    client: Client, refused: Refused, time: str
) -> None:
    error = refused(client.post("/v1/rank", json={"surface": "home", "context": {"time": time}}), 400)
    assert error["field"] == "context.time"
    assert "bandstand import" in error["message"]


@pytest.mark.parametrize("time", ["2026-11-18T11:06:40", "yesterday", 1_795_000_000, "0001-01-01T00:00:00+10:00"])
def test_time_without_an_offset_or_no_time_at_all_is_refused_by_its_field(
    client: Client, refused: Refused, time: str
) -> None:
    error = refused(client.post("/v1/rank", json={"surface": "home", "context": {"time": time}}), 400)
    assert error["field"] == "context.time"


def test_naive_time_is_told_to_add_an_offset(client: Client, refused: Refused) -> None:
    body = {"surface": "home", "context": {"time": "2026-11-18T11:06:40"}}
    assert "add one such as Z or +01:00" in refused(client.post("/v1/rank", json=body), 400)["message"]


def test_same_key_answers_the_same_decision_and_another_request_is_a_conflict(client: Client, refused: Refused) -> None:
    body = {"surface": "home", "user": "ann", "key": "k/1"}
    first = client.post("/v1/rank", json=body)
    assert client.post("/v1/rank", json=body).json() == first.json()
    refused(client.post("/v1/rank", json=body | {"user": "bob"}), 409, "conflict")


def test_unknown_surface_names_the_known_ones(client: Client, refused: Refused) -> None:
    error = refused(client.post("/v1/rank", json={"surface": "hmoe"}), 404, "unknown_surface")
    assert error["field"] == "surface"
    assert error["message"] == "surface 'hmoe' is not defined; known: home, related"


LONG = "x" * 257


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"surface": 5}, "surface"),
        ({"surface": ""}, "surface"),
        ({"surface": LONG}, "surface"),
        ({"user": ""}, "user"),
        ({"user": 7}, "user"),
        ({"session": LONG}, "session"),
        ({"key": LONG}, "key"),
        ({"n": 0}, "n"),
        ({"n": 101}, "n"),
        ({"n": 2.5}, "n"),
        ({"n": True}, "n"),
        ({"candidates": ["i"] * 2001}, "candidates"),
        ({"candidates": ["i1", 5]}, "candidates[1]"),
        ({"candidates": [{"features": {}}]}, "candidates[0].item"),
        ({"candidates": [{"item": "x", "feature": {}}]}, "candidates[0].feature"),
        ({"candidates": [{"item": "x", "features": {"a": {"b": 1}}}]}, "candidates[0].features.a"),
        ({"exclude": "i1"}, "exclude"),
        ({"filter": {"tag": []}}, "filter.tag"),
        ({"shown": "yes"}, "shown"),
        ({"context": []}, "context"),
        ({"context": {"age": None}}, "context.age"),
        ({"context": {"ok": 1, "ages": [1, 2]}}, "context.ages"),
        ({"context": {"n": 10**16}}, "context.n"),
        ({"context": {"n": -1e16}}, "context.n"),
        ({"context": {"n": 10**400}}, "context.n"),
        ({"context": {"text": "x" * 1025}}, "context.text"),
        ({"context": {"x" * 129: 1}}, "context"),
        ({"context": {str(k): k for k in range(101)}}, "context"),
        ({"context": {"device": 3}}, "context.device"),
        ({"context": {"location": True}}, "context.location"),
        ({"context": {"item": ""}}, "context.item"),
        ({"surfaces": "home"}, "surfaces"),
        ({"first_position": 3}, "first_position"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(
    client: Client, refused: Refused, change: dict[str, Any], field: str
) -> None:
    error = refused(client.post("/v1/rank", json={"surface": "home"} | change), 400)
    assert error["field"] == field


def test_refusal_shows_the_value_and_the_rule(client: Client, refused: Refused) -> None:
    error = refused(client.post("/v1/rank", json={"surface": "home", "n": 0}), 400)
    assert error["message"] == "n == 0, must be int >= 1"


def test_unknown_field_is_refused_with_the_known_ones(client: Client, refused: Refused) -> None:
    error = refused(client.post("/v1/rank", json={"surface": "home", "usr": "u"}), 400, "unknown_field")
    assert error["message"].startswith("usr: unknown field; known: surface, user, session, n,")


def test_field_given_twice_is_refused_by_its_name(client: Client, refused: Refused) -> None:
    content = b'{"surface": "home", "context": {"a": 1, "a": 2}}'
    error = refused(client.post("/v1/rank", content=content), 400, "repeated_field")
    assert error["field"] == "a"


@pytest.mark.parametrize("user", ["a/b", "😀", "%2F", "..", "x" * 256, "|ns a:1\nb", "\u202e", "'; --"])
def test_any_characters_make_an_id(client: Client, live: Live, user: str) -> None:
    answer = client.post("/v1/rank", json={"surface": "home", "user": user, "session": user, "key": user})
    assert answer.status_code == 200
    assert decided(live, answer.json()).request.user == user


def test_nul_is_refused_and_its_spelling_as_text_is_not(client: Client, refused: Refused) -> None:
    error = refused(client.post("/v1/rank", content=rb'{"surface": "home", "user": "a\u0000b"}'), 400)
    assert "NUL" in error["message"]
    assert client.post("/v1/rank", content=rb'{"surface": "home", "user": "a\\u0000b"}').status_code == 200


def test_most_candidates_and_the_largest_context_are_accepted(client: Client) -> None:
    candidates = [{"item": f"x{k}", "features": {"category": "a"}} for k in range(2000)]
    context = {str(k): k for k in range(100)}
    answer = client.post("/v1/rank", json={"surface": "home", "n": 100, "candidates": candidates, "context": context})
    assert len(answer.json()["picks"]) == 100


def test_next_page_goes_on_without_repeats_until_nothing_is_left(client: Client) -> None:
    asked = {"surface": "home", "user": "ann", "n": 4, "context": {"device": "tv"}}
    page = client.post("/v1/rank", json=asked).json()
    shown = [pick["item"] for pick in page["picks"]]
    while page["picks"]:
        page = client.post(f"/v1/decisions/{page['decision']}/next", json={"n": 3}).json()
        assert [pick["position"] for pick in page["picks"]] == list(range(len(shown), len(shown) + len(page["picks"])))
        shown += [pick["item"] for pick in page["picks"]]
    assert len(set(shown)) == len(shown) == 10  # of 12, one is out of stock and one has expired
    told = client.get(f"/v1/decisions/{page['decision']}").json()
    assert told["request"]["context"] == {"device": "tv"}
    assert told["request"]["continues"]


def test_next_page_asked_for_again_is_the_same(client: Client, refused: Refused) -> None:
    page = client.post("/v1/rank", json={"surface": "home", "n": 3}).json()
    where = f"/v1/decisions/{page['decision']}/next"
    first, again = client.post(where).json(), client.post(where).json()
    assert first == again
    assert len(first["picks"]) == 3
    error = refused(client.post(where, json={"n": 5}), 409, "conflict")
    assert "n == 3; go on from that page" in error["message"]


def test_next_page_of_given_candidates_is_of_these(client: Client) -> None:
    page = client.post("/v1/rank", json={"surface": "home", "candidates": ["i1", "i2", "i5"], "n": 2}).json()
    rest = client.post(f"/v1/decisions/{page['decision']}/next").json()
    assert {pick["item"] for pick in page["picks"] + rest["picks"]} == {"i1", "i2", "i5"}


def test_next_page_of_an_unknown_decision_is_not_found(client: Client, refused: Refused) -> None:
    refused(client.post("/v1/decisions/nope/next"), 404, "unknown_decision")
