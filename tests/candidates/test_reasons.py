import pytest

from bandstand.candidates.reasons import reason
from bandstand.events import Source

TITLES = {"i1": "Mauve Leather Daypack"}


@pytest.mark.parametrize(
    ("source", "terms", "said"),
    [
        (Source("collaborative", 1.0, 0, "i1"), [], "because people who liked Mauve Leather Daypack liked it"),
        (Source("content", 1.0, 0, "i1"), ["leather", "daypack"], "similar to Mauve Leather Daypack: leather, daypack"),
        (Source("content", 1.0, 0, "i1"), [], "similar to Mauve Leather Daypack"),
        (Source("trending", 1.0, 0), [], "trending now"),
        (Source("popular", 1.0, 0), [], "popular with everyone"),
        (Source("discovery", 1.0, 0), [], "something new to explore"),
        (Source("given", 1.0, 0), [], "ranked for you"),
    ],
)
def test_each_source_has_its_reason(source: Source, terms: list[str], said: str) -> None:
    assert reason(source, TITLES.__getitem__, terms) == said
