import numpy as np
import pytest
from scipy.stats import chisquare

from bandstand.errors import InputError
from bandstand.stats.propensities import propensity_fit


def test_with_constant_propensities_it_is_pearsons_test(rng: np.random.Generator) -> None:
    shares = np.array([0.5, 0.3, 0.2])
    chosen = rng.choice(3, p=[0.45, 0.33, 0.22], size=2000)
    expected = chisquare(np.bincount(chosen), 2000 * shares)
    found = propensity_fit(np.tile(shares, (2000, 1)), chosen)
    assert (found.chi2, found.df) == (pytest.approx(expected.statistic, rel=1e-9), 2)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_it_equals_the_form_with_the_pseudo_inverse(rng: np.random.Generator) -> None:
    p = rng.dirichlet([1, 2, 3, 4], size=500)
    chosen = (p.cumsum(axis=1) < rng.random((500, 1))).sum(axis=1)
    surprise = (np.eye(4)[chosen] - p).sum(axis=0)
    covariance = sum(np.diag(row) - np.outer(row, row) for row in p)
    expected = surprise @ np.linalg.pinv(covariance) @ surprise
    assert propensity_fit(p, chosen).chi2 == pytest.approx(expected, rel=1e-9)


def test_an_arm_that_is_never_to_be_had_costs_no_degree_of_freedom() -> None:
    found = propensity_fit([[0.5, 0.5, 0.0]] * 100, [0] * 60 + [1] * 40)
    assert (found.chi2, found.df) == (pytest.approx(4.0), 1)


def test_what_leaves_nothing_to_chance_is_refused() -> None:
    with pytest.raises(InputError, match="all 2 decisions were certain"):
        propensity_fit([[1.0, 0.0], [0.0, 1.0]], [0, 1])


def test_impossible_logs_are_refused() -> None:
    with pytest.raises(InputError, match="propensity of the choice of row 1 is 0, must be > 0; find who chose it"):
        propensity_fit([[0.5, 0.5], [1.0, 0.0]], [0, 1])
    with pytest.raises(InputError, match=r"sum of propensities of row 0 is 1\.1, must be 1"):
        propensity_fit([[0.5, 0.6]], [0])
    with pytest.raises(InputError, match=r"propensity of row 0 position 1 is -0\.5"):
        propensity_fit([[0.5, -0.5]], [0])
    with pytest.raises(InputError, match="indices from 0 to 1"):
        propensity_fit([[0.5, 0.5]], [2])
    with pytest.raises(InputError, match="shapes are"):
        propensity_fit([0.5, 0.5], [0])
