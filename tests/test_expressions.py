"""Conditions are read, never run: what is allowed, what is refused, and how it is said."""

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.errors import InputError
from bandstand.expressions import DEEPEST, LONGEST, Expression, Field, parse

PIECES = st.sampled_from(
    [
        *("item", "context", "user", ".", "price", "[", "]", "(", ")", '"', "'", "and", "or", "not", "in", "is", "=="),
        *("<", ">=", "!=", "+", "-", "*", "/", "**", "1", "0.5", "1e999", "lambda", "x", ":", ":=", ",", "f'{1}'"),
        *("for", "if", "else", "await", "yield", "{", "}", " ", "\n", "\\", "#", "\0", "é", "True", "None", "@", "~"),
    ]
)


@given(st.text(max_size=200) | st.lists(PIECES, max_size=60).map("".join) | st.lists(PIECES, max_size=60).map(" ".join))
@settings(max_examples=120, deadline=None)
def test_any_text_is_a_condition_or_an_input_error(text: str) -> None:
    with suppress(InputError):
        assert isinstance(parse(text), Expression)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1000,
        "-" * (LONGEST - 1) + "1",
        "not " * 490 + "true",
        "[" * LONGEST,
        "item.a." * 285 + "a",
        "1+" * 900 + "1",
        "item.a in [" + "1," * 900 + "]",
        "9" * LONGEST,
        " and ".join(["item.a"] * 180),
        "x" * (LONGEST + 1),
        "",
        " ",
    ],
    ids=lambda text: text[:10],
)
def test_what_is_long_deep_or_empty_is_refused_at_once(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(InputError):
        parse(text) if " and " not in text else parse(f"{text} and {text}")
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    "text",
    [
        "item.__class__",
        "item['__class__']",
        "item.a.__class__",
        "().__class__.__bases__",
        "__import__('os')",
        "open('x')",
        "item.price()",
        "item.tags[0]",
        "item.a.b",
        "item[0]",
        "item[item.a]",
        "lambda: 1",
        "[x for x in item.tags]",
        "{1: 2}",
        "{1, 2}",
        "(1, 2)",
        "f'{item.a}'",
        "(y := 1)",
        "item.a if true else 1",
        "item.a ** 9",
        "item.a % 2",
        "item.a // 2",
        "item.a << 9",
        "~1",
        "b'x' == item.a",
        "1j == item.a",
        "None",
        "...",
        "item.a is 1",
        "item",
        "price < 5",
        "self.x",
        "'%s' % item.a",
        "'\\d' == item.a",
        "item.a == [1]",
        "[1] in item.a",
        "item.a in item.b",
        "item.a in 'abc'",
        "(item.a < 3) < 4",
        "1e16 < item.a",
        "1e999 < item.a",
        "await item.a",
        "*item.a",
        "item.a; item.b",
        "item.a = 1",
        "[item.a]",
    ],
)
def test_what_is_not_a_plain_condition_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expression"):
        parse(text)


def test_a_refusal_says_the_expression_the_place_and_what_is_allowed() -> None:
    with pytest.raises(InputError) as refused:
        parse("item.price < 5 and open('x')")
    said = str(refused.value)
    assert "'item.price < 5 and open('x')'" in said.replace('"', "'")
    assert "at character 20" in said
    assert "allowed are item.…" in said


def test_a_condition_names_the_fields_it_asks_about_each_once() -> None:
    found = parse('item["my key"] < 5 < user.age and context.device == "tv" or item["my key"] == 1')
    assert found.fields == (Field("item", "my key"), Field("user", "age"), Field("context", "device"))
    assert found.asks("user")
    assert not parse("item.a == 1").asks("user")


def test_levels_are_counted_not_parts_side_by_side() -> None:
    assert parse(" and ".join(f"item.a{k}" for k in range(90)))
    with pytest.raises(InputError):
        parse("+".join(["item.a"] * (DEEPEST + 1)))


@pytest.mark.parametrize(
    "escaped", [r"item['\ud800'] == 1", r"item.a == '\udfff'", r"item.a in ['\x00']", r"item['\x00']"]
)
def test_an_escape_cannot_make_what_is_no_text(escaped: str) -> None:
    with pytest.raises(InputError, match="is no text"):
        parse(escaped)
