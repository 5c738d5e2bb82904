"""One server to an SQLite file: a second one is refused, and what is left of a dead one gives way."""

import time

import pytest

from .conftest import Saw, Serving
from .server import kill, wait_until
from .traffic import Traffic
from .verdict import judge

pytestmark = pytest.mark.faults


def test_a_second_server_on_the_file_is_refused_and_does_not_disturb_the_first(serving: Serving, saw: Saw) -> None:
    first = serving()
    first.start()
    first.stock()
    second = serving()
    second.database = first.database
    before = first.pids()
    with Traffic(first.port, seed="first").running() as traffic:
        time.sleep(0.5)
        started = time.monotonic()
        assert second.launch().wait(15) == 2
        saw("seconds until the second gave up", f"{time.monotonic() - started:.2f}")
        time.sleep(1.5)
    assert second.tail().startswith("bandstand: database 'sqlite:///")
    assert f"process {first.workers()[0]} writes it, and an SQLite file has one writer" in second.tail()
    assert len(second.tail().splitlines()) == 1
    assert second.pids() == []
    assert sorted(first.pids()) == sorted(before)  # the same processes: none had to be started again
    assert (traffic.broken, traffic.refused, traffic.surprises) == (0, {}, [])
    first.stop()
    assert judge(first.database, traffic.acknowledged).learned > 0


def test_a_server_whose_first_process_was_killed_ends_and_can_be_started_again(serving: Serving, saw: Saw) -> None:
    server = serving()
    server.start()
    server.stock()
    with Traffic(server.port, seed="orphans").running() as traffic:
        time.sleep(1.0)
        kill(server.main())
        assert server.process is not None
        server.process.wait()
        took = wait_until(lambda: server.pids() == [], within_s=10, what=lambda: f"orphans: {server.pids()}")
        server.start()
        time.sleep(1.0)
    server.stop()
    saw("seconds until worker and learner had gone too", f"{took:.2f}")
    assert traffic.surprises == []
    judge(server.database, traffic.acknowledged)
