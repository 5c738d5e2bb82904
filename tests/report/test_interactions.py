"""Experiments that run beside each other on the same units."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.console import Console
from scipy import stats

from bandstand.chance import bits
from bandstand.cli import bandstand
from bandstand.events import Assignment, Draft, ExperimentMoved, ExperimentPut
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.report import Interaction, Report, report
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.store.memory import MemoryLog
from bandstand.store.sql import open_log

from .logs import START, At, earned, experiment, log_of, saw

pytest.importorskip("matplotlib")

OTHER = Experiment("y", "related", (Variant("old", "default", 0.5), Variant("new", "popular", 0.5)), layer="other")
ARMS, THEIRS = ("control", "treatment"), ("old", "new")


def beside(other: Experiment = OTHER, *, start: float = START - 1, end: float | None = None) -> list[At]:
    facts: list[At] = [(start, ExperimentPut(other.name, msgspec.Raw(msgspec.json.encode(other))))]
    facts.append((start, ExperimentMoved(other.name, "running")))
    return facts if end is None else [*facts, (end, ExperimentMoved(other.name, "stopped"))]


def visits(name: str, users: int, *, together: float = 0.0, follows: float = 0.0) -> list[At]:
    """Users in both experiments, of whom each adds to the clicks; `together` is what only both treatments add, and
    `follows` the share of users whose variant there is taken from here."""
    chance = np.random.default_rng(bits(name))
    facts: list[At] = []
    for k in range(users):
        ours, theirs, at = int(chance.integers(2)), int(chance.integers(2)), START + k
        if chance.random() < follows:
            theirs = ours
        facts.append(saw(f"x{k}", ARMS[ours], f"u{k}", at=at))
        seen = saw(f"y{k}", "", f"u{k}", at=at)[1]
        facts.append((at, replace(seen, assignments=(Assignment("y", THEIRS[theirs], "other"),))))  # type: ignore[type-var]
        value = chance.poisson(2 + 0.5 * ours + 0.5 * theirs + together * ours * theirs)
        facts.append(earned(f"x{k}", f"u{k}", value=float(value), at=at))
    return facts


def pairs(facts: list[At], **other: Any) -> Report:
    return report(log_of(experiment(), [*beside(**other), *facts]), "x", pairs=True)


def found(result: Report) -> Iterator[Interaction]:
    assert result.interactions is not None
    return iter(result.interactions)


def test_experiments_that_add_up_do_not_interact() -> None:
    split, clicks = found(pairs(visits("adds", 2000)))
    assert (split.metric, split.ok, clicks.metric, clicks.ok) == (None, True, "clicks", True)
    assert split.units == 2000
    expected = stats.chi2_contingency(np.array(split.cells), correction=False).pvalue
    assert split.p_value == pytest.approx(expected)
    (effects,) = clicks.effects
    assert effects == pytest.approx((0.5, 0.5), abs=0.3)  # standard error: about 0.1


def test_what_only_both_treatments_do_is_an_interaction_with_figures_and_a_remedy() -> None:
    split, clicks = found(pairs(visits("interacts", 2000, together=-0.8)))
    assert (split.ok, clicks.ok) == (True, False)
    assert clicks.effects[0][0] > 0.2 > -0.1 > clicks.effects[0][1]
    for part in ("they interact on clicks (p = ", "under its 'old'", "under its 'new'", "put both into one layer"):
        assert part in clicks.text


def test_variants_that_follow_each_other_are_pointed_out() -> None:
    split, _ = found(pairs(visits("follows", 2000, follows=0.2)))
    assert split.ok is False
    assert "depend on each other" in split.text
    assert "Find out which before reading either" in split.text


def heavier(of: Experiment, at: float) -> At:
    sides = zip(of.variants, (0.1, 0.9), strict=True)
    put = replace(of, sticky=True, variants=tuple(replace(one, weight=weight) for one, weight in sides))
    return at, ExperimentPut(of.name, msgspec.Raw(msgspec.json.encode(put)))


@pytest.mark.parametrize(
    ("moved", "which"), [("xy", "'x' and 'y'"), ("x", "'x'"), ("y", "'y'")], ids=["both", "ours", "the other"]
)
def test_experiments_whose_weights_changed_are_not_said_to_depend_on_each_other(moved: str, which: str) -> None:
    # Trap: two that were both moved from 50 to 90 % share the calendar, and χ² of all pairs tells nothing else.
    chance, users = np.random.default_rng(bits(f"moved {moved}")), 1200
    facts: list[At] = [heavier(of, START + 599.5) for of in (experiment(), OTHER) if of.name in moved]
    for k in range(users):
        phases = [int(k >= 600 and name in moved) for name in "xy"]
        ours, theirs = (int(chance.random() < (0.5, 0.9)[phase]) for phase in phases)
        for name, side, phase, layer in (
            ("x", ARMS[ours], phases[0], "default"),
            ("y", THEIRS[theirs], phases[1], "other"),
        ):
            seen = saw(f"{name}{k}", "", f"u{k}", at=START + k)[1]
            facts.append((START + k, replace(seen, assignments=(Assignment(name, side, layer, phase),))))  # type: ignore[type-var]
        facts.append(earned(f"x{k}", f"u{k}", value=float(chance.poisson(2 + phases[0])), at=START + k))
    made = log_of(experiment(sticky=True), [*beside(replace(OTHER, sticky=True)), *facts])
    (one,) = found(report(made, "x", pairs=True))
    assert (one.ok, one.p_value, one.units) == (None, None, users)
    assert one.text.startswith(f"not told: the weights of {which} changed while the 1,200 users in both came")
    assert "compare within one phase" in one.text


def test_too_few_in_a_pair_of_variants_cannot_be_told() -> None:
    (one,) = found(pairs(visits("few", 300)))
    assert (one.ok, one.p_value) == (None, None)
    assert "300 users are in both" in one.text
    assert "to tell takes 100 in each" in one.text


@pytest.mark.parametrize(
    "other",
    [
        {"other": replace(OTHER, unit="session")},
        {"other": replace(OTHER, method="interleave")},
        {"start": START - 9, "end": START - 5},
    ],
    ids=["another unit", "an interleaving", "ended before"],
)
def test_only_experiments_that_split_these_units_meanwhile_are_asked(other: dict[str, Any]) -> None:
    assert list(found(pairs(visits("none", 600), **other))) == []


def test_nothing_is_said_where_nothing_was_asked() -> None:
    assert report(log_of(experiment(), [*beside(), *visits("quiet", 600)]), "x").interactions is None


def test_text_page_and_json_say_it_below_health(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    made: MemoryLog = log_of(experiment(), [*beside(), *visits("said", 1200, together=-1.0)])
    log = open_log(url)
    log.append([Draft(entry.fact, entry.at) for entry in made.read(limit=10_000)])
    log.close()
    target = tmp_path / "report.html"
    options = ["report", "x", "--database", url, "--html", str(target), "--interactions"]
    shown = CliRunner().invoke(bandstand, options)
    assert shown.exit_code == 0, shown.output
    assert "✗ beside 'y': they interact on clicks" in shown.output
    assert "beside ‘y’" in target.read_text("utf-8") or "beside &#x27;y&#x27;" in target.read_text("utf-8")
    as_json = CliRunner().invoke(bandstand, ["report", "x", "--database", url, "--interactions", "--json"])
    assert [one["ok"] for one in msgspec.json.decode(as_json.output)["interactions"]] == [True, False]


def test_without_others_it_says_so_at_eighty_columns() -> None:
    result = report(log_of(experiment(), visits("alone", 600)), "x", pairs=True)
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(result))
    assert "no other experiment split these units meanwhile" in console.export_text()
    assert "no other experiment split these units meanwhile" in page(result)


@pytest.mark.calibration
def test_experiments_that_add_up_alarm_as_often_as_one_in_a_hundred() -> None:
    worlds = 60
    rule = replace(OTHER, analysis=Analysis())
    alarms = sum(
        any(one.ok is False for one in found(pairs(visits(f"calm {world}", 500), other=rule)))
        for world in range(worlds)
    )
    assert alarms <= stats.binom.ppf(0.999, worlds, 0.01)
