"""The server with decisions that cost nothing: what is left is reading, making durable, answering and learning.

Each worker decides its first request and answers all later ones with that slate, as a decision of their own in the log.
"""

import msgspec
from litestar import Litestar

from bandstand.app import serving
from bandstand.engine import Engine
from bandstand.events import Decided, Request
from bandstand.rank import decide
from benchmarks.echo import serve_as


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


if __name__ == "__main__":
    serve_as("benchmarks.floor:application")
