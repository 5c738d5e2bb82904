"""What the log tells of people: their histories, what each signal tells, and among whom they are."""

import numpy as np
import pytest

from bandstand.configuration import definitions
from bandstand.engine import Engine, interaction
from bandstand.errors import InputError
from bandstand.events import Request, SignalsPut
from bandstand.model import Model


def test_history_holds_each_row_once_newest_first_and_older_ones_count_less(shop: Engine, noon: float) -> None:
    for at, item in enumerate(("i1", "i2", "i1")):
        shop.commit([interaction(item, "view", user="ann")], at=noon + at)
    state = shop.model.state
    history = state.history("ann", None)
    assert [state.catalogue.ids[row] for row in history.rows] == ["i1", "i2"]
    assert history.weights == pytest.approx([1.0, 0.5 ** (1 / 5)])


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
