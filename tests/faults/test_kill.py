"""kill -9 at any moment: nothing acknowledged is missing, nothing is there twice, and learning goes on where it was."""

import random
import time

import pytest

from .conftest import CONTROL, Saw, Serving
from .server import Server, kill, wait_until
from .traffic import Acknowledged, Traffic
from .verdict import judge, spread, survived

pytestmark = pytest.mark.faults

KILLS = 20
_CONTROLS = 4
_RESPAWN_S = 5.5  # granian takes a worker that dies sooner after its respawn for one that cannot live, and gives up


def test_worker_and_learner_killed_in_turn(serving: Serving, saw: Saw) -> None:
    """Of two servers, so that one is killed while the other may not be."""
    chance = random.Random("worker and learner killed in turn")
    pair = [serving(), serving()]
    for server in pair:
        server.start()
        server.stock()
    killed_at: list[list[float]] = [[], []]
    learners = set[int]()
    one, other = (Traffic(server.port, visitors=4, seed=f"parts{at}") for at, server in enumerate(pair))
    with one.running(), other.running():
        time.sleep(1.0)
        for _ in range(KILLS // len(pair)):
            for server, at in zip(pair, killed_at, strict=True):
                if at:
                    time.sleep(max(at[-1] + _RESPAWN_S + chance.uniform(0.3, 0.8) - time.monotonic(), 0.0))
                at.append(time.monotonic())
                kill(server.workers()[0])
                time.sleep(chance.uniform(0.0, 2.5))
                learners.add(killed_learner(server))
        learned = [server.wait_learned() for server in pair]
    for server in pair:
        server.stop()
    judged = [judge(server.database, it.acknowledged) for server, it in zip(pair, (one, other), strict=True)]
    back = [it.next_success(at) - at for it, ats in zip((one, other), killed_at, strict=True) for at in ats]
    saw("judged", judged)
    saw("seconds until the last learner's successor had caught up", f"{max(learned):.2f}")
    saw("seconds until a killed worker's successor answered", spread(back))
    assert one.surprises == other.surprises == []
    assert (len(back), len(learners)) == (KILLS, KILLS)
    assert sum(each.acknowledged for each in judged) > 50 * KILLS
    assert min(each.learned for each in judged) > 0
    assert max(back) < 5


def test_a_server_that_answers_before_its_commit_is_seen_to_lose(serving: Serving, saw: Saw) -> None:
    """The control: the same kills, and what was acknowledged is missing."""
    chance = random.Random("control")
    server = serving(program=(str(CONTROL), "hasty"))
    server.start()
    server.stock()
    acknowledged, losses = Acknowledged(), []
    for life in range(_CONTROLS):
        with Traffic(
            server.port, visitors=32, think_s=0.0, seed=f"life{life}", acknowledged=acknowledged
        ).running() as traffic:
            time.sleep(chance.uniform(0.2, 1.0))
            server.kill()
            traffic.abandon()
        losses.append(len(survived(server.database, acknowledged)))
        server.start()
    saw("facts lost, in all after each kill", losses)
    assert losses[-1] > 0


def killed_learner(server: Server) -> int:
    """The learner that was killed; the next one after the last must have been started by itself."""
    wait_until(lambda: server.learner() is not None, within_s=5, what=lambda: "no learner was started again")
    learner = server.learner()
    assert learner is not None
    kill(learner)
    return learner


def test_everything_killed_at_once(serving: Serving, saw: Saw) -> None:
    chance = random.Random("everything killed at once")
    server = serving()
    server.start()
    server.stock()
    starts = []
    with Traffic(server.port, seed="all").running() as traffic:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.5))
            server.kill()
            starts.append(server.start())
        time.sleep(1.0)
    server.stop()
    judged = judge(server.database, traffic.acknowledged)
    saw("judged", judged)
    saw("seconds from start to ready", spread(starts))
    assert traffic.surprises == []
    assert judged.acknowledged > 20 * KILLS
    assert judged.learned > 0
    assert max(starts) < 10
