"""What conditions mean, beside Python's own evaluation and where Python would raise."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.columns import Columns, InlineReader
from bandstand.events import Inline
from bandstand.expressions import parse
from bandstand.matching import Facts, holds, mask

SHOP = [
    Inline(
        "i0", {"price": 10.0, "brand": "acme", "genres": ["a", "b"], "new": True, "stock": 0, "since": "2026-01-05"}
    ),
    Inline("i1", {"price": 99, "brand": "zeta", "genres": [], "new": False, "stock": 5, "since": "2026-11-20"}),
    Inline("i2", {"brand": "", "genres": ["b", 7.0]}),
    Inline("i3", {"price": "free", "my key": -3}),
]


def matching(text: str, **facts: dict[str, Any]) -> list[str]:
    found = mask(parse(text), Columns(InlineReader(SHOP)), Facts(**facts))
    return [SHOP[row].item for row in np.flatnonzero(found)]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("item.price < 50", "i0"),
        ("10 <= item.price < 99", "i0"),
        ("item.price * 2 - 1 == 19", "i0"),
        ("item.price / item.stock > 1", "i1"),
        ("-item.price < -50", "i1"),
        ("item.price + item.stock > 50 + 50", "i1"),
        ('item.brand in ["acme", "zeta"]', "i0 i1"),
        ('item.brand not in ["acme", "zeta"]', "i2"),
        ('not (item.brand in ["acme", "zeta"])', "i2 i3"),
        ('"b" in item.genres', "i0 i2"),
        ('"b" not in item.genres', "i1"),
        ("7 in item.genres", "i2"),
        ("item.new", "i0"),
        ("item.new == false", "i1"),
        ("item.new != true", "i1"),
        ("not item.new", "i1 i2 i3"),
        ('item["my key"] < 0', "i3"),
        ('item.since > "2026-06"', "i1"),
        ('item.since <= "2026-01-05"', "i0"),
        ('item.id == "i2" or item.price == 99.0', "i1 i2"),
        ("item.genres", "i0 i2"),
        ("item.stock", "i1"),
        ("true", "i0 i1 i2 i3"),
        ("item.price in [10, 99]", "i0 i1"),
        ("item.price == item.price", "i0 i1 i3"),
        ("item.brand == item.since", ""),
    ],
)
def test_items_that_fulfil_a_condition(text: str, items: str) -> None:
    assert matching(text) == items.split()


@pytest.mark.parametrize(
    "text",
    [
        'item.price == "acme"',
        'item.price != "acme" and item.price < 1000',
        "item.brand < 5",
        "item.new == 1",
        "item.new < true",
        "item.nothing == 1",
        "item.nothing != 1",
        "item.nothing not in [1]",
        "item.nothing",
        "item.price == context.nothing",
        "item.price < user.age + 1000",
        "item.stock / 0 > 0",
        '"x" in item.brand',
        "context.nothing in item.genres",
        "item.genres == 5",
    ],
)
def test_what_is_missing_or_does_not_compare_makes_a_comparison_false(text: str) -> None:
    assert matching(text) == []


def test_context_and_user_are_asked_beside_the_item() -> None:
    text = 'item.price < user.budget and context.device == "mobile" and user.likes in item.genres'
    mobile = {"device": "mobile"}
    assert matching(text, context=mobile, user={"budget": 50, "likes": "a"}) == ["i0"]
    assert matching(text, context={"device": "tv"}, user={"budget": 50, "likes": "a"}) == []
    assert matching("item.brand in user.brands", user={"brands": ["zeta"]}) == ["i1"]
    assert matching(text, context=mobile) == []


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ('context.country == "NL" and user.age >= 18', True),
        ("user.age + 1 == 31 or user.nothing", True),
        ("user.nothing != 3", False),
        ("not user.nothing != 3", True),
        ('"a" in user.likes', True),
        ('"c" not in user.likes', True),
        ('"c" not in user.nothing', False),
        ("user.age / 0 == 1", False),
        ("user.age == true", False),
    ],
)
def test_audience_without_items_is_one_truth(text: str, true: bool) -> None:
    facts = Facts({"country": "NL"}, {"age": 30, "likes": ["a", "b"]})
    assert holds(parse(text), facts) is true


NUMBERS = st.integers(-3, 3).map(float)
TEXTS = st.sampled_from(["", "a", "ab", "b"])
FIELDS = st.fixed_dictionaries(
    {"n": NUMBERS, "m": NUMBERS, "t": TEXTS, "u": TEXTS, "b": st.booleans(), "l": st.lists(TEXTS, max_size=3)}
)
SUMS = st.recursive(
    st.sampled_from(["item.n", "item.m", "context.n", "user.m", "2", "-1"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
    max_leaves=4,
)
ORDERS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
A_TEXT = st.sampled_from(["item.t", "item.u", "context.t", '"a"', '"zz"'])
COMPARISONS = (
    st.builds("{} {} {}".format, SUMS, ORDERS, SUMS)
    | st.builds("{} {} {} {} {}".format, SUMS, ORDERS, SUMS, ORDERS, SUMS)
    | st.builds("{} {} {}".format, A_TEXT, ORDERS, A_TEXT)
    | st.builds("{} {} item.l".format, st.sampled_from(['"a"', "context.t"]), st.sampled_from(["in", "not in"]))
    | st.builds("{} {} ['a', '']".format, A_TEXT, st.sampled_from(["in", "not in"]))
    | st.sampled_from(["item.b", "item.n", "item.t", "item.l", "item.b == True", "item.b != context.b"])
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner) | inner.map("(not {})".format)
    ),
    max_leaves=5,
)


@given(CONDITIONS, st.lists(FIELDS, min_size=1, max_size=4), FIELDS, FIELDS)
@settings(max_examples=60, deadline=None)
def test_where_everything_is_known_a_condition_means_what_python_means(
    text: str, items: list[dict[str, Any]], context: dict[str, Any], user: dict[str, Any]
) -> None:
    columns = Columns(InlineReader([Inline(f"i{k}", features) for k, features in enumerate(items)]))
    names = {"context": SimpleNamespace(**context), "user": SimpleNamespace(**user)}
    expected = [bool(eval(text, {}, names | {"item": SimpleNamespace(**one)})) for one in items]  # of our own text
    assert mask(parse(text), columns, Facts(context, user)).tolist() == expected
