import pytest

from bandstand.candidates.reasons import reason
from bandstand.events import Source

TITLES = {"i1": "Mauve Leather Daypack"}


@pytest.mark.parametrize(
    ("source", "terms", "said"),
    [
        (Source("collaborative", 1.0, 0, "i1"), [], "because people who liked Mauve Leather Daypack liked it"),
        (Source("ease", 1.0, 0, "i1"), [], "because people who liked Mauve Leather Daypack liked it"),
        (Source("content", 1.0, 0, "i1"), ["leather", "daypack"], "similar to Mauve Leather Daypack: leather, daypack"),
        (Source("content", 1.0, 0, "i1"), [], "similar to Mauve Leather Daypack"),
        (Source("trending", 1.0, 0), [], "trending now"),
        (Source("popular", 1.0, 0), [], "popular with everyone"),
        (Source("session", 1.0, 0, "i1"), [], "like what you looked at just now: Mauve Leather Daypack"),
        (Source("vectors", 1.0, 0, "i1"), [], "similar to Mauve Leather Daypack"),
        (Source("arrivals", 1.0, 0), [], "new"),
        (Source("discovery", 1.0, 0), [], "something new to explore"),
        (Source("given", 1.0, 0), [], "ranked for you"),
    ],
)
def test_each_source_has_its_reason(source: Source, terms: list[str], said: str) -> None:
    assert reason(source, TITLES.__getitem__, terms) == said


@pytest.mark.parametrize(
    ("among", "said"),
    [
        ("country=NL", "trending now in NL"),
        ("device=mobile", "trending now on mobile"),
        ("season=winter", "trending now"),
        (None, "trending now"),
    ],
)
def test_a_trend_says_where(among: str | None, said: str) -> None:
    assert reason(Source("trending", 1.0, 0), TITLES.__getitem__, among=among) == said


def test_an_item_that_nobody_liked_is_not_called_popular() -> None:
    assert reason(Source("popular", 1.0, 0), TITLES.__getitem__, untouched=True) == "not seen much yet"
