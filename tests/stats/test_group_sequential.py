import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from bandstand.errors import InputError
from bandstand.stats.group_sequential import group_bounds, spent

SPOTIFY = json.loads((Path(__file__).parents[1] / "reference/stats/sequential_constants.json").read_text())[
    "group_sequential"
]


def test_bounds_equal_those_of_spotifys_confidence() -> None:
    counts = np.array(SPOTIFY["sample_counts"])
    found = group_bounds((counts / counts[-1]).tolist(), alpha=0.01, spending=2.0)
    assert 2 * norm.sf(found) == pytest.approx(SPOTIFY["adjusted_alpha"], abs=SPOTIFY["atol"])


def test_one_look_is_the_fixed_test() -> None:
    for spending in (2.0, "pocock", "obrien-fleming"):
        assert group_bounds([1.0], spending=spending) == pytest.approx((norm.isf(0.025),), rel=1e-9)


def test_looks_together_spend_alpha_by_a_normal_integral() -> None:
    # two looks: 1 - P(|Z1| < b1, |Z2| < b2) with correlation √½, by scipy's bivariate normal
    from scipy.stats import multivariate_normal

    b1, b2 = group_bounds([0.5, 1.0])
    joint = multivariate_normal(cov=[[1, 0.5**0.5], [0.5**0.5, 1]])
    inside = joint.cdf([b1, b2], lower_limit=[-b1, -b2])
    assert 1 - inside == pytest.approx(0.05, abs=1e-6)
    assert 2 * norm.sf(b1) == pytest.approx(spent(0.5))


def test_many_looks_need_ever_smaller_values_under_obrien_fleming() -> None:
    bounds = group_bounds(np.linspace(0.02, 1, 50).tolist(), spending="obrien-fleming")
    assert (np.diff(bounds) < 0).all()
    assert 1.96 < bounds[-1] < 2.3


def test_a_look_so_early_that_nothing_can_cross_leaves_alpha_to_the_others() -> None:
    # O'Brien and Fleming's spending at t = 0.001 is 4 sf(70.9), less than a float can hold, so the last look has it all
    early, last = group_bounds([0.001, 1.0], spending="obrien-fleming")
    assert early > 37  # sf(37) is the least that a float holds
    assert last == pytest.approx(norm.isf(0.025), rel=1e-9)
    # and of two that are hardly reached, too: the last bound is that of the plan without them
    assert group_bounds([0.002, 0.01, 0.5, 1.0], spending="obrien-fleming")[2:] == pytest.approx(
        group_bounds([0.5, 1.0], spending="obrien-fleming"), rel=1e-9
    )


def test_looks_a_thousandth_apart_still_spend_alpha_to_ten_digits() -> None:
    from scipy.stats import multivariate_normal

    times = np.array([0.999, 1.0])
    bounds = np.array(group_bounds(times.tolist(), spending="pocock"))
    inside = multivariate_normal(cov=[[1, 0.999**0.5], [0.999**0.5, 1]]).cdf(bounds, lower_limit=-bounds)
    assert 1 - inside == pytest.approx(0.05, abs=1e-9)


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(InputError, match=r"look at the fraction 0\.50001 follows one at 0\.5, .*by a thousandth of it"):
        group_bounds([0.5, 0.50001, 1.0])
    with pytest.raises(InputError, match=r"look at the fraction 0\.5 follows one at 0\.5"):
        group_bounds([0.5, 0.5])
    with pytest.raises(InputError, match="spending is 0, must be a power > 0"):
        group_bounds([0.5, 1.0], spending=0)
