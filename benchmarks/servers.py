"""Server processes: started in a folder, waited for, watched from outside, stopped."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from sqlalchemy import make_url

from benchmarks.echo import ANSWER

ROOT = Path(__file__).parents[1]
_PATIENCE_S = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A running server. `started_s` is how long it took to answer that it is ready."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, started_s: float) -> None:
        self.process = process
        self.port = port
        self.started_s = started_s

    def post(self, path: str, body: object) -> bytes:
        return self._ask("POST", path, msgspec.json.encode(body))

    def get(self, path: str) -> bytes:
        return self._ask("GET", path, None)

    def cpu_s(self) -> float:
        """Processor seconds of all its processes so far."""
        total = 0.0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / _TICKS
        return total

    def pids(self) -> list[int]:
        return _tree(self.process.pid)

    def workers(self) -> list[int]:
        """The processes that answer requests: the largest of those that are no learner, for the first only watches."""
        return sorted((pid for pid in self.pids() if not learns(pid)), key=memory_mb)[-1:]

    def learner(self) -> int | None:
        return next(filter(learns, self.pids()), None)

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {read[:500]!r}")
        return read


@contextmanager
def serving(folder: Path, *arguments: str, settings: str = "", floor: bool = False) -> Iterator[Server]:
    """`bandstand serve` on the database in `folder`, ready; as a `floor` one whose decisions cost nothing."""
    (folder / "bandstand.toml").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", *(["benchmarks.floor"] if floor else ["bandstand", "serve"]), *arguments]
    with _running(command, folder, "/health/ready", {}) as server:
        yield server


@contextmanager
def echoing(folder: Path, answer: bytes) -> Iterator[Server]:
    """The bare Litestar peer, which answers with the content of `answer`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "answer.json").write_bytes(answer)
    command = [sys.executable, "-m", "benchmarks.echo", "--role", "api"]
    with _running(command, folder, "/", {ANSWER: str(folder / "answer.json")}) as server:
        yield server


@contextmanager
def schema(server: str) -> Iterator[str]:
    """The URL of a new schema in the PostgreSQL database at `server`, dropped at the end."""
    name = f"bandstand_bench_{os.getpid()}"
    url = make_url(server).update_query_dict({"options": f"-csearch_path={name}"})
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def copied(folder: Path, to: Path) -> Path:
    """The same database in another folder, for a server to write to."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.lock"))
    return to


def memory_mb(pid: int) -> float:
    """Resident memory."""
    return _status(pid, "VmRSS") / 1024


def learns(pid: int) -> bool:
    return b"BANDSTAND_ROLE=learn" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


@contextmanager
def _running(command: list[str], folder: Path, ready: str, more: dict[str, str]) -> Iterator[Server]:
    port = _free_port()
    # Bytecode is kept, as an installation does: without it a start takes seconds longer.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment |= {"PYTHONPATH": path, "BANDSTAND_DATABASE": f"sqlite:///{folder}/bandstand.db", **more}
    with (folder / "server.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen([*command, "--port", str(port)], cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait(process, port, ready, folder)
            yield Server(process, port, time.perf_counter() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, path: str, folder: Path) -> None:
    """Until the server answers at all on `path`, with anything but 503."""
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {(folder / 'server.log').read_text()[-2000:]}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status != 503:
                return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise RuntimeError(f"the server was not ready after {_PATIENCE_S:g} s")


def _tree(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(descendant for child in children for descendant in _tree(child))]


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
