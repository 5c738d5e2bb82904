import json
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from bandstand.experiments.assignment import assign
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.optimizely import bucket, chosen, murmur3

CASES = json.loads((Path(__file__).parents[1] / "reference/stats/constants.json").read_text())["optimizely_bucketing"]
VARIANTS = (Variant("control", "default", 0.3), Variant("treatment", "popular", 0.7))
THEIRS = Experiment("x", "home", VARIANTS, salt="1886780721", hash="optimizely")
USERS = [f"user-{k}" for k in range(4000)]


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["id"])
def test_units_fall_into_the_buckets_of_its_tests(case: dict[str, int | str]) -> None:
    assert bucket(str(case.get("parent", 1886780721)), str(case["id"])) == case["bucket"]


def test_the_hash_is_murmurs_for_every_length_of_text() -> None:
    # Values of the reference implementation, as its ports test themselves: 0, 1, 4 and 5 bytes.
    assert [murmur3(b"", seed=1), murmur3(b"hello"), murmur3(b"test")] == [0x514E28B7, 0x248BFA47, 0xBA6BD213]


def test_a_bucket_belongs_to_the_first_part_that_ends_above_it() -> None:
    assert [chosen(at, [0.3, 0.7]) for at in (0, 2999, 3000, 9999)] == [0, 0, 1, 1]
    assert [chosen(at, [0.3, 0.7], coverage=0.5) for at in (1499, 1500, 3000, 6499, 6500)] == [0, -1, 1, 1, -1]


def test_an_experiment_of_theirs_assigns_by_their_buckets() -> None:
    got = [assign(THEIRS, one) for one in USERS]
    assert all(
        one is not None and (one.name == "control") == (bucket("1886780721", user) < 3000)
        for one, user in zip(got, USERS, strict=True)
    )
    assert Counter(one.name for one in got if one)["control"] / len(USERS) == pytest.approx(0.3, abs=0.03)


def test_experiments_of_an_exclusion_group_share_no_unit() -> None:
    low = replace(THEIRS, layer="group", traffic=0.4)
    high = replace(THEIRS, layer="group", traffic=0.6, traffic_from=0.4, salt="2")
    assert all((assign(low, one) is None) != (assign(high, one) is None) for one in USERS)
