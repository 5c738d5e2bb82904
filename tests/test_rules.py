"""Business rules: each does what its action says, and nothing that a person has refused is ever shown for one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandstand.ask import understand
from bandstand.configuration import definitions, recorded_rule, rules_in
from bandstand.engine import Engine
from bandstand.errors import InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.events import Decided, Filter, Inline, ItemPut, ItemRemoved, Request, RuleRemoved, UserPut
from bandstand.idle import never
from bandstand.model import Model
from bandstand.rank import outside, slate_propensities
from bandstand.replay import replay
from bandstand.rules import converted
from bandstand.rules.when import Moment, Window, instant, moment
from bandstand.store.memory import MemoryLog

SHOES = {"i0", "i6", "i9"}  # and i3, which is out of stock
BAGS = {"i1", "i7", "i10"}  # and i4, which has expired


def rule(engine: Engine, noon: float, **fields: Any) -> None:
    engine.commit(recorded_rule(engine.model.state, converted({"name": "r"} | fields)), at=noon)


def decide(engine: Engine, noon: float, decision: str = "d", **fields: Any) -> Decided:
    return engine.decide(Request(**{"surface": "home", "time": noon, "n": 12} | fields), decision=decision)


def items(decided: Decided) -> list[str]:
    return [pick.item for pick in decided.picks]


def always(engine: Engine, noon: float, **fields: Any) -> list[list[str]]:
    """The slates of many decisions: what chance does to one slate, it does not do to all."""
    return [items(decide(engine, noon, f"d{k}", **fields)) for k in range(40)]


def test_block_never_shows_its_items(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="block", where='item.category == "bags"')
    assert set(items(decide(shop, noon))).isdisjoint(BAGS)


def test_require_shows_only_its_items(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="require", where='item.category == "bags"')
    assert set(items(decide(shop, noon))) == BAGS


def test_two_requirements_leave_what_fulfils_both(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="require", where='item.category == "bags"')
    rule(shop, noon, name="other", action="require", tags=["sale"])
    assert set(items(decide(shop, noon))) == {"i10"}


def test_rule_that_leaves_nothing_is_named_among_the_reasons(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="require", where="item.price > 1000")
    assert "a rule" in (decide(shop, noon).empty or "")


def test_pin_places_its_item_for_certain_and_says_so(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="pin", items=["i7"], positions=[2])
    for k in range(20):
        pick = decide(shop, noon, f"d{k}", n=4).picks[2]
        assert (pick.item, pick.position, pick.propensity, pick.rule) == ("i7", 2, 1.0, "r")
        assert "'r'" in pick.reason


def test_pin_places_the_best_of_its_items_at_each_position_once(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="pin", where='item.category == "bags"', positions=[3, 0, 1, 2])
    slate = items(decide(shop, noon))
    assert set(slate[:3]) == BAGS
    assert len(set(slate)) == len(slate)


def test_pin_holds_on_the_page_that_has_its_position(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="pin", items=["i7"], positions=[5])
    assert not [pick for pick in decide(shop, noon, n=4).picks if pick.rule]
    assert decide(shop, noon, n=4, first_position=4).picks[1].item == "i7"


def test_item_brought_only_to_be_placed_is_drawn_nowhere_else(shop: Engine, noon: float) -> None:
    shop.commit(definitions(shop.model.state, strategies={"default": {"candidates": 2}}), at=noon)
    rule(shop, noon, action="pin", where='item.category == "bags"', positions=[1])
    slates = always(shop, noon, n=2)
    assert all(slate[1] in BAGS for slate in slates)
    first = {slate[0] for slate in slates}
    rule(shop, noon, action="pin", where='item.category == "bags"', positions=[1], enabled=False)
    assert first <= {item for slate in always(shop, noon, n=2) for item in slate} | BAGS


def test_of_two_rules_for_one_position_the_higher_priority_has_it(shop: Engine, noon: float) -> None:
    rule(shop, noon, name="a", action="pin", items=["i7"], positions=[0])
    rule(shop, noon, name="b", action="pin", items=["i9"], positions=[0], priority=1)
    assert decide(shop, noon).picks[0].rule == "b"


def test_sponsored_pick_carries_its_label_and_counts_at_most(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="sponsor", where='item.category == "bags"', positions=[0, 2], label="Ad", most=1)
    picks = decide(shop, noon).picks
    assert [pick.sponsored for pick in picks if pick.rule] == ["Ad"]
    assert picks[0].sponsored == "Ad"


def test_promotion_brings_items_that_no_generator_would_and_lifts_them(shop: Engine, noon: float) -> None:
    shop.commit(
        definitions(
            shop.model.state,
            strategies={"default": {"generators": {"popular": 1}, "candidates": 2, "policy": {"kind": "popular"}}},
        ),
        at=noon,
    )
    assert "i11" not in items(decide(shop, noon, n=2))
    rule(shop, noon, action="promote", items=["i11"])
    pick = decide(shop, noon, n=2).picks[0]
    assert pick.item == "i11"
    assert [source.name for source in pick.sources] == ["promoted"]
    assert pick.rule is None  # it was lifted, not placed: its propensity is the policy's, and it is learned from


def test_boosted_items_lead_and_buried_ones_come_last(shop: Engine, noon: float) -> None:
    shop.commit(definitions(shop.model.state, strategies={"default": {"policy": {"kind": "popular"}}}), at=noon)
    rule(shop, noon, action="boost", where='item.category == "bags"', strength=2)
    rule(shop, noon, name="b", action="bury", where='item.category == "shoes"')
    slate = items(decide(shop, noon))
    assert set(slate[:3]) == BAGS
    assert set(slate[-3:]) == SHOES


def test_boost_keeps_propensities_those_of_the_draw(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="boost", items=["i7"])
    firsts = [decide(shop, noon, f"d{k}", n=1).picks[0] for k in range(400)]
    boosted = [pick.propensity for pick in firsts if pick.item == "i7"]
    # ε-greedy with 0.05 over 10 candidates, untaught: the boosted one is the only best.
    assert boosted[0] == pytest.approx(0.95 + 0.05 / 10)
    assert len(boosted) / 400 == pytest.approx(boosted[0], abs=4 * (0.955 * 0.045 / 400) ** 0.5)


def test_cap_permits_so_many_of_each_value(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="cap", by="category", most=1)
    for slate in always(shop, noon, n=3):
        assert len({int(item[1:]) % 3 for item in slate}) == 3


def test_cap_without_attribute_counts_all_its_items(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="cap", where="item.price < 16", most=2)
    for slate in always(shop, noon, n=4):
        assert sum(int(item[1:]) < 6 for item in slate) <= 2


def test_cap_on_a_list_counts_each_of_its_values(empty: Engine, noon: float) -> None:
    genres = [["a", "b"], ["a"], ["b", "c"], ["c"], ["d"]]
    empty.commit([ItemPut(f"i{k}", {"genres": list(own)}) for k, own in enumerate(genres)], at=noon)
    rule(empty, noon, action="cap", by="genres", most=1)
    for slate in always(empty, noon, n=3):
        shown = [genre for item in slate for genre in genres[int(item[1:])]]
        assert len(shown) == len(set(shown)) or (len(slate) == 3 and "i4" in slate)


@pytest.mark.parametrize("action", [{"action": "pin", "positions": [0]}, {"action": "promote"}])
@pytest.mark.parametrize(
    "refusal",
    [
        lambda: {"exclude": ("i6",)},
        lambda: {"user": "ann"},
        lambda: {"user": "bob"},
        lambda: {"filter": Filter(tags=("other",))},
        lambda: {"filter": Filter(where="item.price < 5")},
        lambda: {"context": {"item": "i6"}},
        lambda: {"candidates": ("i1", "i2")},
    ],
)
def test_what_the_request_or_the_user_refuses_wins_over_every_rule(
    shop: Engine, noon: float, action: dict[str, Any], refusal: Any
) -> None:
    shop.commit([UserPut("ann", blocked_items=("i6",)), UserPut("bob", blocked_tags=("sale",))], at=noon)
    rule(shop, noon, items=["i6"], **action)
    assert "i6" in items(decide(shop, noon))
    assert "i6" not in items(decide(shop, noon, **refusal()))


def test_pinned_item_that_is_removed_unavailable_expired_or_blocked_leaves_its_place(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="pin", items=["i3", "i4", "i5", "nowhere"], positions=[0])
    assert decide(shop, noon).picks[0].item == "i5"
    shop.commit([ItemRemoved("i5")], at=noon)
    assert decide(shop, noon).picks[0].rule is None
    rule(shop, noon, action="pin", items=["i6"], positions=[0])
    rule(shop, noon, name="b", action="block", tags=["sale"])
    assert decide(shop, noon).picks[0].rule is None


def test_given_candidates_obey_rules_and_say_which_left_them_out(shop: Engine, noon: float) -> None:
    rule(shop, noon, name="no bags", action="block", where='item.category == "bags"')
    rule(shop, noon, name="cheap", action="require", where="item.price < 18")
    rule(shop, noon, name="first", action="pin", items=["own", "i11"], positions=[0])
    own, bag = Inline("own", {"price": 5}), Inline("bag", {"price": 5, "category": "bags"})
    decided = decide(shop, noon, candidates=("i0", "i1", "i9", "i3", own, bag))
    assert items(decided) == ["own", "i0"]
    assert decided.picks[0].rule == "first"
    assert decided.skipped == {
        "i1": "blocked by rule 'no bags'",
        "bag": "blocked by rule 'no bags'",
        "i9": "not among those required by rule 'cheap'",
        "i3": "unavailable, expired, or without the tags of the filter",
    }


def test_given_candidates_obey_the_condition_of_a_filter(shop: Engine, noon: float) -> None:
    given = ("i0", "i11", Inline("own", {"price": 5}), Inline("dear", {"price": 50}), Inline("free"))
    decided = decide(shop, noon, candidates=given, filter=Filter(where="item.price < 15"))
    assert set(items(decided)) == {"i0", "own"}
    assert decided.skipped.keys() == {"i11", "dear", "free"}


def test_given_candidates_and_conditions_need_no_catalogue(empty: Engine, noon: float) -> None:
    rule(empty, noon, action="require", where="item.price < 15")
    given = ("nowhere", Inline("own", {"price": 5}), Inline("dear", {"price": 50}))
    assert items(decide(empty, noon, candidates=given, filter=Filter(where="item.price > 1"))) == ["own"]
    assert decide(empty, noon).picks == ()


def test_rule_applies_on_its_surfaces_to_its_audience(shop: Engine, noon: float) -> None:
    shop.commit([UserPut("ann", {"age": 17}), UserPut("shy", {"age": 17}, personalize=False)], at=noon)
    rule(
        shop, noon, action="block", tags=["sale"], surfaces=["home"], audience='user.age < 18 or context.device == "tv"'
    )
    assert "i0" not in items(decide(shop, noon, user="ann"))
    assert "i0" in items(decide(shop, noon, user="ann", surface="related"))
    assert "i0" in items(decide(shop, noon, user="bob"))
    assert "i0" in items(decide(shop, noon, user="shy"))  # whoever wants no personal slates is nobody
    assert "i0" not in items(decide(shop, noon, context={"device": "tv"}))


def test_rule_applies_from_its_start_until_its_end(shop: Engine, noon: float) -> None:
    start, end = (np.datetime64(int(noon) + k, "s").astype(str) for k in (0, 10))
    rule(shop, noon, action="block", items=["i0"], starts=f"{start}Z", ends=f"{end}+00:00")
    for after, blocked in ((-1, False), (0, True), (9, True), (10, False)):
        assert ("i0" not in items(decide(shop, noon + after))) is blocked


def test_season_goes_by_the_users_local_time(shop: Engine, noon: float) -> None:
    now = moment(noon, 0)
    rule(shop, noon, action="block", items=["i0"], season=[{"hours": [now.hour]}])
    assert "i0" not in items(decide(shop, noon))
    assert "i0" in items(decide(shop, noon, utc_offset_s=7200))


def test_rule_that_is_off_or_removed_does_nothing(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="block", items=["i0"], enabled=False)
    assert "i0" in items(decide(shop, noon))
    rule(shop, noon, action="block", items=["i0"])
    assert "i0" not in items(decide(shop, noon))
    shop.commit([RuleRemoved("r")], at=noon)
    assert "i0" in items(decide(shop, noon))


def test_condition_may_ask_about_item_context_and_user_at_once(shop: Engine, noon: float) -> None:
    shop.commit([UserPut("ann", {"budget": 15})], at=noon)
    rule(shop, noon, action="block", where='item.price > user.budget and context.device == "mobile"')
    assert max(int(item[1:]) for item in items(decide(shop, noon, user="ann", context={"device": "mobile"}))) == 5
    assert len(items(decide(shop, noon, user="ann"))) == 10


def test_filter_takes_a_condition_of_the_request(shop: Engine, noon: float) -> None:
    where = Filter(tags=("sale",), where="item.price < 15 and context.weekday in ['wednesday', 'thursday', 'saturday']")
    day = moment(noon, 0).weekday
    kept = {"i0", "i2"} if day in where.where else set()
    assert set(items(decide(shop, noon, filter=where))) == kept
    with pytest.raises(InputError, match=r"filter\.where: expression") as refused:
        decide(shop, noon, filter=Filter(where="open('x')"))
    assert refused.value.field == "filter.where"


def test_nothing_is_learned_from_what_a_rule_placed(shop: Engine, noon: float) -> None:
    def learned(*rules: dict[str, Any]) -> int:
        engine = Engine(Model(), MemoryLog())
        for entry in shop.log.read(limit=1000):
            engine.commit([entry.fact], at=entry.at)
        for fields in rules:
            rule(engine, noon, **fields)
        decided = engine.rank(Request("home", noon, n=4), decision="d", at=noon)
        engine.commit([engine.reward("d", "click", 1.0, position=k) for k in range(4)], at=noon + 1)
        engine.commit([ItemPut("later")], at=noon + 10_000)
        assert len(decided.picks) == 4
        return engine.model.learned

    assert learned() == 4
    assert learned({"action": "pin", "items": ["i7", "i8"], "positions": [0, 3]}) == 2


def test_a_target_that_places_the_same_is_neutral_about_it(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="pin", items=["i7"], positions=[1])
    decided = decide(shop, noon, n=3)
    model = shop.model
    asked = understand(model.state, decided.request, "d")
    target = slate_propensities(model, asked, outside(model.state, "default"), items(decided))
    np.testing.assert_allclose(target, [pick.propensity for pick in decided.picks])
    assert target[1] == 1.0
    elsewhere = slate_propensities(model, asked, outside(model.state, "default"), ["i7", "i0", "i1"])
    assert elsewhere[0] == 0.0


def test_a_log_with_placed_picks_weighs_its_own_strategy_by_one(shop: Engine, noon: float) -> None:
    rule(shop, noon, action="pin", items=["i7"], positions=[0])
    given = tuple(f"i{k}" for k in range(12))
    for k in range(30):
        decided = shop.rank(Request("home", noon, n=3, candidates=given), decision=f"d{k}", at=noon)
        shop.commit([shop.reward(decided.decision, "click", float(k % 2), position=k % 3)], at=noon)
    found = evaluate(shop.log, Question(("default",), pending=True)).answers[0]
    assert found.diagnostics.mean_weight == pytest.approx(1.0)
    assert found.diagnostics.inverse_propensity_ratio is None  # no first slot was drawn
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(found.logged.value)


def test_decisions_under_changing_rules_can_be_made_again(shop: Engine, noon: float) -> None:
    for k, fields in enumerate(
        [
            {"action": "promote", "tags": ["sale"], "strength": 0.5},
            {"action": "sponsor", "where": 'item.category == "hats"', "positions": [1]},
            {"action": "cap", "by": "category", "most": 2},
            {"action": "block", "where": "item.price < user.budget"},
            {"action": "bury", "items": ["i9"], "audience": "context.hour < 24"},
        ]
    ):
        rule(shop, noon, name=f"r{k % 4}", **fields)
        shop.rank(Request("home", noon, n=5, user="ann"), decision=f"a{k}", at=noon)
        shop.commit([UserPut("ann", {"budget": 14}), ItemPut(f"i{k}", {"category": "hats", "price": k})], at=noon)
        shop.rank(Request("home", noon, candidates=("i0", "i1", "i2", "i5")), decision=f"b{k}", at=noon)
    replayed = replay(shop.log)
    assert (replayed.decisions, replayed.divergences) == (10, [])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"action": "vanish", "items": ["i"]}, "action"),
        ({"items": ["i"]}, "action"),
        ({"action": "block"}, "where"),
        ({"action": "block", "where": "open('x')"}, "where"),
        ({"action": "block", "items": ["i"], "audience": "item.price > 5"}, "audience"),
        ({"action": "block", "items": ["i"], "starts": "2026-12-01"}, "starts"),
        ({"action": "block", "items": ["i"], "starts": "2026-13-01T00:00:00Z"}, "starts"),
        ({"action": "block", "items": ["i"], "starts": "2026-12-01T00:00:00Z", "ends": "2026-11-01T00:00:00Z"}, "ends"),
        ({"action": "block", "items": ["i"], "season": [{"months": [13]}]}, "season"),
        ({"action": "pin", "items": ["i"]}, "positions"),
        ({"action": "pin", "items": ["i"], "positions": [-1]}, "positions"),
        ({"action": "boost", "items": ["i"], "strength": -1}, "strength"),
        ({"action": "cap", "items": ["i"], "most": 0}, "most"),
        ({"action": "block", "items": ["i"], "colour": "red"}, "colour"),
    ],
)
def test_rule_that_does_not_fit_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        converted({"name": "r"} | fields)
    assert field in f"{refused.value.field} {refused.value}"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ends": "2001-01-01T00:00:00Z"}, "it ended"),
        ({"surfaces": ["hmoe"]}, "none of its surfaces"),
        ({"items": ["nowhere"]}, "no item"),
        ({"where": "item.price < 5 and item.price > 6"}, "no item"),
        ({"season": [{"months": [2], "days": [30]}]}, "no month"),
        ({"audience": 'context.weekday == "Mon"'}, "never 'Mon'"),
        ({"audience": 'context.devise == "tv"'}, "context.device meant"),
    ],
)
def test_rule_that_can_never_matter_says_why(shop: Engine, noon: float, fields: dict[str, Any], why: str) -> None:
    found = never(converted({"action": "block", "items": ["i0"]} | fields), shop.model.state, now=noon)
    assert len(found) == 1
    assert why in found[0]


def test_rule_that_may_matter_is_not_called_idle(shop: Engine, noon: float) -> None:
    fields = {"where": "item.price < user.budget", "audience": 'context.weekday in ["monday", "Mon"]'}
    assert never(converted({"action": "block"} | fields), shop.model.state, now=noon) == []


def test_folder_gives_its_rules_and_what_is_wrong_with_the_others(tmp_path: Path) -> None:
    good = 'name = "a"\naction = "block"\nitems = ["i0"]\nstarts = 2026-12-01T00:00:00+01:00\n'
    (tmp_path / "a.toml").write_text(good)
    (tmp_path / "b.toml").write_text(good)
    (tmp_path / "c.toml").write_text("action = ")
    (tmp_path / "d.toml").write_text('action = "block"\nitems = ["i0"]')
    (tmp_path / "e.toml").mkdir()
    (tmp_path / "f.toml").write_bytes(b"\xff")
    found = rules_in(tmp_path)
    assert [isinstance(one, InputError) for one in found.values()] == [False, True, True, True, True, True]
    assert all(str(path) in str(one) for path, one in found.items() if isinstance(one, InputError))
    assert rules_in(tmp_path / "nowhere") == {}


def test_local_moment_is_the_calendars() -> None:
    assert moment(instant("2024-02-29T23:30:00Z", ""), 0) == Moment(2, 29, "thursday", 23)
    assert moment(instant("2024-02-29T23:30:00Z", ""), 3600) == Moment(3, 1, "friday", 0)
    assert moment(instant("1969-12-31T23:59:59Z", ""), 0) == Moment(12, 31, "wednesday", 23)
    assert instant("2026-11-21T08:30:00.5+01:00", "") == instant("2026-11-21T07:30:00.5z", "")


def test_window_holds_where_all_that_it_names_do() -> None:
    window = Window(months=(12,), weekdays=("friday",), hours=(9, 10))
    assert window.holds(Moment(12, 4, "friday", 9))
    assert not window.holds(Moment(12, 4, "friday", 11))
    assert not window.holds(Moment(11, 6, "friday", 9))
