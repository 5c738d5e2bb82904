"""Assignment as GrowthBook makes it, by its own test cases."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from scipy.stats import chi2_contingency

from bandstand.experiments.assignment import assign
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.growthbook import chosen, equal_weights, place, ranges, within

CASES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "reference/growthbook_cases.json").read_text("utf-8"),
)
HALVES = Experiment(
    "theirs",
    "home",
    (Variant("control", "default", 0.5), Variant("treatment", "explore", 0.5)),
    salt="seed",
    hash="growthbook",
)
USERS = [f"user-{k}" for k in range(20_000)]


@pytest.mark.parametrize(("seed", "value", "version", "expected"), CASES["hash"])
def test_units_fall_where_they_fall_there(seed: str, value: str, version: int, expected: float | None) -> None:
    assert place(seed, value, version=version) == expected


@pytest.mark.parametrize(("name", "given", "expected"), CASES["getBucketRange"])
def test_variations_have_the_ranges_that_they_have_there(name: str, given: list[Any], expected: list[Any]) -> None:
    count, coverage, weights = given
    found = ranges(count, coverage=coverage, weights=weights)
    # Their cases are written in decimal, and compared after rounding there as well.
    assert [pytest.approx(one, abs=1e-9) for one in expected] == [list(one) for one in found]


@pytest.mark.parametrize(("name", "at", "among", "expected"), CASES["chooseVariation"])
def test_a_place_chooses_the_variation_that_it_chooses_there(name: str, at: float, among: Any, expected: int) -> None:
    assert chosen(at, among) == expected


@pytest.mark.parametrize(("name", "value", "namespace", "expected"), CASES["inNamespace"])
def test_a_namespace_holds_the_units_that_it_holds_there(
    name: str, value: str, namespace: list[Any], expected: bool
) -> None:
    called, start, end = namespace
    assert within(called, value, start=start, end=end) is expected


@pytest.mark.parametrize(("count", "expected"), CASES["getEqualWeights"])
def test_weights_are_equal_where_none_are_given(count: int, expected: list[float]) -> None:
    assert equal_weights(count) == pytest.approx(expected, abs=1e-8)


def test_characters_beyond_the_first_plane_count_twice_as_in_javascript() -> None:
    # Its Python library hashes this text to 2408971067 since 4.0.0, and did to 2957133708 when it read code points.
    assert place("", "😀user", version=1) == 0.067


@pytest.mark.parametrize("unit", ["a", "b", "u42", "漢字"])
def test_an_experiment_of_theirs_assigns_by_their_hash(unit: str) -> None:
    at = place("seed", unit)
    assert at is not None
    got = assign(HALVES, unit)
    assert got is not None
    assert got.name == ("control" if at < 0.5 else "treatment")


def test_raising_the_coverage_of_theirs_moves_nobody() -> None:
    before = {one: assign(replace(HALVES, coverage=0.2), one) for one in USERS}
    after = {one: assign(replace(HALVES, coverage=0.7), one) for one in USERS}
    assert all(after[one] == variant for one, variant in before.items() if variant is not None)
    assert 0.18 < sum(variant is not None for variant in before.values()) / len(USERS) < 0.22


def test_experiments_of_a_namespace_share_no_unit() -> None:
    low = replace(HALVES, layer="namespace1", traffic=0.4)
    high = replace(HALVES, name="other", layer="namespace1", traffic=0.6, traffic_from=0.4)
    assert all((assign(low, one) is None) != (assign(high, one) is None) for one in USERS)
    assert {one for one in USERS if assign(low, one)} == {
        one for one in USERS if within("namespace1", one, start=0, end=0.4)
    }


def test_the_second_hash_keeps_experiments_apart_where_the_first_does_not() -> None:
    def p_value(version: int) -> float:
        # Seeds that differ in their last character, as names of experiments do.
        table = [[0, 0], [0, 0]]
        for one in USERS:
            table[(place("exp-1", one, version=version) or 0) < 0.5][
                (place("exp-2", one, version=version) or 0) < 0.5
            ] += 1
        return float(chi2_contingency(table).pvalue)

    assert p_value(1) < 1e-6
    assert p_value(2) > 0.001
