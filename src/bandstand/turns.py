"""Whose turn it is: what holds the event loop goes a few at once, some wait in line, the rest is refused."""

import asyncio
from collections import deque

from bandstand.errors import BusyError

# For each that was refused in a round, and for all of them.
BREATH_S, MOST_BREATH_S = 0.001, 0.012


class Turns:
    """A line of at most `most`, from which each round of the event loop lets a few go on, `at_once`.

    A decision holds the loop for a millisecond or so. Between two rounds the loop does all else that has come up: it
    takes rewards, says that it is healthy, and refuses what finds the line full. So nothing but decisions ever waits
    for more than a few of them, and a decision for no more than `most`. Single turns would be fairer still, but a loop
    that looks for news after each decision answers fewer.

    Where many are refused, the next few wait a little, BREATH_S for each of these: decisions would else take all the
    time that refusals leave, and with it the processor from whoever reads and writes the sockets.
    """

    def __init__(self, most: int, *, at_once: int = 2) -> None:
        self.most = most
        self.at_once = at_once
        self._line: deque[asyncio.Future[None]] = deque()
        self._coming = self._gone = 0  # in this round of the loop
        self._going_round = False
        self._refused = 0  # since the last round

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    def come(self) -> None:
        """Say that somebody will soon `take` a turn; BusyError where there is no room for as many as came in this
        round. Who takes long to come holds no place."""
        self._check(self._coming)
        self._coming += 1
        self._go_round(asyncio.get_running_loop())

    async def take(self) -> None:
        """Return when it is the caller's turn; BusyError where the line is full."""
        loop = asyncio.get_running_loop()
        if not self._line and self._gone < self.at_once:
            self._gone += 1
            self._go_round(loop)
            return
        self._check(0)
        turn = loop.create_future()
        self._line.append(turn)
        await turn

    def _check(self, coming: int) -> None:
        if self.waiting + coming >= self.most:
            self._refused += 1
            raise BusyError(f"server: {self.most} requests wait, the most that may; try again in a second")

    def _go_round(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._going_round:
            self._going_round = True
            loop.call_soon(self._next_round, loop)

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next few go on, whatever becomes of them."""
        self._going_round = bool(self._line or self._coming or self._gone)
        self._coming = self._gone = 0
        while self._line and self._gone < self.at_once:
            turn = self._line.popleft()
            if not turn.done():  # else the request was cancelled
                turn.set_result(None)
                self._gone += 1
        breath, self._refused = min(BREATH_S * self._refused, MOST_BREATH_S), 0
        if self._going_round:
            loop.call_later(breath, self._next_round, loop) if breath else loop.call_soon(self._next_round, loop)
