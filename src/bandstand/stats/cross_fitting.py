"""Reward models that never predict what they were fitted on, so that an estimate cannot believe their memory."""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError
from bandstand.stats.checks import refuse_where

# Takes which rows to fit on and which to predict (both bool, one a row), and returns a prediction for each of the
# latter: one value, or one value an action.
Fit = Callable[[NDArray[np.bool_], NDArray[np.bool_]], ArrayLike]


def folds(users: ArrayLike, *, count: int = 3) -> NDArray[np.int64]:
    """The fold of each row, by its user's id alone: all rows of a user share one, in this log as in the next.

    >>> folds(["ann", "bob", "ann", "cid"]).tolist()
    [2, 2, 2, 1]
    """
    if count < 2:
        raise InputError(f"count is {count}, must be >= 2; 3 to 5 serve.", field="count")
    ids, user = np.unique(np.asarray(users), return_inverse=True)
    if user.ndim != 1:
        raise InputError(f"users have shape {np.shape(users)}, must be one id a row.", field="users")
    hashes = (hashlib.blake2b(repr(each).encode(), digest_size=8).digest() for each in ids.tolist())
    fold = np.array([int.from_bytes(each, "little") % count for each in hashes], dtype=np.int64)
    return fold[user]


def cross_fitted(fit: Fit, users: ArrayLike, *, count: int = 3) -> NDArray[np.float64]:
    """Predictions of each row by a model that was fitted on the rows of other users.

    `dr` with these has no bias of its own from overfitting. With few users a fold may be empty, which is refused;
    a split by time besides shows how the model ages.

    References
    ----------
    .. [1] Chernozhukov, Chetverikov, Demirer, Duflo, Hansen, Newey, Robins (2018), "Double/debiased machine
       learning", Econometrics Journal 21(1), section 3: cross-fitting.

    Examples
    --------
    >>> rewards, users = np.array([1.0, 0.0, 1.0, 0.0]), ["ann", "bob", "ann", "cid"]
    >>> cross_fitted(lambda train, test: np.full(test.sum(), rewards[train].mean()), users, count=2).tolist()
    [0.0, 0.6666666666666666, 0.0, 0.0]
    """
    fold = folds(users, count=count)
    result: NDArray[np.float64] | None = None
    for number in range(count):
        test = fold == number
        if not test.any() or test.all():
            raise InputError(
                f"fold {number} has {int(test.sum())} of {fold.size} row(s), must have some and leave some; "
                "give more users, or fewer folds.",
                field="users",
                code="too_few",
            )
        predicted = np.asarray(fit(~test, test), dtype=np.float64)
        if predicted.shape[:1] != (int(test.sum()),):
            raise InputError(
                f"predictions have shape {predicted.shape}, must be one for each of {int(test.sum())} rows.",
                field="predictions",
            )
        if result is None:
            result = np.empty((fold.size, *predicted.shape[1:]))
        result[test] = predicted
    if result is None:
        raise InputError("the log has no rows; give some.", code="too_few")
    refuse_where(~np.isfinite(result), result, name="prediction", rule="must be finite", remedy="look at the model")
    return result
