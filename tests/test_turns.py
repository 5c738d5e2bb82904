"""A line in front of an event loop: few at a time, in order, no longer than it may be."""

import asyncio
from itertools import pairwise

import pytest

from bandstand.errors import BusyError
from bandstand.turns import Turns


def test_who_finds_nobody_in_line_goes_on_at_once() -> None:
    async def act() -> None:
        with pytest.raises(StopIteration):  # a coroutine that never waited
            Turns(1).take().send(None)

    asyncio.run(act())


def test_turns_are_taken_in_order_and_the_loop_does_everything_else_between_two_of_them() -> None:
    order: list[int] = []
    seen: list[int] = []

    async def act() -> None:
        turns = Turns(10, at_once=2)

        async def decide(n: int) -> None:
            await turns.take()
            order.append(n)

        deciding = asyncio.gather(*map(decide, range(9)))
        while not deciding.done():
            seen.append(len(order))
            await asyncio.sleep(0)

    asyncio.run(act())
    assert order == list(range(9))
    assert max(later - earlier for earlier, later in pairwise(seen)) == 2


def test_who_finds_the_line_full_is_refused_and_there_is_room_again_when_it_has_moved() -> None:
    async def act() -> None:
        turns = Turns(3, at_once=4)
        taken = await asyncio.gather(*(turns.take() for _ in range(9)), return_exceptions=True)
        assert taken[:7] == [None] * 7  # four at once, and three from the line
        assert [type(error) for error in taken[7:]] == [BusyError] * 2
        assert str(taken[8]) == "server: 3 requests wait, the most that may; try again in a second"
        await turns.take()

    asyncio.run(act())


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_who_leaves_the_line_does_not_hold_it_up(rounds: int) -> None:
    """Cancelled before its turn, when it has come, and after it."""

    async def act() -> None:
        turns = Turns(3, at_once=1)
        _, first, *others = [asyncio.ensure_future(turns.take()) for _ in range(4)]
        for _ in range(rounds):
            await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(1):
            await asyncio.gather(*others)
            await turns.take()
        assert turns.waiting == 0

    asyncio.run(act())


def test_as_many_may_come_in_a_round_as_there_is_room_for_and_who_is_slow_holds_no_place() -> None:
    async def act() -> None:
        turns = Turns(3)
        for _ in range(2):
            for _ in range(3):
                turns.come()
            with pytest.raises(BusyError):
                turns.come()
            await asyncio.sleep(0)

    asyncio.run(act())
