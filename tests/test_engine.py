"""What may come back for a decision, and what a log that others write means for the model."""

import math

import pytest

from bandstand.engine import Engine, interaction
from bandstand.errors import InputError, UnknownError
from bandstand.events import Draft, Request, Rewarded
from bandstand.model import Model


@pytest.fixture
def decided(shop: Engine, noon: float) -> str:
    return shop.rank(Request("home", noon, user="ann", n=3), decision="d", at=noon).decision


def test_reward_names_item_and_position_whichever_was_given(shop: Engine, decided: str) -> None:
    pick = shop.decision(decided).picks[1]
    by_item, by_position = (
        shop.reward(decided, "click", 1, item=pick.item),
        shop.reward(decided, "click", 1, position=1),
    )
    assert by_item == by_position
    assert (by_item.item, by_item.position, by_item.user, by_item.surface) == (pick.item, 1, "ann", "home")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e7])
def test_reward_must_be_a_sane_number(shop: Engine, decided: str, value: float) -> None:
    with pytest.raises(InputError, match="must be finite"):
        shop.reward(decided, "click", value)


def test_reward_for_what_was_not_shown_is_refused_with_what_was(shop: Engine, decided: str) -> None:
    with pytest.raises(InputError, match=r"item 'nope' was not shown in decision 'd'; shown: 'i"):
        shop.reward(decided, "click", 1, item="nope")
    with pytest.raises(InputError, match="position 3 was not shown"):
        shop.reward(decided, "click", 1, position=3)


def test_reward_for_an_unknown_decision_is_refused(shop: Engine) -> None:
    with pytest.raises(UnknownError, match="decision 'x' is not in the log"):
        shop.reward("x", "click", 1)


def test_retried_reward_is_recorded_once(shop: Engine, decided: str, noon: float) -> None:
    fact = shop.reward(decided, "click", 1, position=0, key="k")
    first, again = (shop.commit([fact], at=noon)[0] for _ in range(2))
    assert not first.duplicate
    assert again == (first.entry, True)
    assert sum(isinstance(entry.fact, Rewarded) for entry in shop.log.read()) == 1


def test_repeated_rank_answers_what_was_decided_first(shop: Engine, noon: float) -> None:
    first = shop.rank(Request("home", noon), decision="same", at=noon)
    shop.commit([interaction("i1", "view", user="ann")], at=noon)
    assert shop.rank(Request("home", noon), decision="same", at=noon) == first


def test_interaction_needs_somebody(shop: Engine) -> None:
    with pytest.raises(InputError, match="user and session are both missing"):
        interaction("i1", "view")


def test_entries_written_by_others_are_read_before_ones_own(shop: Engine, noon: float) -> None:
    other = Engine(Model(), shop.log)
    other.catch_up()
    shop.commit([interaction("i1", "view", user="ann")], at=noon)
    appended = shop.log.append([Draft(interaction("i2", "view", user="ann"), noon)])
    other.apply([one.entry for one in appended])
    assert other.model.state.seq == shop.log.head()
    assert [other.model.state.catalogue.ids[row] for row in other.model.state.histories["u:ann"].rows] == ["i2", "i1"]
