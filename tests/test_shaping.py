"""A strategy's diversity, from its settings to the slates that people get."""

import re
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandstand.ask import understand
from bandstand.configuration import definitions
from bandstand.engine import Engine, interaction
from bandstand.events import Inline, ItemPut, Request
from bandstand.offer import offer
from bandstand.rank import outside, slate_propensities
from bandstand.shape import PLAIN
from bandstand.shape.settings import Diversity
from bandstand.shaping import shaped

GREEDY = {"kind": "popular"}


def serve(engine: Engine, noon: float, diversity: dict[str, object], **strategy: object) -> Engine:
    wished = {"policy": GREEDY, "diversity": diversity} | strategy
    engine.commit(definitions(engine.model.state, strategies={"default": wished}), at=noon)
    return engine


def slate(engine: Engine, noon: float, decision: str = "d", **fields: object) -> list[str]:
    decided = engine.rank(Request(**{"surface": "home", "time": noon, "n": 4} | fields), decision=decision, at=noon)
    return [pick.item for pick in decided.picks]


@pytest.fixture
def racks(empty: Engine, noon: float) -> Engine:
    """Four coats, four lamps, four shoes; what stands first was liked more often."""
    texts = {"coat": "warm winter wool coat", "lamp": "bright desk lamp", "shoe": "running shoe leather"}
    puts = [ItemPut(f"{k}{n}", {"category": k, "text": f"{text} {n}"}) for k, text in texts.items() for n in range(4)]
    empty.commit(puts, at=noon)
    for place, put in enumerate(puts):
        empty.commit([interaction(put.item, "like", user=f"{place} {n}") for n in range(2 * (12 - place))], at=noon)
    return empty


def test_without_wishes_the_best_liked_stand_on_top(racks: Engine, noon: float) -> None:
    assert slate(serve(racks, noon, {}), noon) == ["coat0", "coat1", "coat2", "coat3"]


@pytest.mark.parametrize("wish", ["mmr", "dpp"])
def test_a_diverse_slate_holds_the_best_of_each_kind(racks: Engine, noon: float, wish: str) -> None:
    assert {item[:-1] for item in slate(serve(racks, noon, {wish: 0.9}), noon)} == {"coat", "lamp", "shoe"}


def test_a_calibrated_slate_follows_the_tastes_of_the_history(racks: Engine, noon: float) -> None:
    racks.commit([interaction(item, "view", user="ann") for item in ("lamp3", "shoe3", "lamp2")], at=noon)
    serve(racks, noon, {"calibration": 0.9})
    assert sorted(item[:-1] for item in slate(racks, noon, user="ann", n=3)) == ["lamp", "lamp", "shoe"]
    assert slate(racks, noon, "another", user="new", n=3) == ["coat0", "coat1", "coat2"]


def test_who_comes_back_sees_another_list_and_the_old_one_again_later(racks: Engine, noon: float) -> None:
    serve(racks, noon, {"seen": {"penalty": 1.0, "half_life_s": 60.0}})
    first = slate(racks, noon, "1", user="ann")
    assert slate(racks, noon, "2", user="bob") == first
    assert not set(slate(racks, noon + 5, "3", user="ann")) & set(first)
    assert slate(racks, noon + 5, "4", session="s") == first
    assert not set(slate(racks, noon + 6, "5", session="s")) & set(first)
    assert slate(racks, noon + 3600, "6", user="ann") == first


def test_new_items_get_their_share_of_each_slot_until_they_had_their_exposures(racks: Engine, noon: float) -> None:
    serve(racks, noon, {"newcomers": {"share": 0.5, "exposures": 20}})
    for k in range(60):
        slate(racks, noon, f"before {k}", n=12)
    racks.commit([ItemPut("new", {"category": "hat"})], at=noon)
    at_first = sum("new" in slate(racks, noon, f"first {k}", n=1) for k in range(40))
    # Half of forty, until it was in twenty slates: nothing but this share would ever show it.
    assert 10 <= at_first <= 20
    for k in range(40):
        slate(racks, noon, f"then {k}", n=1)
    assert racks.model.state.shown.times[racks.model.state.catalogue.rows["new"]] == 20
    assert not any("new" in slate(racks, noon, f"last {k}", n=1) for k in range(40))


