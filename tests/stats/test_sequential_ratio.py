import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial

from bandstand.errors import InputError
from bandstand.stats.sequential_ratio import log_bayes_factor, sequential_sample_ratio

SSRM = json.loads((Path(__file__).parents[1] / "reference/stats/sequential_constants.json").read_text())["ssrm"]


def test_the_bayes_factor_equals_that_of_ssrm_after_each_batch() -> None:
    totals = np.cumsum(SSRM["batches"], axis=0).tolist()
    for counts, log_m1, log_m0 in zip(totals, SSRM["logM1"], SSRM["logM0"], strict=True):
        found = log_bayes_factor(counts, shares=[0.4, 0.4, 0.2], prior=[1.0, 1.0, 1.0])
        assert found == pytest.approx(log_m1 - log_m0, rel=1e-9)


def test_batches_and_their_sum_give_the_same_evidence() -> None:
    # ssrm adds the batches' marginals under the updated prior; the coefficients cancel between the hypotheses
    prior, log_m1 = np.ones(3), 0.0
    for batch, expected in zip(SSRM["batches"], SSRM["logM1"], strict=True):
        log_m1 += dirichlet_multinomial.logpmf(batch, prior, sum(batch))
        prior += batch
        assert log_m1 == pytest.approx(expected, rel=1e-9)


def test_a_later_look_cannot_raise_the_p_value() -> None:
    found = sequential_sample_ratio({"a": 500, "b": 500}, {"a": 1, "b": 1}, previous=0.002)
    assert (found.p_value, found.ok) == (0.002, False)


def test_the_alarm_is_raised_where_the_evidence_reaches_one_over_alpha() -> None:
    found = sequential_sample_ratio({"a": 5500, "b": 5000}, {"a": 2, "b": 2}, alpha=0.01)
    assert found.p_value == pytest.approx(np.exp(-found.log_bayes_factor))
    assert found.ok is (found.p_value > 0.01)


def test_before_the_first_unit_there_is_no_evidence() -> None:
    assert sequential_sample_ratio({}, {"a": 1, "b": 1}).p_value == pytest.approx(1.0)


def test_impossible_splits_are_refused() -> None:
    with pytest.raises(InputError, match="weight of variant b is 0, must be finite and > 0"):
        sequential_sample_ratio({"a": 1}, {"a": 1, "b": 0})
    with pytest.raises(InputError, match="variant c has 1 units"):
        sequential_sample_ratio({"c": 1}, {"a": 1, "b": 1})
    with pytest.raises(InputError, match="a split needs two"):
        sequential_sample_ratio({"a": 1}, {"a": 1})
