from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.embeddings import embedding_weights, likelihood
from bandstand.stats.weights import importance_weights


class World(NamedTuple):
    """Six actions with an embedding of two dimensions; every (action, embedding) and its chance under the logger."""

    target: np.ndarray
    logging: np.ndarray
    tables: list[np.ndarray]
    action: np.ndarray
    seen: np.ndarray
    chance: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        rows = len(self.seen)
        policies = (np.tile(each, (rows, 1)) for each in (self.target, self.logging))
        return embedding_weights(*policies, likelihood(self.tables, self.seen))

    def truth(self, reward: np.ndarray) -> float:
        """What the target earns, by summing over its own actions and embeddings."""
        return float(self.chance / self.logging[self.action] * self.target[self.action] @ reward)


def world(rng: np.random.Generator) -> World:
    target, logging = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    tables = [rng.dirichlet(np.full(c, 0.5), size=6) for c in (3, 2)]
    rows = np.array(list(product(range(6), range(3), range(2))))
    action, seen = rows[:, 0], rows[:, 1:]
    chance = logging[action] * tables[0][action, seen[:, 0]] * tables[1][action, seen[:, 1]]
    return World(target, logging, tables, action, seen, chance)


def test_weights_are_unbiased_where_the_embedding_tells_all_about_the_reward(rng: np.random.Generator) -> None:
    for _ in range(20):
        w = world(rng)
        reward = rng.uniform(size=(3, 2))[w.seen[:, 0], w.seen[:, 1]]
        assert float(w.chance @ (w.weights * reward)) == pytest.approx(w.truth(reward), abs=1e-10)
        assert float(w.chance @ w.weights) == pytest.approx(1.0, abs=1e-10)


def test_weights_are_biased_where_the_action_matters_beyond_its_embedding(rng: np.random.Generator) -> None:
    w = world(rng)
    reward = rng.uniform(size=6)[w.action]
    assert abs(float(w.chance @ (w.weights * reward)) - w.truth(reward)) > 1e-3


def test_a_product_of_each_dimensions_weights_is_biased(rng: np.random.Generator) -> None:
    w = world(rng)
    reward = rng.uniform(size=(3, 2))[w.seen[:, 0], w.seen[:, 1]]
    one_by_one = [w._replace(tables=[table], seen=w.seen[:, [d]]).weights for d, table in enumerate(w.tables)]
    assert abs(float(w.chance @ (one_by_one[0] * one_by_one[1] * reward)) - w.truth(reward)) > 1e-3


def test_weights_vary_less_than_those_of_actions(rng: np.random.Generator) -> None:
    # Var(w(x,a)) - Var(w(x,e)) = E[Var(w(x,a) | e)] >= 0, by the law of total variance.
    w = world(rng)
    of_actions = importance_weights(w.target, w.logging)[w.action]
    assert float(w.chance @ w.weights**2) < float(w.chance @ of_actions**2)


def test_an_embedding_that_names_the_action_gives_its_own_weight(rng: np.random.Generator) -> None:
    target, logging = rng.dirichlet(np.ones(4), size=3), rng.dirichlet(np.ones(4), size=3)
    shown = np.array([2, 0, 3])
    found = embedding_weights(target, logging, likelihood([np.eye(4)], shown[:, None]))
    rows = np.arange(3)
    assert found == pytest.approx(importance_weights(target[rows, shown], logging[rows, shown]))


def test_an_embedding_the_logger_cannot_show_is_refused() -> None:
    with pytest.raises(InputError, match="logging propensity of the embedding of row 0 is 0, must be > 0"):
        embedding_weights([[0.5, 0.5]], [[1.0, 0.0]], [[0.0, 1.0]])


def test_an_unknown_category_is_refused_by_row() -> None:
    with pytest.raises(InputError, match="category 0 of row 1 is 2, must be < 2"):
        likelihood([[[1, 0], [0, 1]]], [[0], [2]])


def test_a_category_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(InputError, match="must be rows × 1 whole numbers"):
        likelihood([[[1, 0], [0, 1]]], [[0.5]])
