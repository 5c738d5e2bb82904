"""`bandstand simulate` as its user runs it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from bandstand.cli.simulate import simulate
from bandstand.errors import InputError
from bandstand.store.sql import open_log

TINY = """
about = "Tiny."
requests = 30
seeds = 1
catalogue = "made"
items = 20

[[expect]]
metric = "regret"
at_most = 1.0
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def test_a_page_is_written_and_figures_that_moved_fail(tiny: Path) -> None:
    run, page = CliRunner(), tiny.parent / "page.html"
    first = run.invoke(simulate, [str(tiny), "--jobs", "1", "--accept", "--html", str(page)], catch_exceptions=False)
    assert first.exit_code == 0
    assert "1 of 1 hold" in page.read_text("utf-8")
    tiny.write_text(TINY.replace("items = 20", "items = 60"))
    second = run.invoke(simulate, [str(tiny), "--jobs", "1"], catch_exceptions=False)
    assert second.exit_code == 1
    assert "accepted was" in second.output
    assert "1 of 1 hold; figures have moved of tiny." in second.output


def test_page_and_last_line_say_of_which_scenarios_figures_moved(tiny: Path) -> None:
    other, page = tiny.with_name("other.toml"), tiny.parent / "page.html"
    other.write_text(TINY)
    run = CliRunner()
    both = [str(tiny), str(other), "--jobs", "1"]
    assert run.invoke(simulate, [*both, "--accept"], catch_exceptions=False).output.endswith("2 of 2 hold.\n")
    other.write_text(TINY.replace("items = 20", "items = 60"))
    moved = run.invoke(simulate, [*both, "--html", str(page)], catch_exceptions=False)
    assert moved.exit_code == 1
    assert "2 of 2 hold; figures have moved of other." in moved.output
    written = page.read_text("utf-8")
    assert "<h1>Simulations: 2 of 2 hold; figures have moved of other</h1>" in written
    assert written.count(" moved</span>") == 1


def test_without_a_file_strategies_are_compared_in_the_world_of_a_log(
    tiny: Path, history: Callable[..., object]
) -> None:
    url = f"sqlite:///{tiny.parent / 'log.db'}"
    log = open_log(url)
    history(log, visits=800)
    log.close()
    found = CliRunner().invoke(
        simulate, [str(tiny), "--from-log", url, "--jobs", "1", "--json"], catch_exceptions=False
    )
    assert found.exit_code == 0
    (result,) = json.loads(found.stdout)
    assert result["fit"]["impressions"] == 3200
    assert [side["name"] for side in result["sides"]] == ["default"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "name scenarios, or a log with --from-log"), (["nowhere.toml"], "does not exist")],
)
def test_what_is_missing_is_said(arguments: list[str], message: str) -> None:
    found = CliRunner().invoke(simulate, arguments)
    assert found.exit_code == 2
    assert message in found.output.replace("\n", " ")


def test_what_does_not_go_together_is_refused(tiny: Path) -> None:
    for arguments in (["--from-log", "sqlite:///x.db", "--accept"], ["--html", str(tiny.parent / "no" / "page.html")]):
        with pytest.raises(InputError):
            CliRunner().invoke(simulate, [str(tiny), *arguments], catch_exceptions=False)
