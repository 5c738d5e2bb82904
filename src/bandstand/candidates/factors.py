"""Latent factors: a short vector for each item, and scores as inner products with a taste."""

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import Rows, Scores

# Numbers are rounded to this: nothing is lost, and the last digits, in which processors and numbers of threads differ,
# are gone.
GRAIN = 2.0**-16

Vectors = npt.NDArray[np.float64]


class Factors(msgspec.Struct, frozen=True):
    """`table` (float32[factors, rows]) holds the items' vectors side by side: 4 bytes · factors · rows."""

    table: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.table.shape[1])

    def of(self, rows: Rows) -> Vectors:
        """float64[rows, factors], 0 for rows that came after the fit."""
        vectors = np.zeros((len(rows), len(self.table)))
        known = rows < len(self)
        vectors[known] = self.table[:, rows[known]].T
        return vectors

    def scores(self, taste: Scores) -> Scores:
        """float64[rows]: the inner product of each item with this taste, summed factor by factor, in single precision:
        that rounds alike everywhere, which the faster matrix product does not."""
        total = np.zeros(len(self), np.float32)
        product = np.empty_like(total)
        for values, strength in zip(self.table, taste.astype(np.float32), strict=True):
            np.multiply(values, strength, out=product)
            total += product
        return total.astype(np.float64)


def factors(vectors: Vectors) -> Factors:
    """The table of these vectors, [rows, factors]."""
    return Factors(np.ascontiguousarray((np.round(vectors.T / GRAIN) * GRAIN).astype(np.float32)))
