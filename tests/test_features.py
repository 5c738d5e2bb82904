"""What becomes of requests, items and sources on their way to a linear model."""

import numpy as np
import pytest

from bandstand.events import Request, Source
from bandstand.features import MOST_ITEM_FEATURES, context_features, item_features, named, source_features, text
from bandstand.policy.learner import Learner
from bandstand.policy.learning import Learning

SATURDAY_0730_UTC = 1_795_246_200.0  # 2026-11-21T07:30:00Z


@pytest.mark.parametrize(
    ("offset_s", "expected"),
    [
        (3600, {"hour=8", "weekday=5", "daypart=morning", "weekend=true"}),
        (-8 * 3600, {"hour=23", "weekday=4", "daypart=evening", "weekend=false"}),
        (17 * 3600, {"hour=0", "weekday=6", "daypart=night", "weekend=true"}),
    ],
)
def test_time_is_the_users_own(offset_s: int, expected: set[str]) -> None:
    assert set(context_features(Request("home", SATURDAY_0730_UTC, offset_s))) == expected


def test_location_is_a_country_and_a_region() -> None:
    found = context_features(Request("home", 0.0, context={"location": "FR-75", "device": "mobile"}))
    assert {"country=FR", "region=FR-75", "device=mobile"} <= found.keys()


def test_page_item_is_not_a_feature_of_the_context() -> None:
    assert not any("i7" in name for name in context_features(Request("home", 0.0, context={"item": "i7"})))


def test_numbers_keep_their_order_and_sign_over_any_magnitude() -> None:
    found = [named({"price": price})["price"] for price in (-1e300, -2.0, 0.0, 3, 1e300)]
    assert found == sorted(found)
    assert found[0] == -found[-1]


def test_prose_vectors_and_long_strings_are_left_to_the_generators() -> None:
    assert named({"text": "a text", "vector": [0.1, 0.2], "note": "x" * 65, "colour": "red"}) == {"colour=red": 1.0}


def test_a_list_of_categories_is_one_feature_each() -> None:
    assert named({"styles": ["casual", "summer"], "new": True}) == {
        "styles=casual": 1.0,
        "styles=summer": 1.0,
        "new=true": 1.0,
    }


def test_an_item_has_a_bounded_number_of_features() -> None:
    assert len(item_features("i", {f"f{k}": k for k in range(500)})) == MOST_ITEM_FEATURES


def test_sources_tell_who_how_high_and_how_strongly() -> None:
    assert source_features([Source("content", 0.5, 3)]) == {"content": 1.0, "content rank": 0.25, "content score": 0.5}


def test_learner_never_sees_a_name() -> None:
    assert text("i", {"a|b c:1\n": 2.0}).count("|") == 1


@pytest.mark.parametrize("tiny", [1e-146, -1e-120, 5e-324, 1e-38])
def test_a_tiny_number_does_not_poison_what_is_learned(tiny: float) -> None:
    learner = Learner(Learning(bits=10))
    learner.learn(text("u", {"a": tiny}), [text("i", {"b": tiny})], [1.0])
    learner.learn(text("u", {"a": 1.0}), [text("i", {"b": 1.0})], [tiny])
    assert np.isfinite(learner.weights().table).all()
