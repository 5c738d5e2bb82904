"""`bandstand evaluate` as people and machines read it: 80 columns, JSON, and one page."""

import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bandstand.cli import bandstand
from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.errors import InputError, UnknownError
from bandstand.events import ItemPut, Request
from bandstand.model import Model
from bandstand.store.sql import open_log

NOON = 1_795_000_000.0
HOUR_S = 3600.0


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four days of slates of two, drawn alike from four items, of which the even ones are liked."""
    url = f"sqlite:///{tmp_path_factory.mktemp('log') / 'log.db'}"
    log = open_log(url)
    engine = Engine(Model(), log)
    strategies = {
        "<logger>": {"generators": {}, "policy": {"kind": "random"}},
        "even": {"generators": {}, "policy": {"kind": "fixed", "table": {"i0": [3.0], "i2": [3.0], "i1": [1.0]}}},
        "lonely": {"generators": {}, "policy": {"kind": "fixed", "table": {"i3": [1.0, 0.0], "i2": [0.0, 1.0]}}},
    }
    surfaces = {"home": {"n": 2, "strategy": "<logger>"}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=strategies), at=NOON)
    engine.commit([ItemPut(f"i{k}") for k in range(4)], at=NOON)
    chance = random.Random("command")
    for k in range(400):
        at = NOON + k * HOUR_S / 4
        given = ("i0", "i1", "i2", "i3")
        request = Request("home", at, user=f"u{k % 150}", candidates=given, context={"device": ("tv", "phone")[k % 2]})
        decided = engine.rank(request, decision=f"d{k}", at=at)
        for pick in decided.picks:
            if chance.random() < (0.5 if pick.item in ("i0", "i2") else 0.2):
                engine.commit([engine.reward(f"d{k}", "click", 1.0, item=pick.item)], at=at + 1)
    engine.commit([ItemPut("z")], at=NOON + 200 * HOUR_S)
    log.close()
    return url


def run(database: str, *options: str) -> Result:
    return CliRunner().invoke(
        bandstand, ["evaluate", "--database", database, *options], env={"COLUMNS": "80", "TERM": "dumb"}
    )


def test_everything_that_a_figure_rests_on_is_printed_in_80_columns(database: str) -> None:
    found = run(database, "--strategy", "even", "--by", "device", "--estimator", "reward_interaction_snips")
    assert found.exit_code == 0, found.output
    text = " ".join(found.output.split())
    for words in (
        "What strategy 'even' would have earned per decision on surface 'home'",
        "400 decisions of 150 users or visits, 2026-11-18",
        "Rewards may still come for 0.0% of the decisions.",
        "Estimator reward_interaction_snips: asked for.",
        "It is right where users read from the top",
        "95% interval",
        "more than logged",
        "effective sample size",
        "weighted decisions with a reward.",
        "Interval: empirical likelihood",
        "position as logged estimated mean weight",
        "device: phone (200)",
    ):
        assert words in text, words
    assert max(map(len, found.output.splitlines())) <= 80
    assert "…" not in found.output


def test_figures_are_there_for_machines_even_where_they_are_withheld_from_people(database: str) -> None:
    found = run(database, "--strategy", "lonely", "--json")
    assert found.exit_code == 1
    answer = json.loads(found.stdout)["answers"][0]
    assert answer["status"] == "refused"
    assert answer["doubts"]
    assert answer["estimate"]["value"] >= 0.0
    shown = run(database, "--strategy", "lonely")
    assert shown.exit_code == 1
    assert "withheld" in shown.output
    assert f"{answer['estimate']['value']:.4g} " not in shown.output
    assert all(" ".join(doubt.split()) in " ".join(shown.output.split()) for doubt in answer["doubts"])


def test_several_strategies_are_compared_with_one(database: str) -> None:
    found = run(database, "--strategy", "even", "--strategy", "random", "--against", "<logger>", "--json")
    answers = json.loads(found.stdout)["answers"]
    assert [one["strategy"] for one in answers] == ["even", "random"]
    assert answers[0]["difference"]["against"] == "<logger>"
    assert answers[0]["difference"]["value"] > 0
    assert answers[1]["difference"] is None  # they are the same policy
    assert "nowhere different" in " ".join(
        run(database, "--strategy", "random", "--against", "<logger>").output.split()
    )


def test_what_is_the_same_by_every_metric_is_said_once(database: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    found = run(database, "--strategy", "even", "--metric", "click", "--metric", "worth", "--html", str(page))
    text = " ".join(found.output.split())
    for words in (text, page.read_text()):
        assert words.count("effective sample size") == 1
        assert words.count("weighted decisions with a reward") == 2
    assert text.count("Most weight") == 1


def test_a_run_says_that_what_was_logged_is_that_of_the_decisions_it_kept(database: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    found = run(database, "--strategy", "even", "--learning", "run", "--html", str(page))
    for words in ("as logged, kept ones", "passed over by the run"):
        assert words in " ".join(found.output.split())
        assert words in page.read_text()
    assert "kept ones" not in run(database, "--strategy", "even").output


def test_every_estimator_can_be_asked_for(database: str) -> None:
    for name, options in (
        ("position_based_snips", ("--examination", "1,0.8")),
        ("position_based_ips", ("--examination", "estimate")),
        ("pseudo_inverse_snips", ()),
        ("independent_snips", ()),
        ("switch_dr", ("--level", "3")),
        ("mips", ("--embedding", "kind", "--embedding", "colour")),
    ):
        found = run(database, "--strategy", "even", "--estimator", name, *options)
        assert found.exit_code == 0, found.output
        assert f"Estimator {name}: asked for." in found.output


def test_the_page_needs_nothing_from_elsewhere_and_shows_weights_days_and_a_forest(
    database: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "found.html"
    found = run(database, "--strategy", "<logger>", "--strategy", "even", "--by", "device", "--html", str(file))
    assert found.exit_code == 0, found.output
    text = file.read_text("utf-8")
    assert not re.search(r"<(script|link|img|iframe)\b|url\((?!#)|@import", text)
    assert set(re.findall(r'(?:href|src)="(?!#)([^"]*)"', text)) == set()
    assert text.count("<svg") == 5  # one forest, and for each strategy its days and its weights
    assert "<logger>" not in text
    assert "&lt;logger&gt;" in text
    for words in ("It is right where", "day by day", "weights of the decisions", "by position", "heaviest decisions"):
        assert words in text, words
    again = tmp_path / "again.html"
    run(database, "--strategy", "<logger>", "--strategy", "even", "--by", "device", "--html", str(again))
    assert again.read_text("utf-8") == text


def test_what_is_withheld_is_withheld_on_the_page_too(database: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "found.html"
    assert run(database, "--strategy", "lonely", "--html", str(file)).exit_code == 1
    text = file.read_text("utf-8")
    assert "lonely: withheld, all that can be said is" in text
    assert "day by day" not in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "strategy: none named, must be one at least; known: "),
        (("--strategy", "even", "--examination", "1,x"), "examination '1,x': must be numbers with commas between them"),
        (("--strategy", "even", "--reward-range", "1"), "reward_range '1': must be two numbers, as 0,1"),
        (
            ("--strategy", "even", "--estimator", "position_based_ips", "--examination", "1"),
            "examination: 1 values for 2 positions, must be one each",
        ),
        (("--strategy", "even", "--k", "3"), "--k: goes with --ranking only"),
        (("--ranking", "--against", "even"), "--against: does not go with --ranking"),
        (("--strategy", "even", "--by", "user.age >"), "expression 'user.age >'"),
        (("--strategy", "even", "--surface", "hmoe"), "the log has no decisions on it; it has on: home"),
    ],
)
def test_option_that_means_nothing_is_refused(database: str, options: tuple[str, ...], words: str) -> None:
    found = run(database, *options)
    assert isinstance(found.exception, InputError | UnknownError)
    assert words in str(found.exception)
