import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Chance seeded from the test's own name."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture(scope="session")
def constants() -> dict[str, Any]:
    return json.loads((REFERENCE / "constants.json").read_text())
