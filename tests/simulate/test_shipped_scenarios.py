"""What the scenarios in `simulations/` expect holds, and their figures are those that were last accepted."""

from pathlib import Path

import pytest

from bandstand.simulate.accepted import accepted, beside, changes
from bandstand.simulate.outcome import simulate
from bandstand.simulate.scenario import read

FILES = sorted((Path(__file__).parents[2] / "simulations").glob("*.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_expectations_hold_and_no_figure_has_moved(file: Path) -> None:
    scenario = read(file)
    result = simulate(scenario, n_jobs=1)
    assert result.expectations
    assert [judged for judged in result.expectations if not judged.ok] == []
    before = accepted(beside(file))
    assert before is not None
    assert changes(result, before, tolerance=scenario.tolerance) == []
