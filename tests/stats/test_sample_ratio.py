from typing import Any

import pytest

from bandstand.errors import InputError
from bandstand.stats.sample_ratio import sample_ratio


def test_p_values_equal_those_of_the_srm_checker(constants: dict[str, Any]) -> None:
    for case in constants["srm"]["cases"]:
        if 0 in case["exp"]:
            continue  # there p = 0; here a leak, tested below
        counts = {f"v{i}": n for i, n in enumerate(case["obs"])}
        weights = {f"v{i}": w for i, w in enumerate(case["exp"])}
        found = sample_ratio(counts, weights)
        assert found.p_value is not None
        if "p_lt" in case:
            assert found.p_value < case["p_lt"]
            assert found.ok is False
        else:
            expected, digits = (case["p"], 1e-5) if "p" in case else (case["p_approx"], 1e-2)
            assert found.p_value == pytest.approx(expected, abs=digits)
            assert (found.ok, found.reason) == (True, "")


def test_units_in_a_variant_without_weight_are_a_leak_whatever_the_rest() -> None:
    found = sample_ratio({"a": 500, "b": 500, "off": 1}, {"a": 1, "b": 1, "off": 0})
    assert (found.chi2, found.p_value, found.ok, found.leaks) == (0.0, 1.0, False, ("off",))
    assert "off have units though their weight is 0" in found.reason


def test_a_leak_is_reported_even_where_the_split_cannot_be_assessed() -> None:
    found = sample_ratio({"a": 100, "b": 100}, {"a": 100, "b": 0})
    assert (found.chi2, found.ok, found.leaks) == (None, False, ("b",))


def test_variants_without_weight_do_not_count_as_degrees_of_freedom() -> None:
    counts = {"a": 5200, "b": 4800}
    with_idle = sample_ratio(counts | {"idle": 0}, {"a": 1, "b": 1, "idle": 0})
    assert with_idle == sample_ratio(counts, {"a": 1, "b": 1})


def test_few_units_are_not_assessed_and_the_reason_says_so() -> None:
    found = sample_ratio({"a": 3, "b": 1}, {"a": 1, "b": 1})
    assert (found.ok, found.p_value) == (None, None)
    assert found.reason.startswith("not assessed: variant a is expected to have 2 units")


def test_an_experiment_without_units_is_not_assessed() -> None:
    assert sample_ratio({}, {"a": 1, "b": 1}).ok is None


def test_a_single_variant_has_no_split_to_check() -> None:
    assert "no split to check" in sample_ratio({"a": 100}, {"a": 1}).reason


def test_a_variant_nobody_reached_counts_as_zero() -> None:
    assert sample_ratio({"a": 1000}, {"a": 1, "b": 1}).ok is False


@pytest.mark.parametrize(
    ("counts", "weights", "message"),
    [
        ({"a": -1}, {"a": 1}, "count of variant a is -1"),
        ({"c": 1}, {"a": 1, "b": 1}, "variant c has a count but no weight; known: a, b"),
        ({"a": 1}, {"a": -1}, "weight of variant a is -1"),
        ({"a": 1}, {"a": float("nan")}, "weight of variant a is nan"),
        ({"a": 1}, {"a": 0}, "no variant has weight"),
        ({}, {}, "no variant has weight"),
    ],
)
def test_impossible_input_is_refused_by_name(counts: dict[str, int], weights: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample_ratio(counts, weights)
