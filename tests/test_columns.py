"""Attributes as arrays follow the catalogue, whatever happens to it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.catalogue import Catalogue
from bandstand.columns import MOST_COLUMNS, CatalogueReader, Columns
from bandstand.events import ItemPut, ItemRemoved
from bandstand.expressions import parse
from bandstand.matching import Facts, mask

CONDITIONS = [
    parse(text)
    for text in (
        'item.a == "x"',
        "item.a > 1",
        '"x" in item.a',
        "item.a",
        'item.b < "y"',
        'item.id == "i3"',
        '"t" in item.tags',
    )
]
VALUES = st.sampled_from(["x", "y", "", 1, 2.5, True, False]) | st.lists(st.sampled_from(["x", 3.0]), max_size=2)
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 90),
        st.none() | st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES}),
        st.booleans(),
        st.booleans(),
    ),
    max_size=30,
)


@given(CHANGES)
@settings(max_examples=40, deadline=None)
def test_columns_kept_equal_columns_made_anew(changes: list[tuple[int, dict[str, Any] | None, bool, bool]]) -> None:
    catalogue = Catalogue()
    kept = Columns(CatalogueReader(catalogue))
    for at, (number, features, tagged, asked) in enumerate(changes):
        if features is None:
            row = catalogue.rows.get(f"i{number}")
            catalogue.remove(ItemRemoved(f"i{number}"), at=float(at))
            if row is not None:
                kept.removed(row)
        else:
            put = ItemPut(f"i{number}", features, ("t",) if tagged else ())
            kept.put(catalogue.put(put, version=at + 1, at=float(at)), put)
        if asked:
            for condition in CONDITIONS:
                made = mask(condition, Columns(CatalogueReader(catalogue)), Facts())
                np.testing.assert_array_equal(mask(condition, kept, Facts()), made)


def test_an_item_known_only_from_behaviour_matches_nothing() -> None:
    catalogue = Catalogue()
    catalogue.row("seen")
    columns = Columns(CatalogueReader(catalogue))
    assert not mask(parse('item.id == "seen"'), columns, Facts()).any()
    assert mask(parse("not item.a"), columns, Facts()).all()


def test_names_and_values_that_json_escapes_are_found() -> None:
    catalogue = Catalogue()
    catalogue.put(ItemPut("i", {'a"b\\é\n': 'say "x"'}), version=1, at=0.0)
    columns = Columns(CatalogueReader(catalogue))
    assert mask(parse("""item['a"b\\\\é\\n'] == 'say "x"'"""), columns, Facts()).tolist() == [True]


@pytest.mark.parametrize("order", ["item.x0 == item.fresh", "item.fresh == item.x0"])
def test_many_attributes_asked_about_do_not_pile_up(order: str) -> None:
    catalogue = Catalogue()
    catalogue.put(ItemPut("i", {"x0": "same", "fresh": "same"}), version=1, at=0.0)
    columns = Columns(CatalogueReader(catalogue))
    for k in range(MOST_COLUMNS):
        mask(parse(f"item.x{k} == 1"), columns, Facts())
    assert mask(parse(order), columns, Facts()).tolist() == [True]
