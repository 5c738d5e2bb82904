"""The learner beside the servers: it starts from a snapshot, from the log alone, or from what is left of either."""

import numpy as np
import pytest

from bandstand.engine import Engine, interaction
from bandstand.errors import StoreError
from bandstand.events import Draft, Request
from bandstand.follow import Follower, newest_model, newest_weights
from bandstand.model import Model, fold
from bandstand.store import Snapshot
from bandstand.store.memory import MemoryLog, MemorySnapshots


@pytest.fixture
def busy(shop: Engine, noon: float) -> Engine:
    """A shop where twenty decisions were rewarded and have had their time."""
    for k in range(20):
        now = noon + 60 * k
        decided = shop.rank(Request("home", now, user=f"u{k % 3}"), decision=f"d{k}", at=now)
        shop.commit([shop.reward(decided.decision, "click", 1.0, position=k % 10)], at=now + 1)
    shop.commit([interaction("i1", "view", user="u0")], at=noon + 10_000)
    return shop


def follower(engine: Engine, snapshots: MemorySnapshots, model: Model | None = None) -> Follower:
    return Follower(model or Model(), engine.log, snapshots, weights_every_s=0.0, model_every_s=0.0)


def test_server_adopts_what_the_learner_published(busy: Engine, noon: float) -> None:
    snapshots = MemorySnapshots()
    follower(busy, snapshots).turn()
    server = Engine(Model(learning=False), busy.log)
    published = newest_weights(snapshots, after=0)
    assert published is not None
    assert not server.model.adopt(published)  # it knows entries that this server has not read yet
    server.catch_up()
    assert server.model.adopt(published)
    decided = server.decide(Request("home", noon + 10_000), decision="d")
    assert any(pick.score != 0 for pick in decided.picks)
    assert decided.weights_as_of == published.seq


def test_nothing_is_published_where_nothing_was_learned(shop: Engine) -> None:
    snapshots = MemorySnapshots()
    learner = follower(shop, snapshots)
    learner.turn()
    first = snapshots.newest("weights")
    learner.turn()
    assert snapshots.newest("weights") == first


def test_learner_goes_on_from_its_snapshot_as_if_never_stopped(busy: Engine, noon: float) -> None:
    snapshots = MemorySnapshots()
    follower(busy, snapshots).turn()
    for k in range(20, 40):
        busy.rank(Request("home", noon + 20_000 + k), decision=f"d{k}", at=noon + 20_000 + k)
    busy.commit([interaction("i1", "view", user="u0")], at=noon + 40_000)
    resumed = follower(busy, snapshots, newest_model(snapshots, busy.log, learning=True))
    resumed.turn()
    anew = fold(Model(), busy.log.read(limit=10_000))
    np.testing.assert_array_equal(
        resumed.model.publish().weights["default"].table, anew.publish().weights["default"].table
    )
    assert resumed.model.learned == anew.learned


@pytest.mark.parametrize(
    "body", [b"", b"not msgpack", b"\x94\x01\x02\x03\x04", b"\x94\xcd\x03\xe7\xc4\x00\xc0\x92\x00\x80"]
)
def test_snapshot_that_cannot_be_read_is_made_again_from_the_log(busy: Engine, body: bytes) -> None:
    snapshots = MemorySnapshots()
    snapshots.put("model", Snapshot(busy.log.head(), body))
    model = newest_model(snapshots, busy.log, learning=True)
    assert model.state.seq == 0
    follower(busy, snapshots, model).turn()
    assert model.state.seq == busy.log.head()


def test_weights_that_cannot_be_read_are_an_error_that_says_so(busy: Engine) -> None:
    snapshots = MemorySnapshots()
    snapshots.put("weights", Snapshot(7, b"nonsense"))
    with pytest.raises(StoreError, match="cannot be read"):
        newest_weights(snapshots, after=0)


def test_a_servers_snapshot_without_lessons_is_no_start_for_a_learner(busy: Engine) -> None:
    snapshots = MemorySnapshots()
    server = fold(Model(learning=False), busy.log.read(limit=10_000))
    snapshots.put("model", Snapshot(server.state.seq, server.dump()))
    assert newest_model(snapshots, busy.log, learning=False).state.seq == server.state.seq
    assert newest_model(snapshots, busy.log, learning=True).state.seq == 0


def test_snapshot_of_another_log_is_not_taken_for_this_ones(busy: Engine, empty: Engine, noon: float) -> None:
    snapshots = MemorySnapshots()
    follower(busy, snapshots).turn()
    stranger = MemoryLog()
    assert newest_model(snapshots, stranger, learning=True).state.seq == 0
    stranger.append([Draft(entry.fact, entry.at + 1) for entry in busy.log.read(limit=10_000)])
    assert newest_model(snapshots, stranger, learning=True).state.seq == 0
    published = newest_weights(snapshots, after=0)
    server = Engine(Model(learning=False), stranger)
    server.catch_up()
    assert published is not None
    assert not server.model.adopt(published)
