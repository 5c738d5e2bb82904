"""The peer of the HTTP lines: a bare Litestar application that decodes the same request and encodes the same answer.

It runs under the very settings that `bandstand serve` gives its web server, whatever they are.
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from granian import Granian
from litestar import Litestar, post

from bandstand.api.bodies import Rank
from bandstand.api.rank import Slate
from bandstand.cli.serve import serve

ANSWER = "ECHO_ANSWER"


def application() -> Litestar:
    """The file named by ECHO_ANSWER holds an answer of the real server; its content is encoded for every request."""
    answer = msgspec.json.decode(Path(os.environ[ANSWER]).read_bytes(), type=Slate)

    @post("/v1/rank", status_code=200)
    async def echo(data: Rank) -> Slate:
        return answer

    return Litestar([echo], openapi_config=None, logging_config=None)


def serve_as(target: str) -> None:
    """`bandstand serve` as the command line asks for it, but with this application in the place of its own."""
    command = sys.modules["bandstand.cli.serve"]
    if not hasattr(command, "Granian"):
        raise SystemExit(f"{target}: bandstand.cli.serve builds its web server elsewhere now; follow it")

    def granian(_: str, **settings: Any) -> Granian:
        return Granian(target, **settings)

    command.Granian = granian  # type: ignore[attr-defined]
    serve()


if __name__ == "__main__":
    serve_as("benchmarks.echo:application")
