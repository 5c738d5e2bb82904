"""`bandstand power`, called as people call it: every method by formula and by trying, in 80 columns and as JSON."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bandstand.cli import bandstand
from bandstand.events import Decided, Draft, Pick, Request, Rewarded
from bandstand.plan import METHODS
from bandstand.store.sql import open_log

START, DAY = 1_795_000_000.0, 86_400.0


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/bandstand.db"
    log, chance = open_log(url), random.Random("power")
    picks = (Pick("i0", 0, 1.0, 0.0),)
    for k in range(600):
        at = START + k * DAY / 60
        drafts = [Draft(Decided(f"d{k}", Request("home", at, user=f"u{k}"), "default", picks, as_of=0), at)]
        if chance.random() < 0.5:
            drafts.append(Draft(Rewarded(f"d{k}", "click", 1.0, "home", position=0, item="i0", user=f"u{k}"), at))
        log.append(drafts)
    log.close()
    return url


def run(database: str, *options: str) -> Result:
    return CliRunner().invoke(
        bandstand, ["power", "--database", database, *options], env={"COLUMNS": "80", "TERM": "dumb"}
    )


@pytest.mark.parametrize("kind", ["mean", "proportion", "ratio"])
def test_every_method_is_told_by_formula_and_by_trying_in_80_columns(database: str, kind: str) -> None:
    found = run(database, "--kind", kind, "--lift", "0.2", "--replay", "20", "--prior-std", "0.1")
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert max(map(len, lines)) <= 80
    for says in METHODS.values():
        by_formula, by_trying = (line for line in lines if line.startswith(says))
        assert "%]" not in by_formula
        assert by_trying.endswith("%]")
    assert "a chance to win of 0.975 and an expected loss of at most 0.25%" in " ".join(found.output.split())


def test_json_has_every_method_and_the_rule_it_goes_by(database: str) -> None:
    options = ("--lift", "0.2", "--replay", "20", "--prior-std", "0.1", "--accepted-loss", "0.01", "--json")
    found = json.loads(run(database, *options).stdout)
    assert [one["method"] for one in found["plan"]["needs"]] == [*METHODS]
    assert [one["method"] for one in found["replayed"]["methods"]] == [*METHODS]
    assert (found["plan"]["prior_std"], found["plan"]["accepted_loss"]) == (0.1, 0.01)
    for one in found["replayed"]["methods"]:
        assert 0 <= one["low"] <= one["found"] <= one["high"] <= 1
        assert 0 < one["formula"] < 1
