"""Accepted figures: what was good enough last time, and what has changed since."""

from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.simulate.accepted import Change, accept, accepted, beside, changes
from bandstand.simulate.outcome import Figure, Judged, Result, Side
from bandstand.simulate.scenario import Expectation

HALF = Figure(0.5)


def result(click_through: float, *, regret: Figure | None = HALF, seeds: int = 3) -> Result:
    side = Side("bandit", Figure(click_through), regret, ())
    judged = Judged(Expectation("regret", at_most=0.6), regret, True)
    return Result("s", "", 100, seeds, (side,), (), (), (judged,))


def test_accepted_figures_lie_beside_their_scenario() -> None:
    assert beside(Path("simulations/drift.toml")) == Path("simulations/results/drift.json")


def test_nothing_is_accepted_until_somebody_does(tmp_path: Path) -> None:
    assert accepted(tmp_path / "results" / "s.json") is None


def test_the_same_result_has_no_changes(tmp_path: Path) -> None:
    path = tmp_path / "results" / "s.json"
    accept(result(1 / 7), path)
    before = accepted(path)
    assert before is not None
    assert changes(result(1 / 7), before, tolerance=0.0) == []
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize(("now", "changed"), [(0.208, False), (0.212, True), (0.188, True), (0.2, False)])
def test_a_change_beyond_the_tolerance_is_reported(tmp_path: Path, now: float, changed: bool) -> None:
    path = tmp_path / "s.json"
    accept(result(0.2), path)
    before = accepted(path)
    assert before is not None
    wanted = [Change("click-through of bandit", 0.2, now)] if changed else []
    assert changes(result(now), before, tolerance=0.05) == wanted


def test_a_figure_that_is_no_longer_there_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    accept(result(0.2), path)
    before = accepted(path)
    assert before is not None
    assert changes(result(0.2, regret=None), before, tolerance=0.05) == [
        Change("regret of bandit", 0.5, None),
        Change("regret", 0.5, None),
    ]
    assert changes(result(0.2, seeds=4), before, tolerance=0.05) == [Change("seeds", 3, 4)]


def test_a_damaged_file_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"s\.json.*accept them anew"):
        accepted(path)
