"""A wall clock that jumps back: the log keeps its order, and windows are as long as they should be in its time."""

import asyncio
import time
from itertools import accumulate
from pathlib import Path

import pytest

from bandstand.engine import Engine
from bandstand.events import Request
from bandstand.live import Live
from bandstand.model import Model, fold
from bandstand.replay import replay
from bandstand.store import entries
from bandstand.store.memory import MemorySnapshots
from bandstand.store.sql import open_log
from bandstand.strategy import Surface

from .conftest import Saw, Serving, Shim
from .traffic import Traffic
from .verdict import judge

_HOUR_S = 3600.0
_WINDOW_S = Surface().window_s


def test_windows_are_measured_by_the_latest_time_that_the_log_has_seen(shop: Engine, noon: float) -> None:
    """The second decision is made when the clock is an hour behind the first."""
    now = [noon]
    engine = Engine(Model(learning=False), shop.log)
    engine.catch_up()

    async def act() -> None:
        live = Live(engine, MemorySnapshots(), alone=True, clock=lambda: now[0])
        await live.start()
        first = await live.rank(Request("home", now[0], user="ann"))
        now[0] = noon - _HOUR_S
        second = await live.rank(Request("home", now[0], user="ann"))
        now[0] = noon - _HOUR_S + 1.0
        for decided in (first, second):
            await live.record([engine.reward(decided.decision, "click", 1.0, position=0)])
        now[0] = noon + _WINDOW_S - 1  # the window counts from the latest time seen when either was made
        await live.record([engine.reward(second.decision, "click", 1.0, position=1)])
        model = fold(Model(), entries(engine.log))
        assert (model.learned, model.join and model.join.waiting.keys()) == (0, {first.decision, second.decision})
        now[0] = noon + _WINDOW_S
        await live.rank(Request("home", now[0]))
        model = fold(Model(), entries(engine.log))
        assert model.learned == len(first.picks) + len(second.picks)
        await live.stop()

    asyncio.run(act())
    everything = list(entries(engine.log))
    assert [entry.seq for entry in everything] == list(range(1, len(everything) + 1))
    assert min(entry.at for entry in everything) == noon - _HOUR_S
    assert engine.model.state.clock == noon + _WINDOW_S
    assert replay(engine.log).divergences == []


@pytest.mark.faults
def test_a_server_whose_clock_jumps_keeps_order_and_goes_on_learning(
    serving: Serving, shim: Shim, tmp_path: Path, saw: Saw
) -> None:
    skew = tmp_path / "skew"
    skew.write_text("0")
    server = serving(environment={"LD_PRELOAD": shim("clock"), "FAULTS_CLOCK": str(skew)})
    server.start()
    server.stock()
    with Traffic(server.port, seed="clock").running() as traffic:
        for seconds in (0, -86_400, 0, -3, -2, 0, -3600, 0):
            skew.write_text(str(seconds))
            time.sleep(0.7)
        time.sleep(2.0)  # past the windows of the last hour's decisions
    server.stop()
    judged = judge(server.database, traffic.acknowledged)
    log = open_log(server.database, readonly=True)
    times = [entry.at for entry in entries(log)]
    log.close()
    back = [latest - at for latest, at in zip(accumulate(times, max), times, strict=True)]
    saw("judged", judged)
    saw("furthest back in the log", f"{max(back):.0f} s")
    assert traffic.surprises == []
    assert max(back) > 86_000
    assert judged.learned > judged.decisions
