import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats.mstats import mjci

from bandstand.errors import InputError
from bandstand.stats.means import difference
from bandstand.stats.quantiles import quantile_moments


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_its_error_is_near_that_of_maritz_and_jarrett(q: float, rng: np.random.Generator) -> None:
    values = rng.lognormal(size=20_000)
    found = quantile_moments(values, q)
    assert found.mean == np.quantile(values, q)
    assert found.std_error == pytest.approx(mjci(values, [q])[0], rel=0.15)
    # and near the asymptotic √(q(1-q)/n) / f(x) of the known density
    x = np.exp(norm.ppf(q))
    density = norm.pdf(np.log(x)) / x
    assert found.std_error == pytest.approx(np.sqrt(q * (1 - q) / 20_000) / density, rel=0.15)


def test_rows_of_one_user_count_once(rng: np.random.Generator) -> None:
    once = rng.normal(size=2000)
    repeated = quantile_moments(np.repeat(once, 5), 0.5, units=np.repeat(np.arange(2000), 5))
    assert repeated.n == 2000
    assert repeated.std_error == pytest.approx(quantile_moments(once, 0.5).std_error, rel=0.02)
    assert quantile_moments(np.repeat(once, 5), 0.5).std_error < 0.5 * repeated.std_error


@pytest.mark.parametrize("share", [0.5, 0.505])
def test_alike_arms_of_whole_numbers_seldom_differ(share: float, rng: np.random.Generator) -> None:
    # The median is 0 or 1, and in every other experiment another one in each arm; a window of ranks about it reaches
    # the other number on one side alone.
    rejected = 0
    for _ in range(300):
        arms = [quantile_moments((rng.random(1000) > share).astype(np.float64), 0.5) for _ in range(2)]
        if arms[0].mean != arms[1].mean:
            rejected += difference(*arms).p_value < 0.05
    # binom(300, 0.05).ppf(0.999) = 28; half the width of the window rejects 0.45 of them
    assert rejected <= 28


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match=r"too few for an interval of the quantile 0\.99.*nearer to the median"):
        quantile_moments(range(100), 0.99)
    with pytest.raises(InputError, match=r"1 row\(s\) have no spread"):
        quantile_moments([1.0], 0.5)
    with pytest.raises(InputError, match="q is 95, must lie between 0 and 1"):
        quantile_moments(range(100), 95)
