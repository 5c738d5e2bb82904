"""Health and metrics."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from bandstand.errors import BusyError, StoreError
from bandstand.events import Draft, Interacted
from bandstand.live import Live
from bandstand.store.memory import MemoryLog

Client = TestClient[Any]
Refused = Callable[..., dict[str, Any]]


def samples(client: Client) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_requests_decisions_and_rewards_are_counted(client: Client) -> None:
    answer = client.post("/v1/rank", json={"surface": "home", "user": "ann"}).json()
    client.post("/v1/rewards", json=[{"decision": answer["decision"], "name": "buy", "value": 1}, {}])
    client.post("/v1/rank", json={"surface": "nope"})
    client.get("/v1/items/i1")
    client.get("/v1/items/i2")
    client.get("/no/such/route")
    counted = samples(client)
    assert counted["bandstand_requests_total", "POST /v1/rank", "200"] == 1
    assert counted["bandstand_requests_total", "POST /v1/rank", "404"] == 1
    assert counted["bandstand_requests_total", "GET /v1/items/{item}", "200"] == 2
    assert counted["bandstand_requests_total", "unknown", "404"] == 1
    assert counted["bandstand_decisions_total", "default", "home"] == 1
    assert counted["bandstand_rewards_total",] == 1
    assert counted["bandstand_rank_seconds_count",] == 1


def test_lag_of_the_weights_is_told_in_entries_and_in_log_time(client: Client, clock: list[float], live: Live) -> None:
    clock[0] += 90
    client.post("/v1/rank", json={"surface": "home"})
    counted = samples(client)
    assert counted["bandstand_log_head",] == live.engine.log.head()
    assert counted["bandstand_weights_behind_entries",] == live.engine.log.head()
    assert counted["bandstand_weights_behind_seconds",] == 90
    assert counted["bandstand_model_behind_entries",] == 0


def test_process_is_alive(client: Client) -> None:
    assert client.get("/health/live").json() == {"live": True}


def test_monitors_may_ask_for_the_head_alone(client: Client) -> None:
    whole = client.get("/health/live")
    head = client.head("/health/live")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert client.head("/v1/rank").status_code == 405


def test_ready_server_tells_where_it_stands_and_what_fails(client: Client, live: Live) -> None:
    live.failing["log"] = "the disk is gone"
    body = client.get("/health/ready").json()
    head = live.engine.log.head()
    assert body == {
        "ready": True,
        "head": head,
        "as_of": head,
        "weights_as_of": 0,
        "failing": {"log": "the disk is gone"},
    }


class Gone(MemoryLog):
    """A log whose disk is gone."""

    def head(self) -> int:
        raise StoreError("database: cannot be opened; check that its disk is there")


def test_server_is_not_ready_while_the_log_cannot_be_read(client: Client, live: Live, refused: Refused) -> None:
    live.engine.log = Gone()
    answer = client.get("/health/ready")
    refused(answer, 503, "store")
    assert answer.headers["retry-after"] == "1"


def test_server_far_behind_the_log_is_not_ready(client: Client, live: Live, refused: Refused, noon: float) -> None:
    live.engine.log.append([Draft(Interacted("i1", "view", user="u"), noon)] * 10_001)
    refused(client.get("/health/ready"), 503, "not_ready")


def full(live: Live) -> None:
    raise BusyError("server: 128 requests wait, the most that may; try again in a second")


def test_a_request_for_a_slate_is_refused_unread_while_too_many_wait(
    client: Client, live: Live, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = client.post("/v1/rank", json={"surface": "home"}).json()["decision"]
    monkeypatch.setattr(Live, "come", full)
    answer = client.post("/v1/rank", content=b"not JSON")
    assert "wait" in refused(answer, 503, "busy")["message"]
    assert answer.headers["retry-after"] == "1"
    reward = {"decision": decision, "name": "click", "value": 1, "position": 0}
    assert client.post("/v1/rewards", json=reward).status_code == 202
    assert client.get("/health/ready").status_code == 200
    assert client.get("/v1/rank").status_code == 405
    assert samples(client)["bandstand_requests_total", "POST /v1/rank", "503"] == 1
