"""Options that several commands share, and the settings they make."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import rich_click as click
from rich.console import Console

from bandstand.settings import Settings, read

F = TypeVar("F", bound=Callable[..., Any])


def database(command: F) -> F:
    return click.option(
        "--database",
        metavar="URL",
        help="Where the log is: sqlite:///path or postgresql://…; default: SQLite in ./bandstand-data.",
    )(command)


def as_json(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines instead of a table.")(command)


def settings(**overrides: object) -> Settings:
    """The settings in force, with the command line's options over the rest."""
    return read(overrides)


def called() -> str:
    """What to type to run this program again: its name, or the path to it where a shell would find another or none."""
    path = Path(sys.argv[0])
    if path.name == "__main__.py":
        return f"{sys.executable} -m bandstand"
    found = shutil.which(path.name)
    return path.name if found is not None and path.exists() and path.samefile(found) else sys.argv[0]


def print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def console() -> Console:
    return Console()


def errors() -> Console:
    """Where progress and notes go, so that standard output stays clean for pipes."""
    return Console(stderr=True)
