import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.cross_fitting import cross_fitted, folds
from bandstand.stats.doubly_robust import RobustSums, dr

USERS = np.repeat(np.arange(60), 5)


def test_no_row_is_predicted_by_a_model_that_saw_its_user() -> None:
    seen = []

    def fit(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        assert not set(USERS[train]) & set(USERS[test])
        seen.extend(np.flatnonzero(test))
        return np.zeros(int(test.sum()))

    assert cross_fitted(fit, USERS, count=4).tolist() == [0.0] * 300
    assert sorted(seen) == list(range(300))


def test_folds_do_not_hang_on_the_log() -> None:
    assert folds(USERS[:100]).tolist() == folds(USERS)[:100].tolist()
    assert set(folds(USERS).tolist()) == {0, 1, 2}


def test_predictions_of_all_actions_keep_their_columns() -> None:
    found = cross_fitted(lambda train, test: np.outer(USERS[test], [1, 2]), USERS)
    assert found.tolist() == np.outer(USERS, [1, 2]).tolist()


def test_a_model_that_remembers_is_kept_from_misleading(rng: np.random.Generator) -> None:
    # The model is each user's own mean, whatever is shown, else that of all. Fitted on the rows that it predicts it
    # leaves no errors to weigh, so the target seems to earn what the logger did.
    rate, target = np.array([0.2, 0.8]), np.array([0.1, 0.9])
    users, shown = np.arange(4000), rng.integers(0, 2, size=4000)
    rewards, weights = rng.binomial(1, rate[shown]).astype(float), 2 * target[shown]

    def remember(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        own = np.where(train, rewards, rewards[train].mean())
        return own[test]

    everything = np.ones(4000, dtype=bool)
    for q, value in (
        (remember(everything, everything), rate.mean()),
        (cross_fitted(remember, users), target @ rate),
    ):
        found = dr(RobustSums.of(rewards, weights, predicted=q, direct=q))
        assert found.value == pytest.approx(value, abs=0.03)  # more than 3 standard errors


@pytest.mark.parametrize(
    ("users", "options", "message"),
    [
        (["ann"], {}, "must have some and leave some"),
        ([], {}, "must have some"),
        (USERS, {"count": 1}, "count is 1"),
        ([["a"]], {}, "must be one id a row"),
    ],
)
def test_users_that_cannot_be_split_are_refused(users: list[str], options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cross_fitted(lambda train, test: np.zeros(int(test.sum())), users, **options)


def test_predictions_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="prediction of row 0 is nan"):
        cross_fitted(lambda train, test: np.full(int(test.sum()), np.nan), USERS)
    with pytest.raises(InputError, match=r"predictions have shape \(1,\)"):
        cross_fitted(lambda train, test: [0.0], USERS)
