"""Somebody who wants to know: a real HTTP server that keeps what it is sent, and refuses as often as it is told to."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from bandstand.steward.courier import signature

SECRET = "s3cret"


class Receiver:
    """What came is in `events`; the first `refusals` requests are answered by 503."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.events: list[dict[str, Any]] = []
        self.refused = 0
        self.url = ""

    def named(self, what: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == what]

    def wait(self, true: Callable[[], object], within_s: float = 20.0) -> None:
        give_up = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < give_up, self.events
            time.sleep(0.02)


@contextmanager
def receiving(refusals: int = 0) -> Iterator[Receiver]:
    """A receiver on a port of its own; it takes only what is signed with the SECRET."""
    receiver = Receiver(refusals)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.headers["x-bandstand-signature"] == signature(SECRET, body)
            event = msgspec.json.decode(body)
            assert (self.headers["x-bandstand-event"], self.headers["x-bandstand-id"]) == (event["event"], event["id"])
            if receiver.refused < receiver.refusals:
                receiver.refused += 1
                self.send_response(503)
            else:
                receiver.events.append(event)
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        yield receiver
        server.shutdown()
        thread.join()
