"""The process that pours a flood: `python pour.py JOB` prints what came of it as JSON."""

import json
import random
import select
import socket
import sys
import time
from collections import deque

USERS = 50
PATIENCE_S = 20.0


class Line:
    """One connection, with at most one request under way, due since `due`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.due = 0.0
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""

    def answer(self) -> tuple[bytes, bytes] | None:
        """Head and body once both are there; ConnectionError where the server closed the connection."""
        read = self.socket.recv(1 << 18)
        if not read:
            raise ConnectionError("closed")
        head, found, body = (self.read + read).partition(b"\r\n\r\n")
        at = head.find(b"content-length: ") + 16
        if not found or len(body) < int(head[at:].partition(b"\r")[0]):
            self.read += read
            return None
        self.read = b""
        return head, body


class Told:
    """What came of the requests."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}
        self.slates: list[str] = []
        self.broken = 0
        self.without_retry_after = 0

    def answered(self, took: float, head: bytes, body: bytes) -> None:
        status = head[9:12].decode()
        self.took.setdefault(status, []).append(took)
        if status == "200":
            self.slates.append(body.decode())
        elif b"\r\nretry-after: " not in head.lower():
            self.without_retry_after += 1


def pour(port: int, rate: float, seconds: float, connections: int, seed: str) -> Told:
    chance, told = random.Random(seed), Told()
    idle, lines = deque(Line(port) for _ in range(connections)), {}
    poll = select.poll()
    due = time.monotonic() + chance.expovariate(rate)
    end = time.monotonic() + seconds
    sent = 0
    while (now := time.monotonic()) < end or lines:
        if now > end + PATIENCE_S:
            raise SystemExit(f"{len(lines)} requests have no answer after {PATIENCE_S:g} s")
        while idle and due <= now < end:
            line = idle.popleft()
            line.due = due
            line.socket.sendall(request(sent))
            lines[line.socket.fileno()] = line
            poll.register(line.socket, select.POLLIN)
            sent += 1
            due += chance.expovariate(rate)
        wait = due - now if idle and now < end else 0.1
        for descriptor, _ in poll.poll(max(wait, 0.0) * 1000):
            line = lines[descriptor]
            try:
                answer = line.answer()
            except ConnectionError:
                told.broken += 1
                answer = b"", b""
            if answer is None:
                continue
            poll.unregister(descriptor)
            del lines[descriptor]
            if answer[0]:
                told.answered(time.monotonic() - line.due, *answer)
            else:
                line.open()
            idle.append(line)
    return told


def request(number: int) -> bytes:
    body = json.dumps({"surface": "home", "user": f"u{number % USERS}", "context": {"device": "phone"}}).encode()
    return b"POST /v1/rank HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


if __name__ == "__main__":
    json.dump(vars(pour(**json.loads(sys.argv[1]))), sys.stdout)
