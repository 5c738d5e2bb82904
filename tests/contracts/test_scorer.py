"""Served scores are Vowpal Wabbit's own: what the NumPy scorer promises, checked against the learner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.chance import uniform
from bandstand.features import NAMESPACES, hashed, position_features, text
from bandstand.policy.learner import Learner
from bandstand.policy.learning import Learning
from bandstand.policy.linear import Offered, Shared, untaught
from bandstand.policy.vw import Vowpal

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
features = st.dictionaries(names, st.floats(-50, 50, width=32), min_size=1, max_size=6)
awkward = {"a|z b:9": 1.0, "new\nline": 2.0, "emoji 🎷": -3.0, "": 0.5}


def taught(learning: Learning, rounds: int = 300) -> tuple[Learner, list[tuple[dict[str, float], ...]]]:
    learner, seen = Learner(learning), []
    for k in range(rounds):
        u, c, i, s = (
            {f"{ns}{int(30 * uniform(ns, k, j))}": uniform(ns, k, j, "value") for j in range(4)} for ns in "ucis"
        )
        learn(learner, lines(u, c, i, s, position=k % 5), uniform("reward", k))
        seen.append((u, c, i, s))
    return learner, seen


def learn(learner: Learner, features: tuple[str, str], reward: float) -> None:
    shared, pick = features
    learner.learn(shared, [pick], [reward])


def lines(
    u: dict[str, float], c: dict[str, float], i: dict[str, float], s: dict[str, float], *, position: int | None
) -> tuple[str, str]:
    pick = f"{text('i', i)} {text('s', s)}"
    if position is not None:
        pick += f" {text('p', position_features(position))}"
    return f"{text('u', u)} {text('c', c)}", pick


def served(
    learner: Learner, u: dict[str, float], c: dict[str, float], i: dict[str, float], s: dict[str, float]
) -> float:
    (places, values), (source_places, sources) = hashed("i", i), hashed("s", s)
    rows, which = np.zeros(1, np.int64), np.arange(len(places), dtype=np.int32)[None]
    offered = Offered(rows, which, values[None], places, source_places, sources[None])
    return float(learner.weights().scores(Shared(hashed("u", u), hashed("c", c)), offered)[0])


@pytest.mark.parametrize("learning", [Learning(), Learning(bits=12), Learning(bits=22, rate=0.1, power_t=0.0)])
def test_served_scores_equal_the_learners_predictions(learning: Learning) -> None:
    learner, seen = taught(learning)
    vowpal = Vowpal(learning, learner.dump())
    for u, c, i, s in seen[:100]:
        assert served(learner, u, c, i, s) == pytest.approx(vowpal.predict(*lines(u, c, i, s, position=None)), abs=1e-5)


@given(features, features, features, features)
@settings(max_examples=50, deadline=None)
def test_any_feature_names_and_values_score_alike(
    u: dict[str, float], c: dict[str, float], i: dict[str, float], s: dict[str, float]
) -> None:
    learner = Learner(Learning(bits=14))
    learn(learner, lines(u, c, i, s, position=0), 1.0)
    predicted = Vowpal(learner.learning, learner.dump()).predict(*lines(u, c, i, s, position=None))
    assert served(learner, u, c, i, s) == pytest.approx(predicted, rel=1e-4, abs=1e-4)


def test_names_that_vowpal_wabbit_could_misread_are_plain_features() -> None:
    learner = Learner(Learning())
    learn(learner, lines(awkward, awkward, awkward, awkward, position=None), 1.0)
    # 4 + 4 + 4 + 4 features, 16 + 16 interactions and the intercept: no namespace, action or feature more.
    assert np.count_nonzero(learner.weights().table) == 49


def test_namespace_hashes_are_those_of_vowpal_wabbit() -> None:
    assert {name: Vowpal(Learning()).hash_space(name) for name in NAMESPACES} == NAMESPACES


def test_resumed_learner_goes_on_exactly() -> None:
    learner, seen = taught(Learning(bits=14))
    resumed = Learner(learner.learning, learner.dump(), learned=learner.learned)
    for u, c, i, s in seen:
        for one in (learner, resumed):
            learn(one, lines(u, c, i, s, position=1), 0.5)
    np.testing.assert_array_equal(learner.weights().table, resumed.weights().table)


def test_untaught_weights_score_every_candidate_alike() -> None:
    places, values = hashed("i", {"a": 1.0, "b": 2.0})
    which = np.array([[0, 1], [1, 0]], np.int32)
    offered = Offered(np.arange(2), which, np.stack([values, values]), places, places[:0], np.zeros((2, 0), np.float32))
    assert untaught(12).scores(Shared(hashed("u", {}), hashed("c", {})), offered).tolist() == [0.0, 0.0]
