"""Where a health check fails: said above all numbers, and nothing decided below."""

import re
from io import StringIO

import msgspec
import numpy as np
import pytest
from rich.console import Console

from bandstand.chance import bits
from bandstand.experiments.analysis import Analysis, Inference
from bandstand.experiments.metrics import Metric
from bandstand.report import Report, report
from bandstand.report.page import page
from bandstand.report.render import render

from .logs import CLICKS, experiment, log_of, users

RAIL = Metric("rail", "click", role="guardrail", margin=0.1)


def uneven(method: Inference, *, history: bool = False) -> Report:
    """A treatment that is far ahead, with twice as many users as it should have."""
    chance = np.random.default_rng(bits("uneven"))
    facts = users("control", chance.poisson(1.0, 300), context={"device": "tv"})
    facts += users("treatment", chance.poisson(3.0, 600), context={"device": "tv"})
    rule = Analysis(method, units=900, segments=("device",))
    return report(log_of(experiment(CLICKS, RAIL, analysis=rule), facts), "x", history=history)


@pytest.mark.parametrize("method", ["always-valid", "fixed", "group-sequential", "bayesian"])
def test_no_verdict_and_nothing_significant_whatever_the_method(method: Inference) -> None:
    found = uneven(method)
    told = msgspec.json.decode(msgspec.json.encode(found))
    assert (told["verdict"]["outcome"], told["verdict"].get("variant")) == ("broken", None)
    assert told["verdict"]["text"].startswith("Broken, no verdict: ")
    compared = [*told["comparisons"], *(row["comparison"] for row in told["segments"])]
    assert {(one["significant"], one["harmed"], one["safe"]) for one in compared} == {(None, None, None)}


def test_the_terminal_says_so_above_the_figures_and_colours_none_of_them() -> None:
    console = Console(width=80, record=True, file=StringIO(), force_terminal=True, color_system="standard")
    console.print(render(uneven("always-valid")))
    coloured = console.export_text(styles=True, clear=False)
    text = console.export_text()
    order = [text.index(part) for part in ("✗ sample ratio", "Broken, no verdict", "cannot be trusted", "decisions")]
    assert order == sorted(order)
    figures = coloured[coloured.index("difference [95") :]
    assert not re.search("\x1b\\[[0-9;]*3[12]m", figures)  # neither red nor green
    assert "shown to lose less" not in text


def test_the_page_says_so_above_the_figures_and_marks_none_as_good_or_bad() -> None:
    pytest.importorskip("matplotlib")
    text = page(uneven("always-valid", history=True))
    order = [text.index(part) for part in ("sample ratio", "Broken", "cannot be trusted", "Metrics")]
    assert order == sorted(order)
    assert 'class="good"' not in text
    assert 'class="bad"' not in text
    assert "#1a7f37" not in text[text.index("<main>") :]  # nor the pictures
