"""What the scenarios in `simulations/` expect holds."""

from pathlib import Path

import pytest

from bandstand.simulate.outcome import simulate
from bandstand.simulate.scenario import read

FILES = sorted((Path(__file__).parents[2] / "simulations").glob("*.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_expectations_hold(file: Path) -> None:
    result = simulate(read(file), n_jobs=1)
    assert result.expectations
    assert [judged for judged in result.expectations if not judged.ok] == []
