import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from bandstand.errors import InputError
from bandstand.stats.interaction import interaction
from bandstand.stats.moments import Moments


@pytest.mark.parametrize("levels", [(2, 2), (3, 2), (2, 4)])
def test_it_is_the_wald_test_of_statsmodels_with_hc2_errors(levels: tuple[int, int], rng: np.random.Generator) -> None:
    a, b = (rng.integers(0, many, size=900) for many in levels)
    y = rng.gamma(1 + a * b) + 0.3 * a - b
    first, second = (np.eye(many)[codes][:, 1:] for many, codes in zip(levels, (a, b), strict=True))
    both = np.einsum("ni,nj->nij", first, second).reshape(len(y), -1)
    fit = OLS(y, np.column_stack([np.ones(len(y)), first, second, both])).fit(cov_type="HC2", use_t=False)
    crossed = np.arange(len(fit.params))[-both.shape[1] :]
    wald = fit.wald_test(np.eye(len(fit.params))[crossed], use_f=False, scalar=True)
    cells = [[Moments.of(y[(a == i) & (b == j)]) for j in range(levels[1])] for i in range(levels[0])]
    found = interaction(cells)
    assert found.df == (levels[0] - 1) * (levels[1] - 1)
    assert np.ravel(found.contrasts) == pytest.approx(fit.params[crossed])
    assert (found.chi2, found.p_value) == pytest.approx((float(wald.statistic), float(wald.pvalue)))


def test_effects_that_add_are_no_interaction() -> None:
    base = np.array([1.0, 2.0, 3.0, 6.0])
    cells = [[Moments.of(base + 2 * i + 5 * j) for j in range(2)] for i in range(2)]
    assert interaction(cells).p_value == pytest.approx(1.0)


def test_what_cannot_be_told_is_refused() -> None:
    same, some = Moments.of([1.0, 1.0]), Moments.of([1.0, 2.0])
    with pytest.raises(InputError, match="do not vary cannot show an interaction; wait for data that vary"):
        interaction([[same, same], [same, same]])
    with pytest.raises(InputError, match=r"a pair of variants has 1 unit\(s\)"):
        interaction([[some, some], [some, Moments.of([1.0])]])
