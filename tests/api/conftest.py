"""A server over HTTP in this process: a memory log, a clock that tests set, and the small shop of tests/conftest.py."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from bandstand.api import create_api
from bandstand.engine import Engine
from bandstand.live import Live
from bandstand.model import Model
from bandstand.store.memory import MemorySnapshots

Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def clock(noon: float) -> list[float]:
    """The server's time, to be changed in place."""
    return [noon]


@pytest.fixture
def live(shop: Engine, clock: list[float]) -> Live:
    engine = Engine(Model(learning=False), shop.log)
    engine.catch_up()
    return Live(engine, MemorySnapshots(), alone=True, clock=lambda: clock[0])


@pytest.fixture
def client(live: Live) -> Iterator[TestClient[Any]]:
    with TestClient(create_api(live), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def refused() -> Refused:
    """The error of an answer, which has this status, this code and the one shape of all errors."""

    def error(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/json"
        body = response.json()
        assert body.keys() == {"error"}
        found: dict[str, Any] = body["error"]
        assert found.keys() == {"code", "message", "field", "request"}
        assert found["message"]
        assert found["request"] == response.headers["x-request-id"]
        if code is not None:
            assert found["code"] == code, found
        return found

    return error
