"""A score taken apart: its parts add up to it, and carry the names that people gave."""

import pytest

from bandstand.engine import Engine
from bandstand.events import Decided, Request
from bandstand.explain import Parts, parts
from bandstand.features import item_features, source_features


@pytest.fixture
def decided(shop: Engine, noon: float) -> Decided:
    """A decision after mobile users had clicked on shoes for a while."""
    for n in range(60):
        at = noon + 1 + 700 * n
        fact = shop.rank(Request("home", at, user=f"u{n}", context={"device": "mobile"}), decision=f"d{n}", at=at)
        for pick in fact.picks:
            if int(pick.item[1:]) % 3 == 0:
                shop.commit([shop.reward(fact.decision, "click", 1.0, position=pick.position)], at=at)
        shop.model.publish()
    return shop.rank(Request("home", at, user="ann", context={"device": "mobile"}), decision="last", at=at)


def explained(shop: Engine, decided: Decided, at: int, most: int = 10) -> Parts:
    pick = decided.picks[at]
    put = shop.model.state.catalogue.known[shop.model.state.catalogue.rows[pick.item]].put
    return parts(
        shop.model.published.weights[decided.scored_by],
        user=decided.user,
        context=decided.context,
        item=item_features(put.item, put.features, put.tags),
        sources=source_features(pick.sources),
        most=most,
    )


@pytest.mark.parametrize("most", [0, 3, 1000])
def test_parts_add_up_to_the_score(shop: Engine, decided: Decided, most: int) -> None:
    assert max(pick.score for pick in decided.picks) > 0.1
    for at, pick in enumerate(decided.picks):
        found = explained(shop, decided, at, most)
        assert len(found.most) <= most
        total = found.common + found.rest + sum(part.value for part in found.most)
        assert total == pytest.approx(pick.score, abs=1e-6)  # the candidates' source scores are single precision


def test_parts_are_named_as_people_named_them_and_the_largest_come_first(shop: Engine, decided: Decided) -> None:
    at = next(n for n, pick in enumerate(decided.picks) if int(pick.item[1:]) % 3 == 0)
    most = explained(shop, decided, at, 1000).most
    assert [abs(part.value) for part in most] == sorted((abs(part.value) for part in most), reverse=True)
    by_name = {part.of: part.value for part in most}
    assert by_name[("item category=shoes",)] > 0
    assert by_name[("context device=mobile", "item category=shoes")] > 0
