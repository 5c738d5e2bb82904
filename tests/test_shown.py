"""What was shown to whom: counted, remembered for a while, and forgotten on demand."""

import numpy as np
import pytest

from bandstand import shown
from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.erasure import erase
from bandstand.events import Inline, Request, UserPut
from bandstand.model import Model, fold
from bandstand.packing import pack, unpack
from bandstand.shown import MOST_ROWS, Shown

ROTATING = {"default": {"diversity": {"seen": {"penalty": 0.5, "half_life_s": 3600.0}}}}


def rotating(engine: Engine, noon: float) -> Engine:
    """A default strategy that asks what somebody has been shown."""
    engine.commit(definitions(engine.model.state, strategies=ROTATING), at=noon)
    return engine


def test_each_slate_counts_once_for_each_of_its_items() -> None:
    counts = Shown()
    counts.count([3, 1])
    counts.count([3])
    counts.count([])
    assert counts.times[:5].tolist() == [0, 1, 0, 2, 0]
    assert counts.fewer(2, 3).tolist() == [True, True, True]
    assert counts.fewer(2, 6).tolist() == [True, True, True, False, True, True]
    assert counts.fewer(1, 100).sum() == 98
    assert counts.of(np.array([200, 3, 1])).tolist() == [0, 2, 1]
    assert Shown().of(np.array([1])).tolist() == [0]


def test_the_latest_showings_are_kept_oldest_first_with_their_times() -> None:
    kept = Shown()
    for k in range(30):
        kept.add("u:ann", list(range(k, k + 7)), 100.0 + k)
    rows, at = kept.to("u:ann")
    every = [(row, 100.0 + k) for k in range(30) for row in range(k, k + 7)]
    assert list(zip(rows.tolist(), at.tolist(), strict=True)) == every[-MOST_ROWS:]
    assert unpack(pack(kept), Shown).to("u:ann").rows.tolist() == rows.tolist()


def test_who_was_gone_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "MOST_PEOPLE", 3)
    kept = Shown()
    for who in ("a", "b", "c", "a", "d"):
        kept.add(who, [1], 0.0)
    assert list(kept.lately) == ["c", "a", "d"]


def test_slates_are_remembered_for_user_and_session_where_a_strategy_asks(shop: Engine, noon: float) -> None:
    shop.rank(Request("home", noon, user="ann", session="s", n=3), decision="d0", at=noon)
    assert shop.model.state.shown.lately == {}
    rotating(shop, noon)
    decided = shop.rank(Request("home", noon, user="ann", session="s", n=3), decision="d1", at=noon + 5)
    state = shop.model.state
    rows = [state.catalogue.rows[pick.item] for pick in decided.picks]
    for who in (("ann", None), ("ann", "s"), (None, "s"), ("new", "s")):
        showings = state.showings(*who)
        assert showings.rows.tolist() == rows
        assert showings.at.tolist() == [noon + 5] * 3
    assert not len(state.showings(None, None).rows)
    assert not len(state.showings("new", None).rows)
    assert state.shown.times.sum() == 6


def test_items_that_the_catalogue_does_not_hold_are_not_counted(shop: Engine, noon: float) -> None:
    rotating(shop, noon)
    shop.rank(Request("home", noon, user="ann", candidates=(Inline("own", {}),)), decision="d", at=noon)
    assert shop.model.state.shown.times.sum() == 0
    assert shop.model.state.shown.lately == {}


def test_people_who_want_no_personal_slates_leave_no_trace(shop: Engine, noon: float) -> None:
    rotating(shop, noon)
    shop.commit([UserPut("ann", personalize=False)], at=noon)
    shop.rank(Request("home", noon, user="ann", session="s"), decision="d", at=noon)
    assert shop.model.state.shown.lately == {}


def test_an_erased_user_is_forgotten_here_and_in_the_fold_of_the_rewritten_log(shop: Engine, noon: float) -> None:
    rotating(shop, noon)
    for k, user in enumerate(("ann", "bob", "ann")):
        shop.rank(Request("home", noon, user=user, session=f"{user} s"), decision=f"d{k}", at=noon + k)
    shop.commit([erase(shop.log, "ann", pseudonym="erased-1")], at=noon + 9)
    anew = fold(Model(), shop.log.read(limit=1000)).state.shown
    assert shop.model.state.shown.lately == anew.lately
    assert list(anew.lately) == ["u:bob", "s:bob s"]
    np.testing.assert_array_equal(shop.model.state.shown.times, anew.times)
