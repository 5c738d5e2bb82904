"""Servers that are always gone when their test is, and the figures that tests saw, printed at the end."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .server import Server

Serving = Callable[..., Server]
Saw = Callable[[str, object], None]
Shim = Callable[[str], str]

CONTROL = Path(__file__).with_name("control.py")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Makes servers, each in a folder of its own unless the test names one."""
    made: list[Server] = []

    def make(folder: Path | None = None, **options: Any) -> Server:
        server = Server(tmp_path / f"server{len(made)}" if folder is None else folder, **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.kill()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    """Compiles `NAME.c` into something for LD_PRELOAD."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler `cc` to build what stands between the server and the system")
    folder = tmp_path_factory.mktemp("shims")

    def compiled(name: str) -> str:
        library = folder / f"{name}.so"
        source = Path(__file__).with_name(f"{name}.c")
        subprocess.run([compiler, "-Wall", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return str(library)

    return compiled


@pytest.fixture
def saw(record_property: Saw) -> Saw:
    """Notes a figure for the summary."""
    return record_property


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    for report in reports:
        if report.user_properties:
            terminalreporter.write_line(f"{report.head_line}:")
            for name, value in report.user_properties:
                terminalreporter.write_line(f"    {name}: {value}")
