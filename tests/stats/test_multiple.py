import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.multiple import discoveries


def test_discoveries_are_the_definition_of_e_bh(rng: np.random.Generator) -> None:
    for _ in range(50):
        e = rng.lognormal(2, 2, size=8)
        k = max((k for k in range(1, 9) if np.sort(e)[-k] >= 8 / (k * 0.1)), default=0)
        assert sum(discoveries(e.tolist(), alpha=0.1)) == k


def test_nothing_is_discovered_among_weak_evidence() -> None:
    assert discoveries([1.0, 2.0]) == (False, False)
    assert discoveries([]) == ()


def test_an_e_value_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="e_value of row 1 is -1, must be >= 0"):
        discoveries([1.0, -1.0])
