"""From a request to a decision: who may be shown, what is recorded, and what happens when little is left."""

import msgspec
import pytest

from bandstand.candidates.registry import names
from bandstand.configuration import definitions
from bandstand.engine import Engine, interaction
from bandstand.errors import InputError, UnknownError
from bandstand.events import Decided, Filter, Inline, ItemPut, ItemRemoved, Request, RulePut, UserPut


def decide(engine: Engine, noon: float, **fields: object) -> Decided:
    return engine.decide(Request(**{"surface": "home", "time": noon, "n": 12} | fields), decision="d")


def shown(decided: Decided) -> set[str]:
    return {pick.item for pick in decided.picks}


def test_what_is_unavailable_expired_or_removed_is_never_shown(shop: Engine, noon: float) -> None:
    shop.commit([ItemRemoved("i5")], at=noon)
    assert shown(decide(shop, noon)) == {f"i{k}" for k in range(12)} - {"i3", "i4", "i5"}


def test_an_item_is_shown_until_the_moment_it_expires(shop: Engine, noon: float) -> None:
    assert "i4" in shown(decide(shop, noon - 1))


def test_request_and_user_rule_items_out(shop: Engine, noon: float) -> None:
    shop.commit([UserPut("ann", blocked_items=("i1",), blocked_tags=("sale",))], at=noon)
    assert shown(decide(shop, noon, user="ann", exclude=("i7",))) == {"i5", "i9", "i11"}


def test_filter_keeps_only_items_with_every_tag(shop: Engine, noon: float) -> None:
    assert shown(decide(shop, noon, filter=Filter(tags=("sale",)))) == {"i0", "i2", "i6", "i8", "i10"}
    assert decide(shop, noon, filter=Filter(tags=("sale", "new"))).picks == ()


def test_given_candidates_are_ranked_and_the_others_are_named_with_the_reason(shop: Engine, noon: float) -> None:
    decided = decide(
        shop, noon, candidates=("i1", "i3", "i2", "i1", "gone", Inline("own", {"price": 5})), exclude=("i2",)
    )
    assert shown(decided) == {"i1", "own"}
    assert decided.skipped.keys() == {"i2", "i3", "gone"}
    assert decided.skipped["gone"] == "not in the catalogue"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"candidates": ()}, "0 given"),
        ({"candidates": ("x", "y")}, "2 given"),
        ({"filter": Filter(tags=("none",))}, "all 12 items"),
    ],
)
def test_an_empty_slate_says_why(shop: Engine, noon: float, fields: dict[str, object], why: str) -> None:
    decided = decide(shop, noon, **fields)
    assert decided.picks == ()
    assert why in str(decided.empty)


def test_an_empty_catalogue_gives_an_empty_slate(empty: Engine, noon: float) -> None:
    assert decide(empty, noon).empty == "the catalogue has no items"


def test_unknown_surface_is_refused_with_the_known_ones(shop: Engine, noon: float) -> None:
    with pytest.raises(UnknownError, match=r"'hmoe' is not defined; known: home, related"):
        decide(shop, noon, surface="hmoe")


@pytest.mark.parametrize("n", [0, -1, 101])
def test_slate_size_has_bounds(shop: Engine, noon: float, n: int) -> None:
    with pytest.raises(InputError, match=f"n == {n}"):
        decide(shop, noon, n=n)


def test_related_page_never_shows_its_own_item_and_starts_from_it(shop: Engine, noon: float) -> None:
    decided = decide(shop, noon, surface="related", context={"item": "i0"})
    assert "i0" not in shown(decided)
    # i8 shares category and text with i0, so the content generator brings it because of i0.
    (akin,) = [pick for pick in decided.picks if pick.item == "i8"]
    assert any(source.name == "content" and source.because == "i0" for source in akin.sources)


def test_who_does_not_want_personal_slates_leaves_no_trace_in_them(shop: Engine, noon: float) -> None:
    shop.commit([interaction("i0", "view", user="ann"), UserPut("ann", {"age": "30"}, personalize=False)], at=noon)
    decided = decide(shop, noon, user="ann")
    assert decided.user == {"newcomer": 1.0}
    assert not any(source.because for pick in decided.picks for source in pick.sources)


def test_session_history_serves_whom_nobody_knows(shop: Engine, noon: float) -> None:
    shop.commit([interaction("i0", "view", session="s")], at=noon)
    assert decide(shop, noon, session="s").user == {"likes category=shoes": 1.0}


def test_same_decision_id_gives_the_same_slate_and_another_one_explores_anew(shop: Engine, noon: float) -> None:
    slates = {
        tuple(pick.item for pick in shop.decide(Request("home", noon, n=5), decision=str(k)).picks) for k in range(20)
    }
    assert len(slates) > 10
    again = shop.decide(Request("home", noon, n=5), decision="7")
    assert again == shop.decide(Request("home", noon, n=5), decision="7")


def test_positions_go_on_where_the_page_does(shop: Engine, noon: float) -> None:
    assert [pick.position for pick in decide(shop, noon, n=3, first_position=10).picks] == [10, 11, 12]


