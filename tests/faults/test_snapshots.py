"""Snapshots that are cut short, flipped or overwritten on disk: noticed, passed over, and made up for by the log."""

import logging
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bandstand.app import configured
from bandstand.engine import Engine
from bandstand.errors import StoreError
from bandstand.events import ItemPut, Request
from bandstand.follow import Follower, newest_model, newest_weights
from bandstand.model import Model, Published
from bandstand.settings import Settings
from bandstand.store import entries
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_snapshots

from .conftest import Saw, Serving
from .traffic import Acknowledged, Traffic
from .verdict import assert_same, judge, spread

pytestmark = pytest.mark.faults

_MUTATIONS, _LIVES = 150, 3


def flipped(body: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 20))):
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def cut_short(body: bytearray, chance: random.Random) -> None:
    del body[chance.randrange(len(body)) :]


def overwritten(body: bytearray, chance: random.Random) -> None:
    at, length = chance.randrange(len(body)), chance.choice((1, 512, 4096, 20_000))
    size = len(body[at : at + length])
    body[at : at + length] = chance.choice((bytes(size), chance.randbytes(size)))


def flipped_in_the_header(body: bytearray, chance: random.Random) -> None:
    body[chance.randrange(100)] ^= 1 << chance.randrange(8)


Damage = Callable[[bytearray, random.Random], None]
DAMAGES: list[Damage] = [flipped, cut_short, overwritten, flipped_in_the_header]


@pytest.fixture
def log(tmp_path: Path) -> MemoryLog:
    """A log of some decisions, and beside it `good.db`: the snapshots that a learner made of it on its way."""
    log = MemoryLog()
    engine = Engine(Model(learning=False), log)
    settings = Settings(strategies={"default": {"learning": {"bits": 12}}}, experiments=str(tmp_path))
    configured(engine, settings, at=0.0)
    engine.commit([ItemPut(f"i{k}", {"category": f"c{k % 3}"}) for k in range(20)], at=0.0)
    snapshots = open_snapshots(f"sqlite:///{tmp_path / 'good.db'}")
    learner = Follower(Model(), log, snapshots, weights_every_s=0.0, model_every_s=0.0)
    for step in range(40):
        decided = engine.rank(Request("home", float(step)), decision=f"d{step}", at=100.0 * step)
        engine.commit([engine.reward(decided.decision, "click", 1.0, position=0)], at=100.0 * step)
        learner.turn()
    snapshots.close()
    return log


def test_no_damage_is_ever_served_and_none_keeps_a_server_from_starting(
    log: MemoryLog, tmp_path: Path, saw: Saw, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # each damaged file is warned about
    truth = published_at(log)
    good = (tmp_path / "good.db").read_bytes()
    found: Counter[str] = Counter()
    for number in range(_MUTATIONS):
        chance = random.Random(f"damage {number}")
        damage = chance.choice(DAMAGES)
        body = bytearray(good)
        damage(body, chance)
        path = tmp_path / f"damaged{number}.db"
        path.write_bytes(body)
        reader = open_snapshots(f"sqlite:///{path}", readonly=True)
        with suppress(StoreError):  # which a server says in its readiness, and goes on
            published = newest_weights(reader, -1)
            if published is not None:
                assert_same(published, truth[published.seq])
        assert newest_model(reader, log, learning=False).state.seq in {0, *truth}
        reader.close()
        writer = open_snapshots(f"sqlite:///{path}")
        model = newest_model(writer, log, learning=True)
        found["from a snapshot" if model.state.seq else "from the log alone"] += 1
        Follower(model, log, writer, weights_every_s=0.0, model_every_s=0.0).turn()
        published = newest_weights(writer, -1)
        assert published is not None
        assert_same(published, truth[log.head()])
        writer.close()
    saw("starts", dict(found))
    assert min(found.values()) > _MUTATIONS / 10


def published_at(log: MemoryLog) -> dict[int, Published]:
    """What the fold of the log publishes at each of its positions."""
    model, published = Model(), {}
    for entry in entries(log):
        model.step(entry)
        published[entry.seq] = model.publish()
    return published


@pytest.mark.parametrize("damage", [cut_short, overwritten])
def test_a_server_starts_from_damaged_snapshots_and_learns_as_if_nothing_had_happened(
    serving: Serving, saw: Saw, damage: Damage
) -> None:
    chance = random.Random(damage.__name__)
    server = serving()
    acknowledged, starts = Acknowledged(), []
    snapshots = server.folder / "log-snapshots.db"
    for life in range(_LIVES):
        if life:
            body = bytearray(snapshots.read_bytes())
            damage(body, chance)
            snapshots.write_bytes(body)
        starts.append(server.start())
        if not life:
            server.stock()
        with Traffic(server.port, seed=f"life{life}", acknowledged=acknowledged).running() as traffic:
            server.wait_learned()
        assert traffic.surprises == []
        server.stop()
        judged = judge(server.database, acknowledged)
    saw("judged", judged)
    saw("seconds from start to ready", spread(starts))
