"""The server with decisions that cost nothing: what is left is reading, making durable, answering and learning.

Each worker decides its first request and answers all later ones with that slate, as a decision of their own in the log.
"""

import sys
from typing import Any

import msgspec
from granian import Granian
from litestar import Litestar

from bandstand.app import serving
from bandstand.cli.serve import serve
from bandstand.engine import Engine
from bandstand.events import Decided, Request
from bandstand.rank import decide


def application() -> Litestar:
    first: dict[str, Decided] = {}

    def copied(engine: Engine, request: Request, *, decision: str) -> Decided:
        """The first decision for this surface with candidates or without, as one of its own."""
        what = f"{request.surface} {request.candidates is None}"
        if what not in first:
            first[what] = decide(engine.model, request, decision=decision)
        return msgspec.structs.replace(first[what], decision=decision, request=request)

    application = serving()
    Engine.decide = copied  # type: ignore[method-assign]
    return application


def _granian(target: str, **settings: Any) -> Granian:
    return Granian("benchmarks.floor:application", **settings)


if __name__ == "__main__":
    command = sys.modules["bandstand.cli.serve"]
    if not hasattr(command, "Granian"):
        raise SystemExit("benchmarks.floor: bandstand.cli.serve builds its web server elsewhere now; follow it")
    command.Granian = _granian  # type: ignore[attr-defined]
    serve()
