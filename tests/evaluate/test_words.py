"""The words beside an interval say what was done to it, and why."""

import math

import numpy as np
import pytest

from bandstand.evaluate.scored import Scored
from bandstand.evaluate.uncertainty import Bracketed, Doubt, bracketed
from bandstand.stats.empirical_likelihood import empirical_likelihood
from bandstand.stats.weights import WeightedSums

ROWS = 600
TENS, THIRTIES = (np.arange(ROWS) // each for each in (10, 30))  # users with so many rows each


def rewarded(rows: int) -> np.ndarray:
    return (np.arange(ROWS) < rows).astype(np.float64)


def found(rewards: np.ndarray, users: np.ndarray | None, most: float) -> Bracketed:
    """Under weights of one."""
    ones = np.ones(ROWS)
    scored = Scored((rewards,), (None,), ones, rewards)
    return bracketed(scored, Doubt(users, 0.05, most, (0.0, 1.0)), "likelihood")


@pytest.mark.parametrize(
    ("rewards", "users", "words"),
    [
        (rewarded(300), None, ""),
        (rewarded(19), None, ", with the exact binomial for few rewards"),
        (rewarded(ROWS - 19), None, ", with the exact binomial for few rewards below the greatest"),
        (np.ones(ROWS), None, ", with the exact binomial for few rewards below the greatest"),
        (rewarded(300), TENS, ", by user"),
        (rewarded(60), TENS, ", with the exact binomial for rewards of few users, by user"),
        (
            rewarded(300),
            THIRTIES,
            ", with the exact binomial for rewards of few users and rewards of few users below the greatest, by user",
        ),
    ],
)
def test_words_say_for_what_the_interval_was_widened(rewards: np.ndarray, users: np.ndarray | None, words: str) -> None:
    given = found(rewards, users, 1.5)
    assert given.how == f"empirical likelihood, no weight above 1.5{words}"
    plain = empirical_likelihood(WeightedSums.of(rewards, np.ones(ROWS), clusters=users), max_weight=1.5)
    wider = given.figure.low < plain.low - 1e-6 or given.figure.high > plain.high + 1e-6
    assert wider is ("binomial" in words)


@pytest.mark.parametrize(
    ("rewards", "words", "ends"),
    [
        (rewarded(300), "", (False, False)),
        (rewarded(19), ", open above for few rewards", (False, True)),
        (rewarded(ROWS - 19), ", open below for few rewards below the greatest", (True, False)),
    ],
)
def test_words_say_which_end_is_open_without_a_largest_weight(
    rewards: np.ndarray, words: str, ends: tuple[bool, bool]
) -> None:
    given = found(rewards, None, math.inf)
    assert given.how == f"empirical likelihood, without a largest weight{words}"
    assert (given.figure.low == 0.0, given.figure.high == 1.0) == ends
