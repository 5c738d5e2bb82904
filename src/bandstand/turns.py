"""Whose turn it is: what holds the event loop goes a few at once, some wait in line, the rest is refused."""

import asyncio
from collections import deque

from bandstand.errors import BusyError


class Turns:
    """A line of at most `most`, from which each round of the event loop lets a few go on, `at_once`.

    A decision holds the loop for a millisecond or so. Between two rounds the loop does all else that has come up: it
    takes rewards, says that it is healthy, and refuses what finds the line full. So nothing but decisions ever waits
    for more than a few of them, and a decision for no more than `most`. Single turns would be fairer still, but a loop
    that looks for news after each decision answers fewer.
    """

    def __init__(self, most: int, *, at_once: int = 4) -> None:
        self.most = most
        self.at_once = at_once
        self._line: deque[asyncio.Future[None]] = deque()
        self._passing = False

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @property
    def full(self) -> bool:
        return len(self._line) >= self.most

    async def take(self) -> None:
        """Return when it is the caller's turn; BusyError where the line is full."""
        loop = asyncio.get_running_loop()
        if not self._passing:
            self._passing = True
            loop.call_soon(self._pass, loop)
            return
        if self.full:
            raise BusyError(f"server: {self.waiting} of at most {self.most} requests wait; try again in a second")
        turn = loop.create_future()
        self._line.append(turn)
        await turn

    def _pass(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next few go on, and come again in the loop's next round, whatever became of them."""
        self._passing = bool(self._line)
        for turn in [self._line.popleft() for _ in range(min(self.at_once, self.waiting))]:
            if not turn.done():  # else the request was cancelled
                turn.set_result(None)
        if self._passing:
            loop.call_soon(self._pass, loop)
