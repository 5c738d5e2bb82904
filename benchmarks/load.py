"""A load generator in a process of its own: raw keep-alive sockets in one loop, some 10 µs of processor time a request.

It sends prepared requests, either each connection the next as soon as it has its answer (`rate` None), or at given
instants whatever the server does; a latency then counts from the instant at which the request was due.
"""

import select
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import msgspec
import numpy as np

_LARGEST = 1 << 18


class Job(msgspec.Struct, frozen=True):
    """What to send, from how many connections, for how long."""

    port: int
    requests: str  # the file that `prepare` wrote
    seconds: float
    connections: int = 16
    rate: float | None = None
    seed: int = 0


class Told(msgspec.Struct, frozen=True):
    """What came of it. `latencies_ms` is by share of the requests; `client_us` is processor time a request."""

    answered: int
    failed: int
    per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    client_us: float


def prepare(file: Path, path: str, bodies: list[bytes]) -> None:
    """Write HTTP requests with these bodies, ready to be sent."""
    head = "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"
    file.write_bytes(msgspec.msgpack.encode([head.format(path, len(body)).encode() + body for body in bodies]))


def run(job: Job) -> Told:
    """Send it from another process."""
    command = [sys.executable, "-m", "benchmarks.load"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], input=msgspec.json.encode(job), stdout=subprocess.PIPE, check=True
    )
    return msgspec.json.decode(done.stdout, type=Told)


class Connection:
    """One keep-alive connection with at most one request under way, due since `due`."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._read = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.socket.sendall(request)

    def receive(self) -> bool | None:
        """Whether the answer was a success; None while it is not complete."""
        read = self._read + self.socket.recv(_LARGEST)
        if not read:
            raise ConnectionError("the server closed the connection")
        end = read.find(b"\r\n\r\n") + 4
        at = read.find(b"content-length: ") + 16
        if end < 4 or len(read) < end + int(read[at : read.index(b"\r", at)]):
            self._read = read
            return None
        self._read = b""
        return read.startswith(b"HTTP/1.1 200")


def send(job: Job) -> Told:
    requests: list[bytes] = msgspec.msgpack.decode(Path(job.requests).read_bytes())
    idle = deque(Connection(job.port) for _ in range(job.connections))
    latencies: list[float] = []
    sent = failed = 0
    cpu, started = time.process_time(), time.perf_counter()
    end = started + job.seconds
    due = _instants(job, started)
    busy: set[Connection] = set()
    while (now := time.perf_counter()) < end or busy:
        while idle and now < end and (due is None or (sent < len(due) and due[sent] <= now)):
            connection = idle.popleft()
            connection.send(requests[(job.seed + sent) % len(requests)], now if due is None else due[sent])
            busy.add(connection)
            sent += 1
        # Not epoll: it rounds its patience up to milliseconds.
        wait = end - now if due is None or sent >= len(due) else due[sent] - now
        for connection in select.select(busy, (), (), max(wait, 0.0) if idle or not busy else 5.0)[0]:
            success = connection.receive()
            if success is not None:
                latencies.append(time.perf_counter() - connection.due)
                failed += not success
                busy.remove(connection)
                idle.append(connection)
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    p50, p99, worst = np.quantile(latencies, (0.5, 0.99, 1.0)).tolist()
    return Told(
        len(latencies), failed, len(latencies) / took, p50 * 1e3, p99 * 1e3, worst * 1e3, cpu / len(latencies) * 1e6
    )


def _instants(job: Job, started: float) -> list[float] | None:
    """When each request is due: at chance instants, as visitors come."""
    if job.rate is None:
        return None
    gaps = np.random.default_rng(job.seed).exponential(1 / job.rate, int(job.rate * job.seconds))
    return (started + np.cumsum(gaps)).tolist()


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(send(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))))
