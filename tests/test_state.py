"""What the log tells of people: their histories, what each signal tells, and among whom they are."""

import numpy as np
import pytest

from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine, interaction
from bandstand.errors import InputError
from bandstand.events import Request, SignalsPut, UserErased
from bandstand.experiments.definition import Experiment, Variant
from bandstand.history import SESSION_KEPT_S
from bandstand.model import Model
from bandstand.state import mark


def test_history_holds_each_row_once_newest_first_and_older_ones_count_less(shop: Engine, noon: float) -> None:
    for at, item in enumerate(("i1", "i2", "i1")):
        shop.commit([interaction(item, "view", user="ann")], at=noon + at)
    state = shop.model.state
    history = state.history("ann", None)
    assert [state.catalogue.ids[row] for row in history.rows] == ["i1", "i2"]
    assert history.weights == pytest.approx([1.0, 0.5 ** (1 / 5)])


def test_history_that_was_asked_for_knows_the_next_touch_and_an_erasure(shop: Engine, noon: float) -> None:
    state = shop.model.state
    shop.commit([interaction("i1", "view", user="ann")], at=noon)
    assert state.history("ann", None).rows.tolist() == [state.catalogue.rows["i1"]]
    shop.commit([interaction("i2", "view", user="ann")], at=noon + 1)
    assert state.history("ann", None).rows.tolist() == [state.catalogue.rows["i2"], state.catalogue.rows["i1"]]
    shop.commit([UserErased("p", was=(mark("ann"),))], at=noon + 2)
    assert len(state.history("ann", None).rows) == 0


def test_stronger_signal_counts_more_and_one_of_zero_not_at_all(shop: Engine, noon: float) -> None:
    shop.commit([SignalsPut({"purchase": 5.0, "return": 0.0})], at=noon)
    for item, name in (("i1", "purchase"), ("i2", "view"), ("i3", "return")):
        shop.commit([interaction(item, name, user="ann")], at=noon)
    state = shop.model.state
    history = state.history("ann", None)
    assert [state.catalogue.ids[row] for row in history.rows] == ["i2", "i1"]
    assert history.weights == pytest.approx([1 / 5, 0.5 ** (1 / 5)])


def test_view_after_a_purchase_does_not_make_it_worth_less(shop: Engine, noon: float) -> None:
    shop.commit([SignalsPut({"purchase": 5.0})], at=noon)
    for name in ("purchase", "view"):
        shop.commit([interaction("i1", name, user="ann")], at=noon)
    assert shop.model.state.histories["u:ann"].worths == [5.0]


def test_sessions_are_forgotten_a_day_after_their_last_touch_and_people_are_not(shop: Engine, noon: float) -> None:
    for number in range(20):
        shop.commit([interaction("i1", "view", user=f"u{number}", session=f"s{number}")], at=noon + number)
    shop.commit([interaction("i2", "view", session="s0")], at=noon + 3600)
    state = shop.model.state
    assert len(state.history(None, "s5").rows) == 1
    for number in range(10):
        shop.commit([interaction("i3", "view", session="new")], at=noon + 20 + SESSION_KEPT_S + number)
    assert list(state.sessions) == ["s:s0", "s:new"]
    assert len(state.history(None, "s5").rows) == len(state.recent(None, "s5").rows) == 0
    assert len(state.history(None, "s0").rows) == 2
    assert len(state.histories) == 20


def test_session_is_told_apart_from_what_its_user_did_before(shop: Engine, noon: float) -> None:
    shop.commit([interaction("i1", "view", user="ann")], at=noon)
    shop.commit([interaction("i2", "view", user="ann", session="s")], at=noon + 60)
    state = shop.model.state
    recent = state.recent("ann", "s")
    assert [state.catalogue.ids[row] for row in recent.rows] == ["i2"]
    assert recent.at.tolist() == [noon + 60]
    assert len(state.recent("ann", "another").rows) == 2
    assert len(state.recent(None, None).rows) == 0


def test_reward_says_among_whom_it_was(shop: Engine, noon: float) -> None:
    where = {"location": "NL-ZH", "device": "mobile"}
    shop.rank(Request("home", noon, user="ann", context=where), decision="d", at=noon)
    assert shop.reward("d", "click", 1.0, position=0).segments == ("country=NL", "device=mobile")
    assert interaction("i1", "view", user="ann", context=where).segments == ("country=NL", "device=mobile")


def test_signals_of_the_settings_are_recorded_once(noon: float) -> None:
    model = Model(learning=False)
    facts = definitions(model.state, signals={"purchase": 5.0})
    assert SignalsPut({"purchase": 5.0}) in facts
    model.state.signals = {"purchase": 5.0}
    assert not any(isinstance(fact, SignalsPut) for fact in definitions(model.state, signals={"purchase": 5.0}))


@pytest.mark.parametrize("worth", [-1.0, np.inf, np.nan])
def test_signal_that_is_no_weight_is_refused(worth: float) -> None:
    with pytest.raises(InputError, match=r"signal 'return': .* must be finite and at least 0"):
        definitions(Model(learning=False).state, signals={"return": worth})


@pytest.mark.parametrize(
    "wrong",
    [
        {"surfaces": {"home": {"default_reward": np.nan}}},
        {"surfaces": {"home": {"rewards": {"click": np.inf}}}},
        {"strategies": {"default": {"diversity": {"seen": {"penalty": np.inf}}}}},
        {"strategies": {"default": {"generators": {"content": np.inf}}}},
    ],
)
def test_number_that_the_log_cannot_hold_is_refused_before_it_is_there(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="must be finite"):
        definitions(Model(learning=False).state, **wrong)


def test_number_that_the_log_cannot_hold_is_refused_in_a_variant_too(shop: Engine) -> None:
    sides = (Variant("a", "default", 0.5), Variant("b", "default", 0.5, {"diversity": {"seen": {"penalty": np.inf}}}))
    with pytest.raises(InputError, match="must be finite"):
        recorded(shop.model.state, Experiment("x", "home", sides))


def test_variant_alone_can_wish_for_what_was_not_shown_lately(shop: Engine, noon: float) -> None:
    same = {"policy": {"epsilon": 0.0}, "diversity": {"seen": {"penalty": 5.0}}}
    sides = (Variant("a", "default", 0.5), Variant("b", "default", 0.5, same))
    shop.commit(recorded(shop.model.state, Experiment("x", "home", sides, start=True)), at=noon)
    for n in range(3):
        shop.rank(Request("home", noon + n, user="ann"), decision=f"d{n}", at=noon + n)
    assert len(shop.model.state.showings("ann", None).rows) > 0
