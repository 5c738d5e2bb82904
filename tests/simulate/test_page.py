"""The page: self-contained, complete, and escaped."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from bandstand.errors import InputError
from bandstand.simulate.accepted import Change
from bandstand.simulate.outcome import simulate
from bandstand.simulate.page import check, page
from bandstand.simulate.scenario import Scenario


class Closed(HTMLParser):
    """Complains where elements do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def whole(small: Scenario) -> str:
    scenario = replace(small, requests=120, about="<script>alert(1)</script>")
    result = simulate(scenario, n_jobs=1)
    return page([result], {"small": [Change("regret of bandit", 0.4, 0.6)]})


def test_a_page_needs_nothing_else_and_shows_everything(whole: str) -> None:
    parser = Closed()
    parser.feed(whole)
    assert parser.open == []
    assert not re.search(r"<script|<link|<img|@import|src=|url\((?!#)", whole)
    assert "&lt;script&gt;" in whole
    assert whole.count("<svg") == 3
    assert "lift of bandit over random, last 50%" in whole
    assert "≠ regret of bandit: 0.6, accepted was 0.4" in whole
    for word in ("Optimum", "Regret", "Exploration cost"):
        assert f"<dt>{word}</dt>" in whole


def test_a_page_for_a_folder_that_is_not_there_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        check(tmp_path / "nowhere" / "page.html")
