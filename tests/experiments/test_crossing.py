"""Who saw both sides speaks for neither."""

import numpy as np
import pytest

from bandstand.experiments.crossing import JOINED_BY, NOBODY, crossed

ANN, BOB, ANONYMOUS = 0, 1, 2
A, B = 0, 1
FIRST, SECOND = 0, 1


def found(*sightings: tuple[int, int, int]) -> tuple[list[int], int]:
    columns = np.array(sightings, np.int64).reshape(-1, 3).T
    out = crossed(*columns, units=3)
    return np.flatnonzero(out.units).tolist(), out.merged


def test_a_unit_that_saw_two_variants_is_left_out() -> None:
    assert found((ANN, A, NOBODY), (BOB, A, NOBODY), (ANN, B, NOBODY), (BOB, A, NOBODY)) == ([ANN], 0)


def test_who_signs_in_under_another_id_and_sees_another_variant_is_left_out_as_both() -> None:
    assert found((ANONYMOUS, A, FIRST), (ANN, B, FIRST), (BOB, B, SECOND)) == ([ANN, ANONYMOUS], 2)


def test_who_signs_in_and_sees_the_same_variant_stays() -> None:
    assert found((ANONYMOUS, A, FIRST), (ANN, A, FIRST)) == ([], 0)


def test_who_saw_both_by_themselves_is_not_counted_as_merged() -> None:
    assert found((ANN, A, FIRST), (ANN, B, FIRST), (BOB, B, SECOND), (BOB, B, NOBODY)) == ([ANN], 0)
    assert found((ANN, A, FIRST), (ANN, B, FIRST), (BOB, B, FIRST)) == ([ANN, BOB], 1)


def test_nobody_was_seen() -> None:
    assert found() == ([], 0)


@pytest.mark.parametrize("merging", [0.0, 0.3])
def test_leaving_out_who_merged_leaves_the_split_as_it_was(merging: float) -> None:
    # Each of 20,000 people has two ids, each id its own fair variant; some are known to be one person.
    rng = np.random.default_rng(5)
    people = 20_000
    unit, person = (
        np.arange(2 * people),
        np.repeat(np.where(rng.random(people) < merging, np.arange(people), NOBODY), 2),
    )
    variant = rng.integers(0, 2, 2 * people)
    out = crossed(unit, variant, person, units=2 * people)
    left = variant[~out.units]
    assert abs(left.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(left))
    # Of those who merge, half got two variants, and count for two units each.
    expected = people * merging
    assert abs(out.merged - expected) <= 4 * 2 * np.sqrt(max(people * merging / 4, 0))


def test_users_are_joined_by_session_devices_by_user_and_sessions_by_nothing() -> None:
    assert JOINED_BY == {"user": "session", "device": "user", "session": None}
