"""What is kept of a decision is numbers, whoever it was made for."""

import tracemalloc

import numpy as np

from bandstand.evaluate.past import Earned
from bandstand.evaluate.rows import Rows
from bandstand.events import Decided, Pick, Request

MOST_BYTES = 150  # twelve numbers and an eighth, by which arrays grow


def add(rows: Rows, number: int, user: str | None) -> None:
    fact = Decided(f"d{number}", Request("page", 0.0, user=user), "x", (Pick("i", 0, 0.5, 0.0),), as_of=0)
    earned = Earned(np.ones((1, 1)), np.zeros(1))
    rows.add(
        fact,
        seq=number,
        at=0.0,
        targets=[np.array([0.5])],
        earned=earned,
        unsupported=[0.0],
        candidates=2,
        dropped=0.0,
    )


def test_users_are_numbered_as_they_came_and_nobodys_decisions_stand_alone() -> None:
    rows = Rows(targets=1, metrics=1)
    for number, user in enumerate(["z", None, "a", "z", None, "\ud800", "a"]):
        add(rows, number, user)
    assert rows.filled().units.tolist() == [0, -2, 1, 0, -5, 2, 1]
    assert rows.repeated
    assert rows.people == 5


def test_a_log_of_nobody_has_no_users() -> None:
    rows = Rows(targets=1, metrics=1)
    for number in range(3):
        add(rows, number, None)
    assert not rows.filled().repeated
    assert rows.people == 3


def test_a_decision_by_a_new_user_takes_no_more_than_its_numbers() -> None:
    rows, count = Rows(targets=1, metrics=1), 5000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            add(rows, number, f"somebody with a long name {number}")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / count < MOST_BYTES
