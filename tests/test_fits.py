"""Generators that are made anew now and then: when, from what, who serves meanwhile, and that replay agrees."""

import time
from collections.abc import Callable

import pytest

from bandstand.candidates import fits
from bandstand.configuration import definitions
from bandstand.engine import Engine, interaction
from bandstand.erasure import erase
from bandstand.events import Request
from bandstand.follow import Follower, newest_fits
from bandstand.model import Model, fold
from bandstand.replay import replay
from bandstand.store import Snapshot
from bandstand.store.memory import MemoryLog, MemorySnapshots

STRATEGIES = {"default": {"generators": {"ease": 1.0, "discovery": 1.0}, "learning": {"bits": 12}}}


@pytest.fixture
def taught(shop: Engine, noon: float) -> Engine:
    """Who views i0 views i6 as well, and who views i1 views i7."""
    shop.commit(definitions(shop.model.state, strategies=STRATEGIES), at=noon)
    view(shop, noon, range(10))
    return shop


def view(engine: Engine, noon: float, people: range) -> None:
    for n in people:
        for item in (f"i{n % 2}", f"i{n % 2 + 6}"):
            engine.commit([interaction(item, "view", user=f"u{n}")], at=noon + n)


def sources(engine: Engine, noon: float, decision: str, user: str = "u0") -> set[str]:
    decided = engine.rank(Request("home", noon + 100, user=user), decision=decision, at=noon + 100)
    return {source.name for pick in decided.picks for source in pick.sources}


def until(done: Callable[[], object], *, turn: Callable[[], object]) -> None:
    """Take turns until it is done; fits take milliseconds here, so a minute means never."""
    give_up = time.monotonic() + 60
    while not done():
        assert time.monotonic() < give_up
        turn()
        time.sleep(0.005)


def test_a_generator_not_made_yet_proposes_nothing_and_then_what_people_liked_together(
    taught: Engine, noon: float
) -> None:
    assert sources(taught, noon, "before") == {"discovery"}
    taught.model.fit()
    taught.commit([interaction("i0", "view", user="new")], at=noon + 50)
    decided = taught.rank(Request("home", noon + 100, user="new"), decision="after", at=noon + 100)
    by_item = {pick.item: {source.name: source.because for source in pick.sources} for pick in decided.picks}
    assert by_item["i6"]["ease"] == "i0"
    assert decided.fits_as_of == taught.model.state.fits.seq > 0


def test_decisions_are_made_again_with_the_generators_of_their_time(taught: Engine, noon: float) -> None:
    sources(taught, noon, "d0")
    for k in range(1, 4):
        made = taught.model.fit()
        view(taught, noon, range(10 * k, 10 * k + 10))  # what was liked since is not in them
        sources(taught, noon, f"d{k}")
        assert taught.decision(f"d{k}").fits_as_of == made.seq
    replayed = replay(taught.log)
    assert (replayed.decisions, replayed.divergences) == (4, [])


def test_likes_survive_a_snapshot(taught: Engine) -> None:
    resumed = Model.load(taught.model.dump())
    anew = fold(Model(), taught.log.read(limit=1000))
    assert fits.dump(resumed.fit()) == fits.dump(anew.fit()) == fits.dump(taught.model.fit())


def test_server_adopts_what_a_learner_made_and_replay_agrees(taught: Engine, noon: float) -> None:
    snapshots = MemorySnapshots()
    server = Engine(Model(learning=False), taught.log)
    server.catch_up()
    learner = Follower(Model(), taught.log, snapshots, fits_every_s=0.0)
    server.commit([interaction("i0", "view", user="new")], at=noon + 50)
    assert sources(server, noon, "before", user="new") == {"discovery"}
    until(lambda: newest_fits(snapshots, -1), turn=learner.turn)
    found = newest_fits(snapshots, -1)
    assert found is not None
    assert server.model.adopt_fits(found)
    assert "ease" in sources(server, noon, "after", user="new")
    assert replay(taught.log).divergences == []


def test_fits_of_the_future_or_of_another_log_are_not_adopted(taught: Engine, empty: Engine) -> None:
    made = taught.model.fit()
    assert not Model(learning=False).adopt_fits(made)
    behind = fold(Model(learning=False), taught.log.read(limit=made.seq - 1))
    assert not behind.adopt_fits(made)


def test_they_are_made_anew_when_a_tenth_more_was_told_or_another_one_is_wanted(taught: Engine, noon: float) -> None:
    taught.model.fit()
    assert not taught.model.fit_due
    view(taught, noon, range(1))
    assert not taught.model.fit_due
    view(taught, noon, range(2))
    assert taught.model.fit_due
    taught.model.fit()
    more = {"default": {"generators": {"ease": 1.0, "svd": 1.0}}}
    taught.commit(definitions(taught.model.state, strategies=more), at=noon)
    assert taught.model.fit_due


def test_those_made_before_an_erasure_are_made_anew_and_not_kept(taught: Engine, noon: float) -> None:
    snapshots = MemorySnapshots()
    learner = Follower(Model(), taught.log, snapshots, fits_every_s=0.0)
    until(lambda: newest_fits(snapshots, -1), turn=learner.turn)
    before = newest_fits(snapshots, -1)
    assert before is not None
    taught.commit([erase(taught.log, "u0", pseudonym="erased-1")], at=noon + 200)
    until(lambda: newest_fits(snapshots, before.seq), turn=learner.turn)
    assert learner.model.state.likes is not None
    people = learner.model.state.evidence().likes.shape[0]
    assert people == 9


def test_fits_that_cannot_be_read_leave_the_learner_without(taught: Engine) -> None:
    snapshots = MemorySnapshots()
    snapshots.put("fits", Snapshot(3, b"damaged"))
    learner = Follower(Model(), taught.log, snapshots, fits_every_s=0.0)
    until(lambda: learner.model.state.fits.generators, turn=learner.turn)


def test_simulated_log_of_fitted_generators_replays(taught: Engine, noon: float) -> None:
    log = MemoryLog()
    engine = Engine(Model(), log)
    engine.commit(definitions(engine.model.state, strategies=STRATEGIES), at=noon)
    for entry in taught.log.read(limit=1000):
        engine.commit([entry.fact], at=entry.at)
        if engine.model.fit_due:
            engine.model.fit()
        if entry.seq % 7 == 0:
            engine.rank(Request("home", entry.at, user=f"u{entry.seq % 10}"), decision=f"s{entry.seq}", at=entry.at)
    assert len({engine.decision(f"s{seq}").fits_as_of for seq in range(14, 36, 7)}) > 1
    assert replay(log).divergences == []
