import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.multiple import adjusted, discoveries


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


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_two_stages_count_nulls_at_the_level_that_is_asked(alpha: float) -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = [0.001, 0.004, 0.012, 0.02, 0.03, 0.04, 0.3, 0.5, 0.7, 0.9]
    rejected, expected, _, _ = multipletests(p_values, alpha=alpha, method="fdr_tsbh")
    found = adjusted(p_values, method="fdr_tsbh", alpha=alpha)
    assert found == pytest.approx(expected.tolist())
    assert [p <= alpha for p in found] == rejected.tolist()
