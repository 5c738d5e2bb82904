"""Decisions waiting for their rewards, in log time: a window closes when the log's own clock passes it."""

import heapq

import msgspec


class Waiting(msgspec.Struct, gc=False):
    """A decision whose window is open.

    `shared` and `picks` are its features as the learner reads them, `picks` by position on the page; `seen` are the
    positions known to have been shown; `earned` is what came for each so far, `whole` what came for the slate at large.
    """

    decision: str
    teaches: tuple[str, ...]
    shared: str
    picks: dict[int, str]
    default_reward: float
    seen: set[int]
    earned: dict[int, float] = {}
    whole: float | None = None

    def examples(self) -> tuple[list[str], list[float]]:
        """Every pick that was shown, and what each earned; the unclicked ones too. A reward for the whole slate is
        shared evenly among them."""
        share, shown = None if self.whole is None else self.whole / max(len(self.seen), 1), sorted(self.seen)
        return [self.picks[at] for at in shown], [self._reward(at, share) for at in shown]

    def _reward(self, at: int, share: float | None) -> float:
        if share is None:
            return self.earned.get(at, self.default_reward)
        return self.earned.get(at, 0.0) + share


class Join(msgspec.Struct):
    """The open windows, by decision and by deadline."""

    waiting: dict[str, Waiting] = {}
    deadlines: list[tuple[float, int, str]] = []

    def open(self, waiting: Waiting, *, seq: int, deadline: float) -> None:
        self.waiting[waiting.decision] = waiting
        heapq.heappush(self.deadlines, (deadline, seq, waiting.decision))

    def exposed(self, decision: str, positions: tuple[int, ...] | None) -> None:
        waiting = self.waiting.get(decision)
        if waiting is not None:
            waiting.seen |= waiting.picks.keys() if positions is None else waiting.picks.keys() & set(positions)

    def rewarded(self, decision: str, position: int | None, worth: float) -> None:
        """Add a reward for one position, or for the whole slate."""
        waiting = self.waiting.get(decision)
        if waiting is None:
            return
        if position is None:
            waiting.whole = (waiting.whole or 0.0) + worth
        elif position in waiting.picks:
            waiting.earned[position] = waiting.earned.get(position, 0.0) + worth

    def close(self, clock: float) -> list[Waiting]:
        """The decisions whose window has ended at `clock` (a reward at exactly the deadline is too late), in order."""
        closed: list[Waiting] = []
        while self.deadlines and self.deadlines[0][0] <= clock:
            _, _, decision = heapq.heappop(self.deadlines)
            closed.append(self.waiting.pop(decision))
        return closed
