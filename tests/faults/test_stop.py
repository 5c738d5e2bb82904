"""Asked to stop or to renew itself under load: what is under way is answered, and clients that retry notice nothing."""

import http.client
import json
import signal
import socket
import time

import pytest

from .conftest import Saw, Serving
from .server import wait_until
from .traffic import Traffic
from .verdict import judge

pytestmark = pytest.mark.faults

_UNDER_WAY = 16
_TERMS = 3


def test_sigterm_drains_and_a_restart_is_invisible_to_clients_that_retry(serving: Serving, saw: Saw) -> None:
    server = serving()
    server.start()
    server.stock()
    took = []
    with Traffic(server.port, visitors=16, think_s=0.0, seed="term").running() as traffic:
        for term in range(_TERMS):
            time.sleep(1.0)
            begun = [Begun(server.port, f"term{term}-{k}") for k in range(_UNDER_WAY)]
            time.sleep(0.5)  # so that the server has read what there is of them
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            time.sleep(0.5)
            for one in begun:
                status, answer = one.finish()
                assert status == 200, answer
                traffic.acknowledged.decided(answer)
            assert server.process.wait(10) == 0, server.tail()
            took.append(time.monotonic() - asked)
            assert server.pids() == []
            server.start()
        time.sleep(1.0)
    server.stop()
    judged = judge(server.database, traffic.acknowledged)
    saw("judged", judged)
    saw("seconds from SIGTERM to the end", [f"{one:.2f}" for one in took])
    assert traffic.surprises == []


def test_sighup_renews_the_worker_and_clients_that_retry_notice_nothing(serving: Serving, saw: Saw) -> None:
    server = serving()
    server.start()
    server.stock()
    (old,) = server.workers()
    with Traffic(server.port, seed="hup").running() as traffic:
        time.sleep(1.0)
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: old not in server.pids() and len(server.workers()) == 1, within_s=15, what=lambda: server.tail()
        )
        time.sleep(1.0)
    assert server.stop() < 10
    judge(server.database, traffic.acknowledged)
    saw("broken connections", traffic.broken)
    saw("refused", dict(traffic.refused))
    assert traffic.surprises == []


def test_a_client_that_never_ends_its_request_does_not_keep_the_server_from_stopping(serving: Serving) -> None:
    server = serving()
    server.start()
    begun = Begun(server.port, "never")
    time.sleep(0.5)
    assert server.stop(within_s=15) < 12
    begun.socket.close()


class Begun:
    """A rank request of which the server has the head and half of the body."""

    def __init__(self, port: int, key: str) -> None:
        body = json.dumps({"surface": "home", "user": "u1", "key": key}).encode()
        head = f"POST /v1/rank HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(head + body[:10])
        self._rest = body[10:]

    def finish(self) -> tuple[int, dict[str, object]]:
        """Send the rest; status and body of the answer."""
        self.socket.sendall(self._rest)
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        body = json.loads(answer.read())
        self.socket.close()
        return answer.status, body