def test_a_surprise_is_unlike_the_history_and_suggested_by_nothing_in_it(racks: Engine, noon: float) -> None:
    racks.commit([interaction("coat0", "view", user="ann")], at=noon)
    serve(racks, noon, {"serendipity": 1.0}, generators={"content": 1.0, "popular": 1.0})
    for k in range(20):
        (item,) = slate(racks, noon, str(k), user="ann", n=1)
        assert item[:-1] in ("lamp", "shoe")
    assert slate(racks, noon, "nobody known", user="new", n=1) == ["coat0"]


@pytest.mark.parametrize(
    "diversity",
    [
        {"mmr": 0.5},
        {"dpp": 0.3},
        {"calibration": 0.5},
        {"seen": {}},
        {"serendipity": 0.2},
        {"newcomers": {}},
        {"mmr": 0.2, "dpp": 0.2, "calibration": 0.2, "seen": {}, "serendipity": 0.1, "newcomers": {}},
    ],
    ids=lambda diversity: " ".join(diversity),
)
@pytest.mark.parametrize("candidates", [None, ("lamp0", "coat1", Inline("own", {"price": 3.0}), "coat2")])
def test_what_a_decision_records_is_what_off_policy_evaluation_finds(
    racks: Engine, noon: float, diversity: dict[str, object], candidates: tuple[object, ...] | None
) -> None:
    racks.commit([interaction(item, "view", user="ann") for item in ("lamp3", "shoe3")], at=noon)
    serve(racks, noon, diversity, policy={"kind": "softmax", "temperature": 0.1})
    for k in range(5):
        request = Request("home", noon + k, user="ann", candidates=candidates, n=6)
        asked = understand(racks.model.state, request, f"d{k}")
        recipe = outside(racks.model.state, "default")
        decided = racks.decide(request, decision=f"d{k}")
        found = slate_propensities(racks.model, asked, recipe, [pick.item for pick in decided.picks])
        np.testing.assert_array_equal(found, [pick.propensity for pick in decided.picks])
        racks.rank(request, decision=f"d{k}", at=noon + k)


def test_a_wish_for_nothing_and_scores_all_alike_leave_the_shape_plain(racks: Engine, noon: float) -> None:
    asked = understand(racks.model.state, Request("home", noon, user="ann"), "d")
    offered = offer(racks.model.state, asked, racks.model.state.strategies["default"])
    zeros = np.zeros(len(offered.items))
    assert shaped(racks.model.state, asked, Diversity(), offered, zeros) == PLAIN
    every = shaped(racks.model.state, asked, Diversity(mmr=0.5, dpp=0.5), offered, zeros)
    assert all(not term.follow().amounts.any() for term in every.terms)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"mmr": 1.0}, "< 1.0"),
        ({"dpp": -0.1}, ">= 0.0"),
        ({"seen": {"half_life_s": 0.0}}, "> 0.0"),
        ({"newcomers": {"exposures": 0}}, ">= 1"),
        (
            {"serendipity": 0.6, "newcomers": {"share": 0.5}},
            r"serendipity \+ newcomers.share == 1.1, must be at most 1",
        ),
        ({"novelty": 1.0}, "unknown field"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(settings, Diversity)


def test_the_example_in_the_guide_is_accepted_and_names_every_setting() -> None:
    text = (Path(__file__).parents[1] / "docs/recommend.md").read_text("utf-8")
    (example,) = [toml for toml in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "mmr" in toml]
    settings = tomllib.loads(example)["strategies"]["default"]["diversity"]
    msgspec.convert(settings, Diversity)
    assert settings.keys() == set(Diversity.__struct_fields__)
