"""A keyed uniform sample of what few have been shown."""

import numpy as np
import pytest

from bandstand.candidates import Ask
from bandstand.candidates.newcomers import Newcomers


def proposed(decision: str, new: np.ndarray, *, rows: int = 100, limit: int = 5) -> list[int]:
    nobody = np.zeros(0, np.int64)
    ask = Ask(decision, 0.0, nobody, np.zeros(0), np.arange(rows) % 2 == 0, limit, new=new)
    return Newcomers().propose(ask).rows.tolist()


def test_only_new_rows_that_may_be_shown_are_proposed_and_those_past_the_count_are_new() -> None:
    assert set(proposed("d", np.zeros(90, np.bool_), limit=50)) == {90, 92, 94, 96, 98}
    assert proposed("d", np.zeros(100, np.bool_)) == []


@pytest.mark.parametrize("new", [4, 100], ids=["few", "many"])
def test_each_of_them_is_proposed_as_often(new: int) -> None:
    counts = np.zeros(100)
    for k in range(2000):
        counts[proposed(f"decision {k}", np.arange(100) < new, limit=1)] += 1
    fair = 2000 / (new / 2)
    assert (np.abs(counts[:new:2] - fair) < 5 * fair**0.5).all()
    assert counts.sum() == 2000
