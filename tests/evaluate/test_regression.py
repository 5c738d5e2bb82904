"""A reward model knows nothing of the users it speaks of."""

from collections.abc import Callable

import numpy as np
import pytest

from bandstand.evaluate.past import Earned
from bandstand.evaluate.regression import FOLDS, RIDGE, WIDTH, Predicted, Sketches, cascade, first_position, folds
from bandstand.evaluate.rows import Rows
from bandstand.events import Decided, Pick, Request

NOON = 1_795_000_000.0
USERS, VISITS, LENGTH = 100, 2, 3


class Given(Sketches):
    """Features from anywhere."""

    def __init__(self, picks: np.ndarray, means: np.ndarray) -> None:
        self._given, self._expected = picks, means

    def picks(self) -> np.ndarray:
        return self._given

    def means(self, target: int) -> np.ndarray:
        return self._expected


def slates(lengths: np.ndarray) -> Rows:
    """Each user's, in turn."""
    rows = Rows(targets=0, metrics=0)
    nothing = Earned(np.zeros((0, LENGTH)), np.zeros(0))
    for seq, length in enumerate(lengths.tolist()):
        picks = tuple(Pick(f"i{slot}", slot, 0.5, 0.0) for slot in range(length))
        fact = Decided(f"d{seq}", Request("page", NOON, user=f"u{seq % USERS}"), "x", picks, as_of=0)
        rows.add(fact, seq=seq, at=0.0, targets=[], earned=nothing, unsupported=[], candidates=2, dropped=0.0)
    return rows.filled()


def of_first(rows: Rows, sketches: Sketches, rewards: np.ndarray) -> Predicted:
    return first_position(rows, sketches, 0, rewards[:, 0])


def of_all(rows: Rows, sketches: Sketches, rewards: np.ndarray) -> Predicted:
    return cascade(rows, sketches, 0, rewards)


@pytest.mark.parametrize("model", [of_first, of_all])
def test_rewards_of_a_user_leave_every_prediction_in_their_fold_as_it_was(
    model: Callable[[Rows, Sketches, np.ndarray], Predicted],
) -> None:
    chance = np.random.default_rng(7)
    rows = slates(chance.integers(1, LENGTH, size=USERS * VISITS, endpoint=True))
    features = chance.normal(size=(2, len(rows.row_of_pick), WIDTH))
    sketches, rewards = Given(*features), chance.random((len(rows), LENGTH))
    fold = folds(rows)
    before = model(rows, sketches, rewards)
    for number in range(FOLDS):
        user = int(rows.units[np.flatnonzero(fold == number)[0]])
        changed = np.where((rows.units == user)[:, None], rewards + 100.0, rewards)
        after = model(rows, sketches, changed)
        for was, now in ((before.shown, after.shown), (before.expected, after.expected)):
            assert np.array_equal(was[fold == number], now[fold == number])
            assert not np.allclose(was[fold != number], now[fold != number])


def test_what_comes_below_a_pick_is_part_of_what_is_expected_from_it_on() -> None:
    """A constant as the only feature: its coefficient is the sum over the rows, divided by their number and the
    ridge, from the last position up."""
    rows = slates(np.full(USERS * VISITS, LENGTH))
    constant = np.zeros((len(rows.row_of_pick), WIDTH))
    constant[:, 0] = 1.0
    rewards = np.broadcast_to([3.0, 2.0, 1.0], (len(rows), LENGTH))
    others = USERS * VISITS * (1 - 1 / FOLDS)
    shrunk = others / (others + RIDGE)
    third = 1.0 * shrunk
    second = (2.0 + third) * shrunk
    first = (3.0 + second) * shrunk
    found = of_all(rows, Given(constant, constant), rewards)
    for predicted in (found.shown, found.expected):
        np.testing.assert_allclose(predicted, np.broadcast_to([first, second, third], predicted.shape), rtol=1e-12)
