"""Many requests at once on one loop: durable, in order, once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

import pytest

from bandstand.engine import Engine, interaction
from bandstand.errors import BusyError, ConflictError
from bandstand.events import Decided, Draft, Entry, Request
from bandstand.follow import Follower
from bandstand.live import Live
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.store import Appended
from bandstand.store.memory import MemoryLog, MemorySnapshots


def served(engine: Engine, noon: float, act: Callable[[Live], Awaitable[None]], *, alone: bool = True) -> None:
    async def main() -> None:
        live = Live(engine, snapshots, alone=alone, clock=lambda: noon)
        await live.start()
        try:
            await act(live)
        finally:
            await live.stop()

    snapshots = MemorySnapshots()
    asyncio.run(main())


@pytest.fixture
def server(shop: Engine) -> Engine:
    engine = Engine(Model(learning=False), shop.log)
    engine.catch_up()
    return engine


def test_answers_leave_when_log_and_model_know_them(server: Engine, noon: float) -> None:
    async def act(live: Live) -> None:
        many = await asyncio.gather(*(live.rank(Request("home", noon, user=f"u{k}")) for k in range(50)))
        assert len({one.decision for one in many}) == 50
        for one in many:
            assert server.decision(one.decision) == one
            entry = server.log.find(f"decided/{one.decision}")
            assert entry is not None
            assert entry.fact == one

    served(server, noon, act)
    assert replay(server.log).divergences == []


def test_a_users_click_changes_that_users_next_slate(server: Engine, noon: float) -> None:
    async def act(live: Live) -> None:
        before = await live.rank(Request("home", noon, user="ann"))
        await live.record([server.reward(before.decision, "click", 1.0, position=0)])
        after = await live.rank(Request("home", noon, user="ann"))
        assert before.user == {"newcomer": 1.0}
        assert any(name.startswith("likes category=") for name in after.user)

    served(server, noon, act)


def test_same_key_answers_the_same_decision_and_another_request_is_refused(server: Engine, noon: float) -> None:
    async def act(live: Live) -> None:
        first = await live.rank(Request("home", noon, user="ann"), key="k")
        await live.record([interaction("i1", "view", user="ann")])
        assert await live.rank(Request("home", noon + 5, user="ann"), key="k") == first
        with pytest.raises(ConflictError, match="key 'k' was used for another request"):
            await live.rank(Request("home", noon, user="bob"), key="k")

    served(server, noon, act)


def test_same_key_at_the_same_moment_is_one_decision(server: Engine, noon: float) -> None:
    async def act(live: Live) -> None:
        same = await asyncio.gather(*(live.rank(Request("home", noon), key="k") for _ in range(10)))
        assert len(set(map(id_of, same))) == 1

    served(server, noon, act)
    assert sum(isinstance(entry.fact, Decided) for entry in server.log.read()) == 1


def test_decisions_fill_half_of_the_write_queue_and_what_comes_back_has_the_rest(shop: Engine, noon: float) -> None:
    async def act() -> None:
        engine = Engine(Model(learning=False), held)
        engine.catch_up()
        live = Live(engine, MemorySnapshots(), alone=True, queue=8, clock=lambda: noon)
        under_way = [asyncio.ensure_future(live.rank(Request("home", noon)))]
        while not held.under_way:
            await asyncio.sleep(0.001)
        live.come()
        for _ in range(4):
            under_way.append(asyncio.ensure_future(live.rank(Request("home", noon))))
        while live.waiting < 4:
            await asyncio.sleep(0.001)
        with pytest.raises(BusyError, match="4 facts wait for the disk"):
            live.come()
        seen = asyncio.ensure_future(live.record([interaction("i1", "view", user="ann")] * 4))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="8 of at most 8 drafts wait"):
            await live.record([interaction("i1", "view", user="ann")])
        held.free.set()
        await asyncio.gather(seen, *under_way)
        live.come()
        await live.stop()

    held = Held(shop.log.read(limit=1000))
    asyncio.run(asyncio.wait_for(act(), 10))


class Held(MemoryLog):
    """A log whose disk takes its time: an append ends when it is `free`."""

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__()
        super().append([Draft(entry.fact, entry.at) for entry in entries])
        self.free = threading.Event()
        self.under_way = False

    def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        self.under_way = True
        assert self.free.wait(10)
        return super().append(drafts)


def id_of(decided: Decided) -> str:
    return decided.decision


def test_weights_arrive_without_a_pause(server: Engine, shop: Engine, noon: float) -> None:
    snapshots = MemorySnapshots()
    shop.catch_up()
    for k in range(5):
        shop.rank(Request("home", noon), decision=f"d{k}", at=noon)
    shop.commit([interaction("i1", "view", user="ann")], at=noon + 10_000)
    Follower(Model(), shop.log, snapshots, weights_every_s=0.0).turn()

    async def main() -> None:
        live = Live(server, snapshots, alone=False, clock=lambda: noon)
        await live.start()
        async with asyncio.timeout(5):
            while not server.model.published.seq:
                await live.rank(Request("home", noon))
                await asyncio.sleep(0.02)
        await live.stop()

    asyncio.run(main())
    assert server.model.published.seq > 0


def test_a_user_who_is_erased_while_rewards_and_pages_come_in_is_named_nowhere(server: Engine, noon: float) -> None:
    async def act(live: Live) -> None:
        where = Request("home", noon, user="ann", session="ann session", n=2)
        shown = [(await live.rank(where)).decision for _ in range(8)]

        async def rewards(decision: str) -> None:
            for _ in range(5):
                await live.record([live.engine.reward(decision, "click", 1.0, position=0)])

        async def pages(decision: str) -> None:
            for _ in range(3):
                decision = (await live.next_page(decision)).decision

        await asyncio.gather(*map(rewards, shown), live.erase("ann"), *map(pages, shown))

    served(server, noon, act)
    assert server.log.about("ann") == []
    assert "u:ann" not in server.model.state.histories
    assert replay(server.log).divergences == []
