"""Business rules over HTTP: put, read, removed, refused; and what a slate's answer says of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from bandstand.api import create_api
from bandstand.app import configured
from bandstand.cli.check import checked
from bandstand.events import RulePut
from bandstand.live import Live
from bandstand.settings import Settings
from bandstand.store import entries

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]

PIN = {"action": "pin", "items": ["i7"], "positions": [0]}
PLACE = "/v1/rules/first%2Frule"


def ranked(client: Client, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/v1/rank", json={"surface": "home", "n": 3} | fields).json()
    return answer


def test_rule_holds_from_when_it_is_put_until_it_is_removed(client: Client) -> None:
    put = client.put(PLACE, json=PIN)
    assert put.json() == {"name": "first/rule", **PIN}
    assert client.get(PLACE).json() == put.json()
    assert client.get("/v1/rules").json() == [put.json()]
    pick = ranked(client)["picks"][0]
    assert (pick["item"], pick["propensity"], pick["rule"]) == ("i7", 1.0, "first/rule")
    assert client.delete(PLACE).status_code == 204
    assert client.get("/v1/rules").json() == []
    assert "rule" not in ranked(client)["picks"][0]


def test_sponsored_pick_is_marked_in_answer_and_explanation(client: Client) -> None:
    client.put(PLACE, json=PIN | {"action": "sponsor", "label": "Anzeige"})
    answer = ranked(client)
    assert answer["picks"][0]["sponsored"] == "Anzeige"
    assert "sponsored" not in answer["picks"][1]
    explained = client.get(f"/v1/decisions/{answer['decision']}").json()["picks"][0]
    assert (explained["rule"], explained["sponsored"]) == ("first/rule", "Anzeige")


def test_same_rule_again_changes_nothing(client: Client, live: Live) -> None:
    client.put(PLACE, json=PIN)
    client.put(PLACE, json=PIN | {"name": "first/rule"})
    assert sum(isinstance(entry.fact, RulePut) for entry in entries(live.engine.log)) == 1


def test_unknown_rule_is_not_found(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=PIN)
    for method in ("get", "delete"):
        error = refused(client.request(method, "/v1/rules/nope"), 404, "unknown_rule")
        assert error["message"] == "rule 'nope' is not defined; known: first/rule"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (PIN | {"name": "other"}, "name"),
        (PIN | {"action": "vanish"}, "action"),
        ({"items": ["i7"]}, "action"),
        ({"action": "pin", "items": ["i7"]}, "positions"),
        (PIN | {"colour": "red"}, "colour"),
        (PIN | {"where": "__import__('os').system('x')"}, "where"),
        (PIN | {"audience": "user.age <"}, "audience"),
        (PIN | {"starts": "tomorrow"}, "starts"),
        (PIN | {"season": [{"weekdays": ["someday"]}]}, "season[0].weekdays[0]"),
        ({"action": "block"}, "where"),
    ],
)
def test_rule_that_does_not_fit_is_refused_by_its_field(
    client: Client, refused: Refused, body: dict[str, Any], field: str
) -> None:
    assert refused(client.put(PLACE, json=body), 400)["field"] == field
    assert client.get("/v1/rules").json() == []


def test_filter_is_a_condition_too_and_says_what_is_wrong_with_it(client: Client, refused: Refused) -> None:
    answer = ranked(client, n=10, filter={"tags": ["sale"], "where": 'item.price < 15 and context.device == "tv"'})
    assert answer["picks"] == []
    answer = ranked(client, n=10, filter={"where": "item.price < 12"})
    assert {pick["item"] for pick in answer["picks"]} == {"i0", "i1"}
    for where in ("item.price <", "open('x')", "", "x" * 2001):
        body = {"surface": "home", "filter": {"where": where}}
        assert refused(client.post("/v1/rank", json=body), 400)["field"] == "filter.where"


def folder(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "r.toml").write_text(text)
    return Settings(rules=str(tmp_path), experiments=str(tmp_path / "none"))


def test_file_with_an_error_leaves_the_last_good_rule_in_force_and_readiness_says_so(
    live: Live, tmp_path: Path
) -> None:
    good = 'name = "r"\naction = "pin"\nitems = ["i7"]\npositions = [0]\n'
    assert configured(live.engine, folder(tmp_path, good), at=live.clock()) == {}
    assert configured(live.engine, folder(tmp_path, good), at=live.clock()) == {}
    live.failing |= configured(live.engine, folder(tmp_path, good + "most = "), at=live.clock())
    with TestClient(create_api(live)) as client:
        assert ranked(client)["picks"][0]["rule"] == "r"
        ready = client.get("/health/ready").json()
    assert ready["ready"]
    assert "left as it was" in ready["failing"][str(tmp_path / "r.toml")]
    assert sum(isinstance(entry.fact, RulePut) for entry in entries(live.engine.log)) == 1


def test_check_counts_what_a_rule_is_about_and_reports_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.toml").write_text('name = "a"\naction = "block"\nwhere = "item.x == 1"')
    (tmp_path / "rules" / "b.toml").write_text('name = "b"\naction = "block"\nwhere = "item.x ="')
    (tmp_path / "rules" / "c.toml").write_text(
        'name = "c"\naction = "block"\ntags = ["x"]\nends = "2001-01-01T00:00:00Z"'
    )
    lines = {line.name: line for line in checked(None, None) if line.kind == "rule"}
    assert (lines["a"].ok, lines["a"].text) == (True, "block 0 of 0 items today")
    assert not lines["b.toml"].ok
    assert not lines["c"].ok
    assert "it ended" in lines["c"].text


def test_rule_for_a_surface_that_is_not_defined_is_refused_with_the_known_ones(
    client: Client, refused: Refused
) -> None:
    body = {"action": "block", "items": ["i1"], "surfaces": ["hmoe"]}
    error = refused(client.put("/v1/rules/r", json=body), 400, "invalid")
    assert error["message"].endswith("surface 'hmoe' is not defined; known: home, related")
