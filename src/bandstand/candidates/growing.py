"""Arrays that gain rows as the catalogue does."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Number = TypeVar("_Number", bound=np.generic)


def grown(array: npt.NDArray[_Number], rows: int) -> npt.NDArray[_Number]:
    """The array with room for at least `rows` rows: itself, or a copy twice as long, filled up with zeros."""
    have = len(array)
    if rows <= have:
        return array
    # Not padded: what is never written takes no memory.
    larger = np.zeros((max(rows, 2 * have, 64), *array.shape[1:]), array.dtype)
    larger[:have] = array
    return larger
