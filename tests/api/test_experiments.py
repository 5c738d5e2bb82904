"""Experiments over HTTP: their whole life, and what is refused on the way."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar.testing import TestClient

from bandstand.events import Draft, ExperimentMoved, ExperimentPut
from bandstand.live import Live
from bandstand.store import entries

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]

AB = {
    "surface": "home",
    "variants": [
        {"name": "control", "strategy": "default", "weight": 0.5},
        {"name": "chance", "strategy": "random", "weight": 0.5},
    ],
}
PLACE = "/v1/experiments/new%2Fexperiment"


def test_experiment_lives_from_draft_to_shipped(client: Client) -> None:
    put = client.put(PLACE, json=AB)
    assert (put.json()["name"], put.json()["stage"]) == ("new/experiment", "draft")
    assert client.get(PLACE).json() == put.json()
    assert client.post(f"{PLACE}/start").json()["stage"] == "running"
    answer = client.post("/v1/rank", json={"surface": "home", "user": "ann"}).json()
    variant = client.get(f"{PLACE}/assignment?user=ann").json()["variant"]
    assert answer["assignments"] == [{"experiment": "new/experiment", "variant": variant, "layer": "default"}]
    assert client.post(f"{PLACE}/stop").json()["stage"] == "stopped"
    assert client.post("/v1/rank", json={"surface": "home", "user": "ann"}).json()["assignments"] == []
    assert client.post(f"{PLACE}/ship", json={"winner": "chance"}).json()["stage"] == "shipped"
    assert client.post("/v1/rank", json={"surface": "home", "user": "ann"}).json()["strategy"] == "random"
    assert [one["stage"] for one in client.get("/v1/experiments").json()] == ["shipped"]


def test_experiment_that_says_so_starts_when_it_is_first_put(client: Client) -> None:
    assert client.put(PLACE, json=AB | {"start": True}).json()["stage"] == "running"


def test_same_definition_again_changes_nothing(client: Client, live: Live) -> None:
    client.put(PLACE, json=AB)
    assert client.put(PLACE, json=AB | {"name": "new/experiment"}).status_code == 200
    assert sum(isinstance(entry.fact, ExperimentPut) for entry in entries(live.engine.log)) == 1


def test_what_was_stopped_or_never_started_can_be_archived(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=AB | {"start": True})
    assert "stop it first" in refused(client.post(f"{PLACE}/archive"), 409)["message"]
    client.post(f"{PLACE}/stop")
    assert client.post(f"{PLACE}/archive").json()["stage"] == "archived"
    refused(client.post(f"{PLACE}/ship", json={"winner": "chance"}), 409, "conflict")
    client.put("/v1/experiments/idea", json=AB)
    assert client.post("/v1/experiments/idea/archive").json()["stage"] == "archived"
    assert client.put("/v1/experiments/idea", json=AB | {"outcome": "not worth it"}).status_code == 200


def test_a_draft_can_be_tried_by_forcing_a_variant(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=AB)
    body = {"surface": "home", "user": "ann"}
    for name in ("control", "chance"):
        answer = client.post("/v1/rank", json=body | {"force": {"new/experiment": name}}).json()
        assert answer["assignments"] == [
            {"experiment": "new/experiment", "variant": name, "layer": "default", "forced": True}
        ]
    assert client.post("/v1/rank", json=body).json()["assignments"] == []
    assert refused(client.post("/v1/rank", json=body | {"force": {"new/experiment": "x"}}), 404)["field"] == "variant"
    assert refused(client.post("/v1/rank", json=body | {"force": {"old": "x"}}), 404)["field"] == "force"
    assert refused(client.post("/v1/rank", json=body | {"force": {"a": "x", "b": "y"}}), 400)["field"] == "force"


def test_a_device_is_a_unit(client: Client) -> None:
    client.put(PLACE, json=AB | {"unit": "device", "start": True})
    assert client.post("/v1/rank", json={"surface": "home", "user": "ann"}).json()["assignments"] == []
    answer = client.post("/v1/rank", json={"surface": "home", "device": "phone-1"}).json()
    got = client.get(f"{PLACE}/assignment?device=phone-1").json()
    assert answer["assignments"][0]["variant"] == got["variant"]


def test_moves_out_of_turn_are_conflicts(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=AB)
    refused(client.post(f"{PLACE}/stop"), 409, "conflict")
    client.post(f"{PLACE}/start")
    refused(client.post(f"{PLACE}/start"), 409, "conflict")
    client.post(f"{PLACE}/stop")
    assert "under a new name" in refused(client.post(f"{PLACE}/start"), 409)["message"]


def test_change_that_breaks_what_is_measured_is_a_conflict(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=AB | {"start": True})
    assert refused(client.put(PLACE, json=AB | {"start": True, "alpha": 0.1}), 409)["field"] == "alpha"


def test_second_experiment_on_the_same_traffic_cannot_start(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=AB | {"start": True})
    client.put("/v1/experiments/other", json=AB)
    assert "overlaps" in refused(client.post("/v1/experiments/other/start"), 400)["message"]


def test_unknown_winner_and_unknown_experiment_are_not_found(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=AB | {"start": True})
    refused(client.post(f"{PLACE}/ship", json={"winner": "nobody"}), 404)
    refused(client.post(f"{PLACE}/ship", json={}), 400, "missing_field")
    for method, path in (("get", ""), ("post", "/start"), ("get", "/report"), ("get", "/assignment?user=u")):
        error = refused(client.request(method, f"/v1/experiments/nope{path}"), 404, "unknown_experiment")
        assert error["message"] == "experiment 'nope' is not defined; known: new/experiment"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "another"}, "name"),
        ({"surface": "hmoe"}, "surface"),
        ({"surface": 5}, "surface"),
        ({"variants": []}, "variants"),
        ({"variants": "ab"}, "variants"),
        ({"variants": [{"name": "a", "strategy": "nope", "weight": 1}]}, "variants[0].strategy"),
        ({"traffic": 10**400}, "traffic"),
        ({"traffic": -1}, "traffic"),
        ({"alpha": 2}, "alpha"),
        ({"unit": "household"}, "unit"),
        ({"starts": "2020-01-01T00:00:00Z"}, "starts"),
        ({"starts": "soon"}, "starts"),
        ({"surfaces": ["home", "related"]}, "surfaces"),
        ({"metrics": [{"name": "m", "reward": "click", "kind": "mode"}]}, "metrics[0].kind"),
        ({"hypothesis": [[]]}, "hypothesis"),
        ({"varaints": []}, "varaints"),
    ],
)
def test_definition_that_does_not_fit_is_refused_by_its_field(
    client: Client, refused: Refused, change: dict[str, Any], field: str
) -> None:
    assert refused(client.put(PLACE, json=AB | change), 400)["field"] == field


def test_report_gives_health_figures_and_a_verdict(client: Client) -> None:
    client.put(PLACE, json=AB | {"start": True})
    for k in range(20):
        answer = client.post("/v1/rank", json={"surface": "home", "user": f"u{k}"}).json()
        client.post("/v1/rewards", json={"decision": answer["decision"], "position": 0, "name": "click", "value": 1})
    report = client.get(f"{PLACE}/report").json()
    assert report["experiment"] == "new/experiment"
    assert sum(variant["units"] for variant in report["variants"]) == 20
    assert sum(variant["metrics"][0]["total"] for variant in report["variants"]) == 20
    assert report["comparisons"][0]["variant"] == "chance"
    assert report["verdict"]["text"]


def test_assignment_asks_for_the_unit_that_the_experiment_divides(client: Client, refused: Refused) -> None:
    client.put(PLACE, json=AB | {"unit": "session"})
    assert refused(client.get(f"{PLACE}/assignment?user=ann"), 400)["field"] == "session"
    got = client.get(f"{PLACE}/assignment?session=s%2F1").json()
    assert (got["unit"], got["id"], got["stage"]) == ("session", "s/1", "draft")
    assert got["variant"] in ("control", "chance")


def test_unit_outside_the_traffic_has_no_variant(client: Client) -> None:
    client.put(PLACE, json=AB | {"traffic": 1e-12})
    got = client.get(f"{PLACE}/assignment?user=ann").json()
    assert (got["variant"], got["why"]) == (None, "outside the experiment's traffic")


def test_state_that_another_server_ended_a_moment_before_is_not_left_twice(
    client: Client, live: Live, refused: Refused, noon: float
) -> None:
    client.put(PLACE, json=AB | {"start": True})
    elsewhere = ExperimentMoved("new/experiment", "stopped", left="running", why="a guardrail fell")
    live.engine.log.append([Draft(elsewhere, noon)])  # of which this server has not read yet
    answer = refused(client.post(f"{PLACE}/ship", json={"winner": "chance"}), 409, "conflict")
    assert answer["message"] == "experiment 'new/experiment' is not running any more; look where it stands"
    client.put("/v1/experiments/other", json=AB)
    told = client.get(PLACE).json()
    assert (told["stage"], told["why"]) == ("stopped", "a guardrail fell")


def test_weights_of_an_adaptive_experiment_that_runs_are_its_own(client: Client, live: Live) -> None:
    adaptive = AB | {"allocation": "adaptive", "sticky": True, "start": True}
    client.put(PLACE, json=adaptive)
    moved = [variant | {"weight": weight} for variant, weight in zip(AB["variants"], (0.3, 0.7), strict=True)]
    told = client.put(PLACE, json=adaptive | {"variants": moved, "owner": "me"}).json()["definition"]
    assert ([one["weight"] for one in told["variants"]], told["owner"]) == ([0.5, 0.5], "me")
