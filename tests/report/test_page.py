"""A report as one page, and as eighty columns of text."""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from bandstand.chance import bits
from bandstand.cli import bandstand
from bandstand.events import Draft, ExperimentMoved
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.metrics import Metric
from bandstand.report import Report, plots, report
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.store.sql import open_log

from .logs import CLICKS, DAY, START, At, earned, experiment, log_of, saw, users

pytest.importorskip("matplotlib")

METRICS = (
    CLICKS,
    Metric("rate", "click", "ratio", role="secondary"),
    Metric("rail", "click", role="guardrail", margin=0.5),
)


def traffic() -> list[At]:
    chance = np.random.default_rng(bits("page"))
    facts: list[At] = []
    for arm, mean in (("control", 2.0), ("treatment", 2.6)):
        for k, value in enumerate(chance.poisson(mean, 300)):
            at, name = START + k / 300 * 6 * DAY, f"{arm}{k}"
            facts.append(saw(name, arm, name, at=at, context={"device": ("tv", "phone")[k % 2]}))
            facts.append(earned(name, name, value=float(value), at=at + 1))
    return facts


@pytest.fixture(scope="module")
def found() -> Report:
    rule = Analysis(units=600, segments=("device",))
    return report(log_of(experiment(*METRICS, analysis=rule), traffic(), end=START + 7 * DAY), "x", history=True)


def test_the_page_needs_nothing_from_elsewhere(found: Report) -> None:
    text = page(found)
    assert not re.search(r"<(script|link|img|iframe)\b|url\((?!#)|@import", text)
    links = set(re.findall(r'(?:href|src)="(?!#)([^"]*)"', text))
    assert links == set()


def test_the_page_has_an_interval_over_time_a_forest_the_arrivals_and_the_segments(found: Report) -> None:
    text = page(found)
    assert text.count("<svg") == 3
    for title in ("clicks: the interval over time", "All metrics", "Users that took part", "By device"):
        assert title in text


def test_the_same_report_is_the_same_page(found: Report) -> None:
    assert page(found) == page(found)


def test_health_that_fails_stands_above_verdict_and_numbers() -> None:
    uneven = report(
        log_of(experiment(), users("control", np.ones(60)) + users("treatment", np.ones(200))), "x", history=True
    )
    text = page(uneven)
    assert text.index("sample ratio") < text.index("Broken") < text.index("Metrics")
    assert '<div class="withheld">' in text


def test_names_in_the_page_are_text_and_never_markup() -> None:
    evil = experiment(Metric("<script>alert(1)</script>", "click"), hypothesis="<b>bold</b> & more")
    text = page(report(log_of(evil, traffic()), "x"))
    assert "<script" not in text
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; more" in text


def test_history_ends_with_the_report_itself(found: Report) -> None:
    one = next(each for each in found.comparisons if each.metric == "clicks")
    assert found.timeline[-1].value == one.lift
    assert found.entered[-1].units == (300, 300)
    counts = [sum(each.units) for each in found.entered]
    assert counts == sorted(counts)


def test_history_ends_where_the_experiment_did_with_what_came_of_it_since() -> None:
    stopped, late = (
        (START + 7 * DAY, ExperimentMoved("x", "stopped")),
        earned("control1", "control1", at=START + 9 * DAY),
    )
    rule = Analysis(units=600)
    found = report(
        log_of(experiment(analysis=rule), [*traffic(), stopped, late], end=START + 90 * DAY), "x", history=True
    )
    (one,) = found.comparisons
    assert found.timeline[-1].at == found.entered[-1].at == START + 7 * DAY
    assert found.timeline[-1].value == one.lift
    assert found.timeline[-2].value != one.lift


@pytest.mark.filterwarnings("error")
def test_dates_differ_below_a_picture_of_any_span() -> None:
    for span in (20, 90, 150, 1000, 9000, 40_000, 2.4 * DAY, 6 * DAY, 40 * DAY, 100 * DAY, 800 * DAY):
        told: list[str] = []

        def draw(axes: Any, span: float = span, told: list[str] = told) -> None:
            times = [datetime.fromtimestamp(START + part * span, UTC).replace(tzinfo=None) for part in (0.0, 1.0)]
            axes.plot(times, [0, 1])
            plots.dated(axes)
            told += [axes.xaxis.get_major_formatter()(place) for place in axes.get_xticks()]

        plots.drawn(draw, height_in=2)
        assert 2 <= len(told) <= 6, (span, told)
        assert len(set(told)) == len(told), (span, told)


def test_the_terminal_has_eighty_columns_and_every_metric(found: Report) -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(found))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert all(name in text for name in ("clicks", "rate", "shown to lose less than 50 %", "by device", "phone"))


def test_the_command_writes_the_page_beside_its_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    made, log = log_of(experiment(), traffic()), open_log(url)
    log.append([Draft(entry.fact, entry.at) for entry in made.read(limit=10_000)])
    log.close()
    target = tmp_path / "report.html"
    result = CliRunner().invoke(bandstand, ["report", "x", "--database", url, "--html", str(target)])
    assert result.exit_code == 0, result.output
    assert target.read_text("utf-8").startswith("<!doctype html>")
