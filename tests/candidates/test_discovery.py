"""A keyed uniform sample: which numbers it draws, and that each item has the same chance."""

import numpy as np
import pytest

from bandstand.candidates import Ask
from bandstand.candidates.discovery import Discovery, _uniforms

ROWS, SAMPLE = 20, 5


def proposed(decision: str, *, history: tuple[int, ...] = (), allowed: np.ndarray | None = None) -> list[int]:
    mask = np.ones(ROWS, np.bool_) if allowed is None else allowed
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
    assert _uniforms(1234567, 5).tolist() == [((output >> 11) + 1) / 2**53 for output in outputs]


def test_the_same_decision_draws_the_same_and_another_one_does_not() -> None:
    assert proposed("a") == proposed("a")
    assert proposed("a") != proposed("b")


def test_what_is_not_allowed_leaves_the_others_as_they_were() -> None:
    drawn = proposed("a")
    allowed = np.ones(ROWS, np.bool_)
    allowed[drawn[0]] = False
    assert proposed("a", allowed=allowed)[: SAMPLE - 1] == drawn[1:]


def test_what_the_user_has_touched_is_nothing_new() -> None:
    drawn = proposed("a")
    assert not set(proposed("a", history=tuple(drawn))) & set(drawn)


@pytest.mark.calibration
def test_each_item_is_drawn_equally_often() -> None:
    decisions = 4000
    counts = np.bincount([row for n in range(decisions) for row in proposed(f"decision {n}")], minlength=ROWS)
    # Each row is in a sample with probability 1/4: 1000 ± 5 · √(4000 · 1/4 · 3/4).
    assert np.abs(counts - decisions * SAMPLE / ROWS).max() < 5 * np.sqrt(decisions * 0.25 * 0.75)
