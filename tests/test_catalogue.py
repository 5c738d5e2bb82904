"""What may be shown when, however often it is asked and whatever changes in between."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalogue import Catalogue
from bandstand.events import ItemPut, ItemRemoved

times = st.sampled_from((1.0, 2.0, 3.0, 4.0))
puts = st.tuples(st.just("put"), st.sampled_from("abcd"), st.booleans(), times | st.none())
removals = st.tuples(st.just("remove"), st.sampled_from("abcd"), st.none(), st.none())
questions = st.tuples(st.just("ask"), st.none(), st.none(), times)


@given(st.lists(puts | removals | questions | questions, max_size=40))
def test_what_may_be_shown_is_what_the_items_say_at_that_time(
    steps: list[tuple[str, str | None, bool | None, float | None]],
) -> None:
    catalogue, said = Catalogue(), dict[str, float]()
    for number, (step, item, available, at) in enumerate(steps):
        if step == "put" and item is not None:
            catalogue.put(ItemPut(item, available=bool(available), expires=at), version=number, at=0.0)
            said[item] = (inf if at is None else at) if available else -inf
        elif step == "remove" and item is not None:
            catalogue.remove(ItemRemoved(item), at=0.0)
            said[item] = -inf
        elif at is not None:
            allowed = catalogue.allowed(at)
            assert {item for item, row in catalogue.rows.items() if allowed[row]} == {
                item for item, until in said.items() if until > at
            }
            allowed[:] = False  # the caller's own
