"""A real server: its processes, started in a folder of its own, found, killed, frozen and waited for from outside."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

START_S = 30.0
ITEMS = 40
_MARK = "BANDSTAND_FAULTS"
"""Names the folder in the environment of every process of a server, by which also orphans are found."""

SETTINGS = """
weights_every_s = 0.2
model_every_s = 1.0

[surfaces.home]
n = 5
window_s = 1.0
rewards = { click = 1 }

[strategies.default]
learning = { bits = 12 }
"""
"""Windows, weights and snapshots so short that a test of some seconds sees many; tables that cost next to nothing."""


class Server:
    """`bandstand serve` on one port and one database, started any number of times."""

    def __init__(
        self,
        folder: Path,
        *,
        arguments: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        program: Sequence[str] = ("-m", "bandstand"),
        settings: str = SETTINGS,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = _free_port()
        self.database = f"sqlite:///{folder / 'log.db'}"
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._arguments = arguments
        self._environment = environment or {}
        self._program = program
        (folder / "bandstand.toml").write_text(settings, encoding="utf-8")

    def start(self) -> float:
        """Start it; the seconds until it was ready."""
        started = time.monotonic()
        self.launch()
        self.wait_ready()
        return time.monotonic() - started

    def launch(self) -> subprocess.Popen[bytes]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("BANDSTAND_")}
        # Bytecode is kept, as an installation does: without it a start takes seconds longer.
        ours.pop("PYTHONDONTWRITEBYTECODE", None)
        ours |= {_MARK: str(self.folder), "BANDSTAND_DATABASE": self.database, **self._environment}
        command = [sys.executable, *self._program, "serve", "--port", str(self.port), *self._arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=ours, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self.process

    def wait_ready(self, *, within_s: float = START_S) -> None:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the server ended:\n{self.tail()}"
            try:
                return self.ask("GET", "/health/ready")[0] == 200
            except OSError:
                return False

        wait_until(ready, within_s=within_s, what=lambda: f"the server is not ready:\n{self.tail()}")

    def ask(self, method: str, path: str, body: object = None, *, timeout_s: float = 10.0) -> tuple[int, Any]:
        """Status and body of one answer, on a connection of its own."""
        return self.send(method, path, None if body is None else json.dumps(body).encode(), timeout_s=timeout_s)

    def send(self, method: str, path: str, body: bytes | None, *, timeout_s: float = 10.0) -> tuple[int, Any]:
        """The same for a body that is sent as it stands."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            read = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        json_in = (answer.headers.get("content-type") or "").startswith("application/json")
        return answer.status, json.loads(read) if json_in else read.decode()

    def stock(self) -> None:
        """Put a small catalogue."""
        categories = ("shoes", "bags", "hats", "coats")
        items = [
            {"item": f"i{k}", "features": {"category": categories[k % 4], "price": 5 + k, "text": f"word{k % 7} thing"}}
            for k in range(ITEMS)
        ]
        status, answer = self.ask("PUT", "/v1/items", items)
        assert (status, answer["accepted"]) == (200, ITEMS), answer

    def wait_learned(self, *, within_s: float = 15.0) -> float:
        """Wait until the worker serves from weights of the log as it is now; visitors must keep windows closing."""
        head = self.ask("GET", "/health/ready")[1]["head"]

        def learned() -> bool:
            known: int = self.ask("GET", "/health/ready")[1]["weights_as_of"]
            return known >= head

        return wait_until(learned, within_s=within_s, what=lambda: f"nothing is learned:\n{self.tail()}")

    def main(self) -> int:
        assert self.process is not None
        return self.process.pid

    def learner(self) -> int | None:
        return next((pid for pid in self.pids() if _learns(pid)), None)

    def workers(self) -> list[int]:
        """The processes that answer requests."""
        return [pid for pid in self.pids() if pid != self.main() and not _learns(pid)]

    def pids(self) -> list[int]:
        """Every process of this server that is alive, whoever its parent is by now."""
        marked = f"{_MARK}={self.folder}".encode()
        return [
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdigit() and marked in _environment(int(path.name)).split(b"\0")
        ]

    def kill(self) -> None:
        """kill -9 of everything at once: frozen first, so that nobody sees another's death."""
        for signum in (signal.SIGSTOP, signal.SIGKILL):
            for pid in self.pids():
                kill(pid, signum)
        if self.process is not None:
            self.process.wait()
        wait_until(lambda: not self.pids(), within_s=10, what=lambda: f"still there: {self.pids()}")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the block no process of it does anything."""
        pids = self.pids()
        for pid in pids:
            kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(map(_stopped, pids)), within_s=10, what=lambda: "it does not stand still")
        yield
        for pid in pids:
            kill(pid, signal.SIGCONT)

    def stop(self, *, within_s: float = 15.0) -> float:
        """SIGTERM; the seconds until its first process ended."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(within_s)
        return time.monotonic() - started

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:] if self.log.exists() else ""


def wait_until(true: Callable[[], bool], *, within_s: float, what: Callable[[], str]) -> float:
    """Wait for a condition; the seconds that it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() < started + within_s, f"after {within_s:g} s: {what()}"
        time.sleep(0.02)
    return time.monotonic() - started


def kill(pid: int, signum: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def memory_mb(pid: int) -> float:
    """Resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _stopped(pid: int) -> bool:
    """Whether every thread of the process stands still."""
    states = [path.read_text(encoding="ascii") for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state.rpartition(")")[2].split()[0] == "T" for state in states)


def _learns(pid: int) -> bool:
    return b"BANDSTAND_ROLE=learn" in _environment(pid).split(b"\0")


def _environment(pid: int) -> bytes:
    """The environment that the process was started with; nothing for one that is gone or somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
