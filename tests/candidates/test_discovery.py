"""A keyed uniform sample: which numbers it draws, and that each item has the same chance."""

import numpy as np
import pytest

from bandstand.candidates import Ask
from bandstand.candidates.discovery import Discovery, _uniforms

# Of so few rows each gets a number of its own; among MANY, row numbers are drawn.
ROWS, MANY, SAMPLE = 20, 64, 5


def proposed(
    decision: str, *, rows: int = ROWS, history: tuple[int, ...] = (), allowed: np.ndarray | None = None
) -> list[int]:
    mask = np.ones(rows, np.bool_) if allowed is None else allowed
    ask = Ask(decision, 0.0, np.array(history, np.int64), np.ones(len(history)), mask, SAMPLE)
    return Discovery().propose(ask).rows.tolist()


def test_the_numbers_are_those_of_splitmix64() -> None:
    # The first outputs for the seed 1234567, as Rosetta Code's page "Pseudo-random numbers/Splitmix64" prints them.
    outputs = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert _uniforms(1234567, np.arange(1, 6)).tolist() == [((output >> 11) + 1) / 2**53 for output in outputs]


@pytest.mark.parametrize("rows", [ROWS, MANY])
def test_the_same_decision_draws_the_same_and_another_one_does_not(rows: int) -> None:
    assert proposed("a", rows=rows) == proposed("a", rows=rows)
    assert proposed("a", rows=rows) != proposed("b", rows=rows)


@pytest.mark.parametrize("rows", [ROWS, MANY])
def test_what_is_not_allowed_leaves_the_others_as_they_were(rows: int) -> None:
    drawn = proposed("a", rows=rows)
    allowed = np.ones(rows, np.bool_)
    allowed[drawn[0]] = False
    assert proposed("a", rows=rows, allowed=allowed)[: SAMPLE - 1] == drawn[1:]


@pytest.mark.parametrize("rows", [ROWS, MANY])
def test_what_the_user_has_touched_is_nothing_new(rows: int) -> None:
    drawn = proposed("a", rows=rows)
    assert not set(proposed("a", rows=rows, history=tuple(drawn))) & set(drawn)


@pytest.mark.parametrize("rows", [3, SAMPLE, 7, ROWS, MANY, 1000])
@pytest.mark.parametrize("few", [0, 3, 8, 1000])
def test_as_many_are_proposed_as_there_are(rows: int, few: int) -> None:
    allowed = np.arange(rows) < few
    for n in range(50):
        drawn = proposed(f"decision {n}", rows=rows, allowed=allowed)
        assert len(set(drawn)) == len(drawn) == min(SAMPLE, rows, few)
        assert allowed[drawn].all()


@pytest.mark.calibration
@pytest.mark.parametrize("rows", [ROWS, 40, MANY])
@pytest.mark.parametrize("nth", [1, 2])
def test_each_item_is_drawn_equally_often_and_first_as_often(rows: int, nth: int) -> None:
    decisions, eligible = 4000, rows // nth
    allowed = np.arange(rows) % nth == 0
    drawn = np.array([proposed(f"decision {n}", rows=rows, allowed=allowed) for n in range(decisions)]) // nth
    for samples, share in ((drawn, SAMPLE / eligible), (drawn[:, :1], 1 / eligible)):
        counts = np.bincount(samples.ravel(), minlength=eligible)
        # Each row is in a sample with probability `share`: a binomial number of times, within five deviations.
        assert np.abs(counts - decisions * share).max() < 5 * np.sqrt(decisions * share * (1 - share))
