"""The steward of one server: looks every so often, acts through the one writer, and tells."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from bandstand.configuration import running
from bandstand.experiments.trial import Trial
from bandstand.live import Live
from bandstand.settings import Hooks
from bandstand.steward.courier import Counted, Courier
from bandstand.steward.news import found, moves, position
from bandstand.steward.wishes import Act, Look, fact
from bandstand.store.lead import Lead

_LISTEN_S = 1.0
_AGAIN_S = 30.0
_IDLE_S = 5.0
_SHARE = 9
"""It rests nine times as long as it looked: on a log so large that a look takes minutes it has a tenth of one core."""

_TOLD_AGAIN_S = 600.0
"""How far before its start a server tells what moved: it may be what another could not tell any more."""

_NAMES = {"look": "steward", "listen": "hooks"}
"""As readiness calls what fails."""

_logger = logging.getLogger("bandstand")


class Steward:
    """Of all servers of one log the one that leads looks and tells; what two do at once the log keeps once.

    `look` gives a look at every experiment that runs, at best from another process.
    """

    def __init__(
        self, live: Live, lead: Lead, look: Callable[[], Awaitable[list[Look]]], *, every_s: float, hooks: Hooks
    ) -> None:
        self._live = live
        self._lead = lead
        self._look = look
        self._every_s = every_s
        self._hooks = hooks
        self._before: dict[str, Look] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._courier: Courier | None = None
        self._counted: Counted = _nobody

    async def start(self, changing: asyncio.Lock, counted: Counted) -> None:
        """Begin. `changing` is held while an experiment is changed, and `counted` told what is done."""
        self._changing, self._counted = changing, counted
        if self._hooks.urls:
            self._courier = Courier(self._hooks, counted)
            await self._courier.start()
            self._tasks.append(asyncio.create_task(self._listening(self._courier)))
        if self._every_s:
            self._tasks.append(asyncio.create_task(self._looking()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._courier is not None:
            await self._courier.stop()
        self._lead.close()

    async def _looking(self) -> None:
        while True:
            pause = min(self._every_s, _IDLE_S)
            if any(map(_runs, self._trials())) and await asyncio.to_thread(self._lead.held):
                started = time.monotonic()
                done = await self._looked()
                pause = max(self._every_s, _SHARE * (time.monotonic() - started))
                pause = pause if done else min(pause, _AGAIN_S)
            await asyncio.sleep(pause)

    async def _looked(self) -> bool:
        """Look and act; False where that failed and is to be tried again soon. Serving goes on whatever happens."""
        try:
            looks = await self._look()
        except Exception as error:
            self._failed("look", error)
            return False
        errors = [why for look in looks if (why := await self._taken(look)) is not None]
        if errors:
            self._failed("look", errors[0])
        else:
            self._live.failing.pop(_NAMES["look"], None)
            self._counted("look", "done")
        return True

    async def _taken(self, look: Look) -> str | None:
        """Tell what is new in it, and do what it asks for; why that cannot be done, where it cannot."""
        if look.error is not None:
            return look.error
        if self._courier is not None:
            for event in found(look, self._before.get(look.experiment)):
                self._courier.send(event)
        self._before[look.experiment] = look
        try:
            if look.act is not None and await self._done(look.experiment, look.act):
                what = type(look.act).__name__.lower()
                self._counted(what, "done")
                _logger.warning("experiment '%s': %s: %s", look.experiment, what, look.act.why)
        except Exception as error:  # whatever it is, it is tried again at the next look
            return str(error)
        return None

    async def _done(self, experiment: str, act: Act) -> bool:
        """Whether it was done, and not by somebody else, and is not out of date."""
        async with self._changing:
            state = self._live.engine.model.state
            trial = state.trials.get(experiment)
            wanted = None if trial is None else fact(trial, act, running=running(state))
            if wanted is None:
                return False
            (appended,) = await self._live.record([wanted])
        return not appended.duplicate

    async def _listening(self, courier: Courier) -> None:
        """Tell how experiments move, whoever moved them: what the log says is told, once it is there."""
        heard: int | None = None
        stood: object = None
        while True:
            try:
                if not await asyncio.to_thread(self._lead.held):
                    heard = None
                else:
                    if heard is None:
                        since = self._live.clock() - _TOLD_AGAIN_S
                        heard, stood = await asyncio.to_thread(position, self._live.engine.log, since), None
                    seq = self._live.engine.model.state.seq
                    stands = [(one.definition.name, one.stage, one.phase) for one in self._trials()]
                    if stands != stood:
                        await self._told(courier, after=heard, upto=seq)
                    heard, stood = seq, stands
                self._live.failing.pop(_NAMES["listen"], None)
            except Exception as error:  # it is told when the log can be read again
                self._failed("listen", error)
            await asyncio.sleep(_LISTEN_S)

    async def _told(self, courier: Courier, *, after: int, upto: int) -> None:
        log = self._live.engine.log
        for event in await asyncio.to_thread(lambda: list(moves(log, after=after, upto=upto))):
            courier.send(event)

    def _failed(self, what: Literal["look", "listen"], error: object) -> None:
        _logger.warning("%s: %s; trying again", _NAMES[what], error)
        self._live.failing[_NAMES[what]] = str(error)
        self._counted(what, "failed")

    def _trials(self) -> list[Trial]:
        return list(self._live.engine.model.state.trials.values())


def _runs(trial: Trial) -> bool:
    return trial.stage == "running"


def _nobody(what: str, result: str) -> None:
    """Before the start there is nobody to be told."""
