"""A policy from Python by the same Protocol."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question
from bandstand.formats.frame import import_frame
from bandstand.policy import ScoredBy, Scores, Slot
from bandstand.store.memory import MemoryLog
from bandstand.strategy import Strategy

NOON = 1_795_000_000.0


class Mine:
    """The first item that is left with probability 0.9, or whatever it is told to answer."""

    scored_by: ScoredBy = "nothing"

    def __init__(self, shares: Callable[[int], object] = lambda n: [0.9, *[0.1 / (n - 1)] * (n - 1)]) -> None:
        self._shares = shares

    def probabilities(self, scores: Scores, slot: Slot) -> Any:
        return self._shares(len(scores))


class Nameless:
    scored_by = "stars"


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    """Uniform among two items, of which the first is rewarded."""
    shown = [{"item": "ab"[at % 2], "reward": 1 - at % 2} for at in range(400)]
    columns = {name: [one[name] for one in shown] for name in ("item", "reward")}
    log = MemoryLog()
    import_frame(log, columns | {"propensity": [0.5] * 400, "candidates": ["a|b"] * 400}, now=NOON)
    return log


def asked(log: MemoryLog, policy: object) -> Any:
    return evaluate(log, Question((Strategy(generators={}, policy=policy),))).answers[0]


def test_policy_from_python_is_evaluated(log: MemoryLog) -> None:
    assert asked(log, Mine()).estimate.value == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Mine(lambda n: [1.0]), r"policy 'Mine': its probabilities have shape \(1,\), must be \(2,\)"),
        (Mine(lambda n: np.full(n, 1.0)), "begin at 1 and sum to 2, must be at least 0 and sum to 1"),
        (Mine(lambda n: [np.nan] * n), "begin at nan and sum to nan, must be at least 0"),
        (Mine(lambda n: [2.0, -1.0]), "begin at -1 and sum to 1, must be at least 0"),
        (Mine(lambda n: None), r"its probabilities have shape \(\), must be"),
        (Mine(lambda n: ["much"] * n), "its probabilities cannot be had"),
        (Nameless(), "policy 'Nameless': scored_by is 'stars', must be one of: weights, popularity, nothing"),
        (object(), "policy 'object': scored_by is None, must be one of"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(log: MemoryLog, policy: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        asked(log, policy)


def test_fields_that_other_systems_name_can_divide_a_log() -> None:
    log = MemoryLog()
    columns = {
        "item": ["a", "b"] * 200,
        "propensity": [0.5] * 400,
        "candidates": ["a|b"] * 400,
        "reward": [1, 0] * 200,
        "User|age": ["young"] * 200 + ["old"] * 200,
        "user-item": [1, 2] * 200,
    }
    import_frame(log, columns, now=NOON)
    found = evaluate(log, Question(("random",), by=("User|age", "user-item")))
    assert {one.segment for one in found.answers if one.segment is not None} == {
        "User|age: young",
        "User|age: old",
        "user-item: 1",
        "user-item: 2",
    }
