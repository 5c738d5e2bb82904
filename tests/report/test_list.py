"""`bandstand report` without a key: which experiments there are."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bandstand.cli.report import report
from bandstand.events import Draft, ExperimentMoved, ExperimentPut
from bandstand.store.sql import open_log

from .logs import START, experiment


def told(url: str, *more: str) -> str:
    result = CliRunner().invoke(report, [*more, "--database", url], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def url(tmp_path: Path) -> str:
    where = f"sqlite:///{tmp_path}/bandstand.db"
    log = open_log(where)
    for name in ("old", "new one", "draft"):
        definition = experiment(name=name, method="interleave" if name == "draft" else "ab")
        log.append([Draft(ExperimentPut(name, msgspec.Raw(msgspec.json.encode(definition))), START)])
    for name, to in (("old", "running"), ("new one", "running"), ("old", "stopped")):
        log.append([Draft(ExperimentMoved(name, to), START)])
    log.close()
    return where


def test_those_that_run_come_first_and_each_with_the_command_that_tells_of_it(url: str) -> None:
    lines = told(url).splitlines()
    assert [line.rstrip() for line in lines] == [
        "Experiment  State               Since       Surface  To ask for it",
        "new one     running             1970-04-11  home     bandstand report 'new one'",
        "draft       draft, interleaved              home     bandstand report draft",
        "old         stopped             1970-04-11  home     bandstand report old",
    ]
    found = msgspec.json.decode(told(url, "--json"))
    assert [one["experiment"] for one in found] == ["new one", "draft", "old"]
    assert found[2] == {
        "experiment": "old",
        "state": "stopped",
        "surface": "home",
        "method": "ab",
        "since": START,
        "command": "bandstand report old",
    }
    assert "new one on home: running" in told(url, "new one")


def test_a_log_without_experiments_says_what_to_do(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/bandstand.db"
    open_log(where).close()
    assert "No experiment has been recorded yet" in told(where)
    assert msgspec.json.decode(told(where, "--json")) == []


def test_what_is_about_one_experiment_needs_its_name(url: str) -> None:
    result = CliRunner().invoke(report, ["--history", "--database", url])
    assert (result.exit_code, "name the experiment" in result.output) == (2, True)
