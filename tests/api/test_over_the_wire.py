"""The server as a client meets it: granian, sockets and SQLite."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "bandstand", "serve", "--role", "api", "--port", str(port)]
    environment = os.environ | {"BANDSTAND_DATABASE": f"sqlite:///{folder}/bandstand.db"}
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield _ready(f"http://127.0.0.1:{port}", folder / "server.log")
        finally:
            server.terminate()
            assert server.wait(15) == 0
    assert "Traceback" not in (folder / "server.log").read_text("utf-8")


def _ready(address: str, log: Path) -> str:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        try:
            if httpx.get(f"{address}/health/ready").is_success:
                return address
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


@pytest.fixture
def wire(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=10) as wire:
        yield wire
    # By a connection of its own: after a body that was refused halfway the server may close the other at any moment.
    assert httpx.get(f"{address}/health/ready").status_code == 200


def spoken(address: str, said: bytes) -> bytes:
    """What the server answers to these bytes before it closes or falls silent."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=1) as line:
        line.sendall(said)
        heard = b""
        try:
            while more := line.recv(65536):
                heard += more
        except TimeoutError:
            pass
        return heard


@pytest.mark.parametrize("item", ["a/b", "/", "a//b", "😀", "%2F", "a b", "x" * 256, "start"])
def test_ids_of_any_characters_survive_the_server(wire: httpx.Client, item: str) -> None:
    place = f"/v1/items/{quote(item, safe='')}"
    assert wire.put(place, json={"features": {"category": "c"}}).json()["item"] == item
    assert wire.get(place).json()["item"] == item
    assert wire.delete(place).status_code == 204
    assert wire.get(place).status_code == 404


def test_experiment_with_a_slash_is_started(wire: httpx.Client) -> None:
    variants = [{"name": name, "strategy": name, "weight": 0.5} for name in ("default", "random")]
    assert wire.put("/v1/experiments/a%2Fb", json={"surface": "related", "variants": variants}).status_code == 200
    assert wire.post("/v1/experiments/a%2Fb/start").json()["stage"] == "running"


def test_slate_and_reward_go_round(wire: httpx.Client) -> None:
    wire.put("/v1/items", json=[{"item": f"i{k}", "features": {"category": "c", "price": k}} for k in range(20)])
    answer = wire.post("/v1/rank", json={"surface": "home", "user": "ann", "n": 3}).json()
    assert len(answer["picks"]) == 3
    reward = {"decision": answer["decision"], "position": 0, "name": "click", "value": 1, "key": "k"}
    assert wire.post("/v1/rewards", json=reward).json()["accepted"] == 1
    told = wire.get(f"/v1/decisions/{answer['decision']}").json()
    assert [earned["name"] for earned in told["rewards"]] == ["click"]


def test_many_at_once_are_answered_and_kept(wire: httpx.Client) -> None:
    def decision(k: int) -> str:
        return str(wire.post("/v1/rank", json={"surface": "home", "user": f"u{k}"}).json()["decision"])

    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(decision, range(80)))
    assert len(set(decisions)) == 80
    for one in decisions[::10]:
        assert wire.get(f"/v1/decisions/{one}").json()["request"]["surface"] == "home"


def test_body_too_large_is_413_though_the_client_is_still_sending(wire: httpx.Client) -> None:
    answer = wire.post("/v1/rank", content=b"x" * 3_000_000)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    "rest",
    [
        b"transfer-encoding: chunked\r\n\r\nzz\r\nnonsense\r\n",
        b"transfer-encoding: chunked\r\n\r\n5\r\nab",
        b"content-length: 100\r\n\r\n{",
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"content-length: -1\r\n\r\n{}",
        b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"x: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_broken_request_never_becomes_a_failure(wire: httpx.Client, address: str, rest: bytes) -> None:
    heard = spoken(address, b"POST /v1/rank HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + rest)
    assert not heard or heard.split(b" ")[1][:1] == b"4", heard


def test_head_is_answered_without_a_body(wire: httpx.Client) -> None:
    head = wire.head("/health/live")
    assert (head.status_code, head.content) == (200, b"")
    assert wire.get("/health/live").json() == {"live": True}  # on the same connection


@pytest.mark.parametrize(
    "line", [b"GET /%00 HTTP/1.1", b"GET /v1/items/\xff HTTP/1.1", b"HEAD /v1/rank HTTP/1.1", b"\x00\x01"]
)
def test_odd_request_line_is_no_failure(wire: httpx.Client, address: str, line: bytes) -> None:
    heard = spoken(address, line + b"\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert not heard or heard.split(b" ")[1][:1] == b"4", heard
