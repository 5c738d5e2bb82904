"""How alike items are: inner products of their sketches."""

import numpy as np
import numpy.typing as npt

from bandstand.policy import Scores

Vectors = npt.NDArray[np.float32]


def cosines(vectors: Vectors, index: int) -> Scores:
    """float64[n]: the inner product of each of these (n × d) with that of `index`.

    In sketches (`candidates/sketches.py`) a number is a multiple of 2^-11, so a float32 holds every sum of products
    exactly: the result is the same in whatever order a library adds them.
    """
    found: Scores = (vectors @ vectors[index]).astype(np.float64)
    return found
