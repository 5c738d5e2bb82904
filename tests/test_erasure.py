"""A user who asks to be forgotten is; what was learned, and the rest of the log, stay as they were."""

from pathlib import Path

import numpy as np
import pytest

from bandstand.engine import Engine, interaction
from bandstand.erasure import erase
from bandstand.events import Decided, Request, UserErased, UserPut, encode
from bandstand.follow import Follower
from bandstand.model import Model, fold
from bandstand.replay import replay
from bandstand.store.sql import open_log, open_snapshots

CANARY = "canary-7f3a"


def busy(engine: Engine, noon: float) -> Engine:
    """Three users come ten times each; one of them is the canary, with a session and a telling profile."""
    engine.commit([UserPut(CANARY, {"plan": f"{CANARY} plan"}, blocked_items=("i1",))], at=noon)
    for k in range(30):
        user = ("ann", CANARY, "bob")[k % 3]
        now = noon + 60 * k
        request = Request("home", now, user=user, session=f"{user} session", context={"device": f"{user} phone"})
        engine.rank(request, decision=f"d{k}", at=now)
        engine.commit([engine.reward(f"d{k}", "click", 1.0, position=0), interaction("i2", "view", user=user)], at=now)
        engine.model.publish()
    engine.commit([interaction("i1", "view", user="ann")], at=noon + 10_000)
    return engine


def forget(engine: Engine, noon: float) -> UserErased:
    fact = erase(engine.log, CANARY, pseudonym="erased-1")
    engine.commit([fact], at=noon + 10_000)
    return fact


def test_no_fact_names_the_user_any_more(shop: Engine, noon: float) -> None:
    busy(shop, noon)
    before = len(shop.log.read(limit=10_000))
    forget(shop, noon)
    entries = shop.log.read(limit=10_000)
    assert len(entries) == before + 1
    assert not any(CANARY.encode() in encode(entry.fact) for entry in entries)
    assert shop.log.about(CANARY) == []


def test_live_model_forgets_and_equals_the_fold_of_the_rewritten_log(shop: Engine, noon: float) -> None:
    busy(shop, noon)
    weights = shop.model.publish().weights["default"].table
    forget(shop, noon)
    assert CANARY.encode() not in shop.model.dump()
    anew = fold(Model(), shop.log.read(limit=10_000))
    np.testing.assert_array_equal(anew.publish().weights["default"].table, weights)
    assert anew.state.people == shop.model.state.people == {}
    assert anew.state.histories.keys() >= {"u:ann", "u:bob"}
    state = shop.model.state
    assert {who for who in (*state.histories, *state.sessions) if CANARY in who} == set()


def test_everybody_elses_decisions_can_still_be_made_again(shop: Engine, noon: float) -> None:
    forget(busy(shop, noon), noon)
    replayed = replay(shop.log)
    assert replayed.divergences == []
    assert (replayed.decisions, replayed.skipped["user erased"]) == (20, 10)


def test_erasing_twice_or_a_stranger_changes_nothing(shop: Engine, noon: float) -> None:
    forget(busy(shop, noon), noon)
    entries = shop.log.read(limit=10_000)
    forget(shop, noon)
    assert shop.log.read(limit=10_000)[: len(entries)] == entries


def test_no_file_holds_the_user_any_more(shop: Engine, noon: float, tmp_path: Path) -> None:
    log = open_log(f"sqlite:///{tmp_path / 'log.db'}")
    snapshots = open_snapshots(f"sqlite:///{tmp_path / 'snapshots.db'}")
    engine = Engine(Model(), log)
    for entry in shop.log.read(limit=1000):
        engine.commit([entry.fact], at=entry.at)
    busy(engine, noon)
    learner = Follower(Model(), log, snapshots, model_every_s=0.0)
    learner.turn()
    assert any(CANARY.encode() in file.read_bytes() for file in tmp_path.iterdir())
    forget(engine, noon)
    learner.turn()
    assert not any(CANARY.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert any(isinstance(entry.fact, Decided) for entry in log.read())


@pytest.mark.parametrize("user", ["erased-1", "nobody"])
def test_pseudonyms_and_strangers_have_nothing_to_forget(shop: Engine, noon: float, user: str) -> None:
    assert erase(shop.log, user, pseudonym="erased-2").user == "erased-2"
    assert shop.log.about("erased-2") == []


def test_decisions_of_others_in_the_sessions_of_who_was_erased_are_not_replayed(shop: Engine, noon: float) -> None:
    for item in ("i0", "i6", "i9"):
        shop.commit([interaction(item, "view", user=CANARY, session="shared")], at=noon)
    for k, user in enumerate((None, "guest")):
        shop.rank(Request("home", noon + 1, user=user, session="shared"), decision=f"s{k}", at=noon + 1)
    forget(shop, noon)
    replayed = replay(shop.log)
    assert (replayed.divergences, replayed.skipped["user erased"]) == ([], 2)
