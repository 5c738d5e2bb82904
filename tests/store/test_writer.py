"""What the group commit promises to the tasks that append through it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence

import pytest

from bandstand.errors import BusyError, InputError, StoreError
from bandstand.events import Draft, Entry, Interacted, ItemRemoved
from bandstand.store import Appended
from bandstand.store.memory import MemoryLog
from bandstand.store.writer import Writer


def seen(item: str, *, key: str | None = None) -> Draft:
    return Draft(Interacted(item=item, name="view", key=key), at=1.0)


POISON = Draft(ItemRemoved("\ud800"), at=1.0)


class SlowDisk(MemoryLog):
    """A memory log whose appends wait until the test lets them go, fail where it says so, and note their sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.begun = threading.Event()
        self.sizes: list[int] = []
        self.failure: StoreError | None = None

    def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        self.begun.set()
        self.go.wait()
        self.sizes.append(len(drafts))
        if self.failure is not None:
            raise self.failure
        return super().append(drafts)

    async def busy(self) -> None:
        """Until an append is under way."""
        await asyncio.to_thread(self.begun.wait)
        await asyncio.sleep(0)


def run(scene: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scene())


def test_an_append_answers_like_the_log_itself() -> None:
    async def scene() -> None:
        log = MemoryLog()
        writer = Writer(log)
        answers = await writer.append([seen("a", key="k"), seen("b"), seen("c", key="k")])
        assert [(answer.entry.seq, answer.duplicate) for answer in answers] == [(1, False), (2, False), (1, True)]
        assert [answer.entry for answer in answers[:2]] == log.read()
        assert await writer.append([]) == []
        await writer.close()

    run(scene)


def test_what_arrives_during_a_commit_goes_into_the_next_one_together() -> None:
    async def scene() -> None:
        log = SlowDisk()
        writer = Writer(log, batch=10)
        first = asyncio.create_task(writer.append([seen("first")]))
        await log.busy()
        others = [asyncio.create_task(writer.append([seen(f"{n}"), seen(f"{n}")])) for n in range(7)]
        large = asyncio.create_task(writer.append([seen("large")] * 25))
        await asyncio.sleep(0)
        log.go.set()
        await asyncio.gather(first, *others, large)
        await writer.close()
        assert log.sizes == [1, 10, 4, 25]  # whole appends, up to ten drafts, and one that is larger alone
        assert [answer.entry.seq for task in others for answer in task.result()] == list(range(2, 16))

    run(scene)


def test_commits_are_told_in_order_new_entries_only_and_before_anyone_is_answered() -> None:
    async def scene() -> None:
        log, told = MemoryLog(), list[Entry]()
        thread = threading.get_ident()

        def tell(entries: list[Entry]) -> None:
            assert threading.get_ident() == thread
            told.extend(entries)

        writer = Writer(log, on_commit=tell)

        async def task(n: int) -> None:
            for k in range(10):
                for answer in await writer.append([seen(f"{n}/{k}"), seen("same", key=f"{k}")]):
                    assert answer.entry in told

        await asyncio.gather(*(task(n) for n in range(16)))
        await writer.close()
        assert told == log.read()
        assert len(told) == 16 * 10 + 10

    run(scene)


def test_a_full_queue_refuses_and_takes_again_once_it_has_room() -> None:
    async def scene() -> None:
        log = SlowDisk()
        writer = Writer(log, queue=5)
        first = asyncio.create_task(writer.append([seen("first")]))
        await log.busy()
        waiting = asyncio.create_task(writer.append([seen("a")] * 4))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="4 of at most 5 drafts wait; try again"):
            await writer.append([seen("b")] * 2)
        last = asyncio.create_task(writer.append([seen("c")]))
        await asyncio.sleep(0)
        log.go.set()
        await asyncio.gather(first, waiting, last)
        await writer.append([seen("larger than the queue")] * 9)
        await writer.close()
        assert log.head() == 1 + 4 + 1 + 9

    run(scene)


def test_a_poisonous_draft_fails_its_own_append_and_no_other() -> None:
    async def scene() -> None:
        log, told = SlowDisk(), list[Entry]()
        writer = Writer(log, on_commit=told.extend)
        first = asyncio.create_task(writer.append([seen("first")]))
        await log.busy()
        drafts = [[seen("a")], [seen("b"), POISON], [seen("c")], [seen("d", key="k")], [POISON], [seen("e", key="k")]]
        tasks = [asyncio.create_task(writer.append(each)) for each in drafts]
        await asyncio.sleep(0)
        log.go.set()
        _, *results = await asyncio.gather(first, *tasks, return_exceptions=True)
        await writer.close()
        assert [isinstance(result, InputError) for result in results] == [False, True, False, False, True, False]
        assert [entry.fact.item for entry in log.read()] == ["first", "a", "c", "d"]
        assert told == log.read()

    run(scene)


def test_a_store_that_fails_fails_those_who_wait_and_the_writer_goes_on() -> None:
    async def scene() -> None:
        log, told = SlowDisk(), list[Entry]()
        writer = Writer(log, on_commit=told.extend)
        log.failure = StoreError("log: the disk is full")
        first = asyncio.create_task(writer.append([seen("first")]))
        await log.busy()
        others = [asyncio.create_task(writer.append([seen(f"{n}")])) for n in range(3)]
        await asyncio.sleep(0)
        log.go.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert [str(result) for result in results] == ["log: the disk is full"] * 4
        log.failure = None
        assert (await writer.append([seen("b")]))[0].entry.seq == 1
        await writer.close()
        assert told == log.read()

    run(scene)


def test_a_task_that_gave_up_does_not_disturb_the_others() -> None:
    async def scene() -> None:
        log = SlowDisk()
        writer = Writer(log)
        gone, stays = (asyncio.create_task(writer.append([seen(name)])) for name in ("gone", "stays"))
        await log.busy()
        gone.cancel()
        await asyncio.sleep(0)
        log.go.set()
        assert (await stays)[0].duplicate is False
        await writer.close()
        assert log.head() == 2

    run(scene)


def test_closing_writes_and_answers_what_waits_and_takes_nothing_more() -> None:
    async def scene() -> None:
        log = SlowDisk()
        writer = Writer(log, batch=3)
        tasks = [asyncio.create_task(writer.append([seen(f"{n}")])) for n in range(10)]
        await log.busy()
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreError, match="is closed"):
            await writer.append([seen("late")])
        log.go.set()
        await closing
        assert all(task.done() for task in tasks)
        assert log.head() == 10
        await writer.close()

    run(scene)


def test_an_observer_that_fails_keeps_no_answer_back() -> None:
    async def scene() -> None:
        raised: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))

        def observe(_: list[Entry]) -> None:
            raise ZeroDivisionError

        writer = Writer(MemoryLog(), on_commit=observe)
        assert len(await writer.append([seen("a")])) == 1
        await writer.close()
        assert [type(error) for error in raised] == [ZeroDivisionError]

    run(scene)
