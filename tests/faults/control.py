"""`bandstand`, spoilt in the way that the first argument names: a control, so that the tests are known to see a loss.

`hasty` answers before its commit; `lazy` commits without waiting for the disk.
"""

import asyncio
import sys
from collections.abc import Sequence

from bandstand.cli import main
from bandstand.events import Draft, Entry
from bandstand.store import Appended, database
from bandstand.store.writer import Writer

_append = Writer.append
_under_way: set[asyncio.Future[list[Appended]]] = set()


async def _hastily(self: Writer, drafts: Sequence[Draft]) -> list[Appended]:
    writing = asyncio.ensure_future(_append(self, drafts))
    _under_way.add(writing)
    writing.add_done_callback(_under_way.discard)
    return [Appended(Entry(0, draft.at, draft.fact), duplicate=False) for draft in drafts]


if __name__ == "__main__":
    match sys.argv.pop(1):
        case "hasty":
            Writer.append = _hastily  # type: ignore[method-assign]
        case "lazy":
            database._WRITER = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")
    main()
