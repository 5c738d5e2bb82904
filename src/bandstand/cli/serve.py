"""`bandstand serve`: API workers, and one learner process beside them."""

import os
import signal
import socket
import subprocess
import sys
import threading
from types import FrameType

import rich_click as click
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from bandstand.app import end_with, learn, prepare
from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.errors import InputError
from bandstand.settings import PREFIX, Settings

_RESTART_S = 1.0
_STOP_S = 10
_BEHIND = 10  # how much the learner lets the server beside it go first


@click.command()
@click.option("--host", help="Address to listen on; default: 127.0.0.1.")
@click.option("--port", type=int, help="Port to listen on; default: 8080.")
@click.option("--workers", type=int, help="API processes; more than one needs PostgreSQL. Default: 1.")
@click.option("--role", type=click.Choice(["all", "api", "learn"]), help="Which parts to run; default: all.")
@options.database
def serve(host: str | None, port: int | None, workers: int | None, role: str | None, database: str | None) -> None:
    """Run the server: `POST /v1/rank` for slates, `POST /v1/rewards` for what came of them."""
    given = {"host": host, "port": port, "workers": workers, "role": role, "database": database}
    settings = options.settings(**given)
    _check(settings)
    # Worker and learner processes read their settings from the environment that they inherit.
    os.environ.update({f"{PREFIX}{name.upper()}": str(value) for name, value in given.items() if value is not None})
    # Tables have room for more than was written to them; in huge pages that room would take memory.
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
    match settings.role:
        case "learn":
            _learn(settings)
        case "api":
            prepare(settings)
            _answer(settings)
        case "all":
            prepare(settings)
            with _Learner():
                _answer(settings)


def _check(settings: Settings) -> None:
    if settings.workers > 1 and settings.database.startswith("sqlite"):
        raise InputError(
            f"workers == {settings.workers}, must be 1 on SQLite: one process writes the file; "
            "use --database postgresql://… for more",
            field="workers",
        )
    if settings.role != "learn":
        _check_free(settings.host, settings.port)


def _check_free(host: str, port: int) -> None:
    """The web server itself would end with a trace of its own."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]
        raise InputError(
            f"{host}:{port}: cannot listen there ({why}); choose another with --host and --port", field="port"
        ) from error


def _answer(settings: Settings) -> None:
    options.errors().print(
        f"bandstand: http://{settings.host}:{settings.port} · API at /schema · log in {settings.database}",
        highlight=False,
        soft_wrap=True,
    )
    Granian(
        "bandstand.app:serving",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.workers,
        factory=True,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_S,
        log_level=LogLevels.warning,
    ).serve()


def _learn(settings: Settings) -> None:
    """Learn until told to stop, or until the server that started this process is gone."""
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if os.environ.get(_PARENT):
        end_with(int(os.environ[_PARENT]), stopping.set)
        os.nice(_BEHIND)
    learn(settings, stopping, catching_up=progress("folding the log", "entries"))


_PARENT = f"{PREFIX}PARENT"


class _Learner:
    """The learner process beside the server: started again when it dies, stopped with it."""

    def __enter__(self) -> None:
        self._stopping = threading.Event()
        self._process = self._start()
        self._watch = threading.Thread(target=self._restart, daemon=True)
        self._watch.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._watch.join()
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {f"{PREFIX}ROLE": "learn", _PARENT: str(os.getpid())}
        # A session of its own: Ctrl-C is for the server, which stops the learner when its last requests are answered.
        return subprocess.Popen([sys.executable, "-m", "bandstand", "serve"], env=environment, start_new_session=True)

    def _restart(self) -> None:
        while not self._stopping.wait(_RESTART_S):
            if self._process.poll() is not None:
                self._process = self._start()