def test_ids_may_hold_anything(empty: Engine, noon: float) -> None:
    odd = ["a/b", "🎷 jazz", "x" * 256, "pipe|colon: new\nline"]
    empty.commit([ItemPut(item, {"category": "c|d e"}) for item in odd], at=noon)
    decided = empty.rank(Request("home", noon, user="ü|s:1", context={"k|e y": "v\n"}), decision="d", at=noon)
    assert shown(decided) == set(odd)
    empty.commit([empty.reward("d", "click", 1.0, item=item) for item in odd], at=noon)
    empty.commit([interaction("a/b", "view", user="x")], at=noon + 10_000)
    assert empty.model.learners["default"].learned == 4


@pytest.mark.parametrize(
    ("when", "user", "touched", "switched"),
    [
        ("anonymous", None, 0, True),
        ("anonymous", "ann", 0, False),
        ("newcomer", "ann", 0, True),
        ("newcomer", "ann", 1, False),
        ("thin", "ann", 2, True),
        ("thin", "ann", 3, False),
    ],
)
def test_other_generators_are_asked_about_those_of_whom_little_is_known(
    shop: Engine, noon: float, when: str, user: str | None, touched: int, switched: bool
) -> None:
    strategies = {
        "default": {
            "generators": {"content": 1.0, "discovery": 1.0},
            "switch": [{"when": when, "below": 3, "generators": {"popular": 1.0}}],
        }
    }
    shop.commit(definitions(shop.model.state, strategies=strategies), at=noon)
    for n in range(touched):
        shop.commit([interaction(f"i{n}", "view", user="ann")], at=noon)
    decided = shop.decide(Request("home", noon, user=user), decision="d")
    assert ({"popular"} == {source.name for pick in decided.picks for source in pick.sources}) == switched


def test_a_cascade_asks_the_next_generator_only_for_what_is_missing(shop: Engine, noon: float) -> None:
    strategies = {
        "default": {
            "generators": {"trending": 1.0, "popular": 1.0},
            "blend": {"kind": "cascade"},
            "candidates": 3,
            "policy": {"kind": "popular"},
        }
    }
    shop.commit(definitions(shop.model.state, strategies=strategies), at=noon)
    for n in range(5):
        shop.commit([interaction("i7", "view", user=f"u{n}")], at=noon)
    decided = shop.decide(Request("home", noon, user="new"), decision="d")
    assert decided.picks[0].item == "i7"
    assert shown(decided) == {"i7", "i0", "i1"}


@pytest.fixture
def everything(shop: Engine, noon: float) -> Engine:
    """A shop whose default strategy asks every generator there is and has every wish, with rules, taught by a crowd."""
    strategies = {
        "default": {
            "generators": dict.fromkeys(names(), 1.0),
            "diversity": {
                "mmr": 0.2,
                "calibration": 0.2,
                "serendipity": 0.1,
                "seen": {"penalty": 0.5},
                "newcomers": {"share": 0.1},
            },
        }
    }
    facts = definitions(shop.model.state, strategies=strategies)
    rule = {"name": "bags first", "action": "promote", "where": 'item.category == "bags"'}
    shop.commit([*facts, RulePut("bags first", msgspec.Raw(msgspec.json.encode(rule)))], at=noon)
    for n in range(40):
        for item in (f"i{n % 6}", f"i{n % 6 + 6}"):
            shop.commit([interaction(item, "view", user=f"u{n}", context={"device": "tv"})], at=noon + n)
    shop.model.fit()
    return shop


def test_whoever_wants_no_personal_slates_gets_what_a_stranger_gets_from_every_generator(
    everything: Engine, noon: float
) -> None:
    asked = {"n": 6, "time": noon + 100, "context": {"device": "tv"}}
    for item in ("i1", "i7", "i2"):
        everything.commit([interaction(item, "view", user="ann", session="s")], at=noon + 50)
    everything.rank(Request("home", noon + 60, user="ann", session="s"), decision="seen", at=noon + 60)
    personal = decide(everything, noon, user="ann", session="s", **asked)
    assert any(source.because for pick in personal.picks for source in pick.sources)
    everything.commit([UserPut("ann", personalize=False)], at=noon + 70)
    plain = decide(everything, noon, user="ann", session="s", **asked)
    assert plain.picks == decide(everything, noon, user="nobody knows", session="new", **asked).picks


def test_what_a_user_blocked_is_gone_at_once_whichever_generator_rule_or_page_would_bring_it(
    everything: Engine, noon: float
) -> None:
    everything.commit([interaction("i1", "view", user="ann")], at=noon + 50)
    first = everything.rank(Request("home", noon + 60, user="ann", n=3), decision="first", at=noon + 60)
    rest = {f"i{k}" for k in range(12)} - shown(first)
    blocked = sorted(rest)[0]
    everything.commit([UserPut("ann", blocked_items=(blocked,), blocked_tags=("sale",))], at=noon + 70)
    following = everything.next_page("first", 12, time=noon + 80)
    for request in (following, Request("home", noon + 80, user="ann", n=12)):
        answer = shown(everything.decide(request, decision="d"))
        assert answer
        assert not answer & ({blocked} | {f"i{k}" for k in range(0, 12, 2)})
