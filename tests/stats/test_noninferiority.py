import numpy as np
import pytest
from scipy import stats

from bandstand.errors import InputError
from bandstand.stats.means import difference
from bandstand.stats.moments import Moments
from bandstand.stats.noninferiority import non_inferior


def test_it_is_scipys_one_sided_welch_test_against_the_margin(rng: np.random.Generator) -> None:
    treatment, control = rng.normal(9.9, 2, 80), rng.normal(10, 1, 150)
    for share, acceptable in ((False, control - 0.5), (True, 0.95 * control)):
        expected = stats.ttest_ind(treatment, acceptable, equal_var=False, alternative="greater")
        margin = 0.05 if share else 0.5
        found = non_inferior(Moments.of(treatment), Moments.of(control), margin=margin, share=share)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert found.low == pytest.approx(expected.confidence_interval(0.95).low, rel=1e-9)


def test_it_holds_where_the_one_sided_interval_lies_above_the_margin(rng: np.random.Generator) -> None:
    arms = Moments.of(rng.normal(1.0, 1, 500)), Moments.of(rng.normal(1.0, 1, 500))
    bound = difference(*arms, alpha=0.1).low
    assert non_inferior(*arms, margin=-bound + 1e-9).ok
    assert not non_inferior(*arms, margin=-bound - 1e-9).ok


def test_a_share_of_a_negative_control_is_a_further_loss() -> None:
    # a loss of 10 that becomes one of 10.4 is worse by 4 %: within 5 %, not within 3 %
    arms = Moments(1000, -10.4, 10.0), Moments(1000, -10.0, 10.0)
    assert non_inferior(*arms, margin=0.05, share=True).ok
    assert not non_inferior(*arms, margin=0.03, share=True).ok


def test_impossible_margins_are_refused() -> None:
    arms = Moments(10, 1.0, 9.0), Moments(10, 0.0, 9.0)
    with pytest.raises(InputError, match="give the loss that you would accept"):
        non_inferior(*arms, margin=0.0)
    with pytest.raises(InputError, match="give the margin as a difference") as refusal:
        non_inferior(*arms, margin=0.1, share=True)
    assert refusal.value.code == "zero_baseline"
