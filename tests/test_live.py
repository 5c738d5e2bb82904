"""Many requests at once on one loop: durable, in order, once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bandstand.engine import Engine, interaction
from bandstand.errors import ConflictError
from bandstand.events import Decided, Request
from bandstand.follow import Follower
from bandstand.live import Live
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.store.memory import MemorySnapshots


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
