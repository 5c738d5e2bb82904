"""What the statistics refuse to take: columns with poison in them and impossible significance levels."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import InputError


def column(values: ArrayLike, *, name: str) -> NDArray[np.float64]:
    """One finite number a row, as a one-dimensional float64 array; `InputError` names the first bad row.

    >>> column([1, 2], name="reward").tolist()
    [1.0, 2.0]
    >>> column([1, float("nan")], name="reward")
    Traceback (most recent call last):
    bandstand.errors.InputError: reward of row 1 is nan, must be finite; repair or leave out the row.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} holds what is no number ({error}); give one number a row.", field=name) from error
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}, must be one value a row.", field=name)
    with np.errstate(all="ignore"):
        finite = math.isfinite(array.sum())  # then all are, and no row has to be looked at by itself
    if not finite:
        refuse_where(~np.isfinite(array), array, name=name, rule="must be finite")
    return array


def refuse_where(
    bad: NDArray[np.bool_],
    values: NDArray[np.float64],
    *,
    name: str,
    rule: str,
    remedy: str = "repair or leave out the row",
) -> None:
    """Raise `InputError` about the first row (of a slate: and position) where `bad` holds."""
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    where = " position ".join(str(i) for i in first)
    raise InputError(f"{name} of row {where} is {values[first]:g}, {rule}; {remedy}.", field=name)


def whole_numbers(actions: NDArray[Any], *, rows: int) -> NDArray[np.int64]:
    """The column of what was shown; `InputError` unless it has a whole number for each of so many rows."""
    if actions.shape != (rows,) or not np.issubdtype(actions.dtype, np.integer):
        raise InputError(
            f"actions have shape {actions.shape} and type {actions.dtype}, must be {rows} whole numbers; give the "
            "column of what was shown, one a row.",
            field="actions",
        )
    return np.ascontiguousarray(actions, dtype=np.int64)


def of_actions(table: NDArray[np.float64], actions: NDArray[Any], *, name: str) -> NDArray[np.float64]:
    """The entry of each row of the table (rows × actions) of its action; `InputError` names the first bad row."""
    shown = whole_numbers(actions, rows=len(table))
    bad = np.flatnonzero((shown < 0) | (shown >= table.shape[1]))
    if bad.size:
        raise InputError(
            f"action of row {bad[0]} is {shown[bad[0]]}, must be >= 0 and < {table.shape[1]}, a column of {name}; "
            "repair or leave out the row.",
            field="actions",
        )
    # Twice as fast as by two indices.
    own: NDArray[np.float64] = table.reshape(-1)[np.arange(len(table)) * table.shape[1] + shown]
    return own


def same_length(**columns: NDArray[np.float64]) -> None:
    """Raise `InputError` unless the named columns have one shape."""
    if len({array.shape for array in columns.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in columns.items())
        raise InputError(f"shapes differ: {shapes}; give one value a row in each.", field=next(iter(columns)))


def significance(alpha: float) -> None:
    """Raise `InputError` unless `alpha` is a significance level."""
    if not (math.isfinite(alpha) and 0 < alpha < 1):
        raise InputError(f"alpha is {alpha}, must lie between 0 and 1; 0.05 gives 95 % intervals.", field="alpha")
