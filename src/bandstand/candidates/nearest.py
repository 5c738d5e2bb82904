"""Which of many unit vectors point most nearly the same way as one: of few, all are compared; of many, the likely."""

import numpy as np
import numpy.typing as npt

from bandstand.candidates import Mask, Rows
from bandstand.candidates.growing import grown
from bandstand.candidates.sketches import Floats
from bandstand.chance import bits

# Up to here every vector is compared: 0.2 ms with 64 numbers each.
EXACT = 20_000
# Signs kept of each vector, and how many vectors whose signs are most alike are compared. Of the ten nearest among
# 100,000 clustered vectors of 64 numbers 99 % to 99.9 % are found, as `python -m benchmarks vectors` measures.
SIGNS = 256
COMPARED = 3_000
# More vectors at once would take much memory while their signs are made.
_AT_ONCE = 4096


class Signs:
    """On which side of SIGNS random planes each of some vectors lies; the share of planes between two of them is their
    angle / π (Charikar 2002, section 3).

    It follows from the vectors alone, so it is made from them when it is needed, and then told of each that changes.
    """

    def __init__(self, vectors: Floats) -> None:
        self._planes = planes(vectors.shape[1])
        self._sides = np.zeros((SIGNS // 64, len(vectors)), np.uint64)
        for start in range(0, len(vectors), _AT_ONCE):
            self._sides[:, start : start + _AT_ONCE] = self._of(vectors[start : start + _AT_ONCE])

    def put(self, place: int, vector: Floats) -> None:
        """The vector in this place is another now."""
        if place >= self._sides.shape[1]:
            self._sides = np.ascontiguousarray(grown(self._sides.T, place + 1).T)
        self._sides[:, place] = self._of(vector[None, :])[:, 0]

    def alike(self, vector: Floats, allowed: Mask) -> Rows:
        """The allowed places with the fewest planes between them and this vector, about COMPARED, rising."""
        own = self._of(vector[None, :])[:, 0]
        between = np.bitwise_count(self._sides[0, : len(allowed)] ^ own[0])
        for sides, side in zip(self._sides[1:], own[1:], strict=True):
            # 256 would become 0: a vector that points the other way, which is found out when it is compared.
            between += np.bitwise_count(sides[: len(allowed)] ^ side)
        np.maximum(between, allowed.view(np.uint8) - np.uint8(1), out=between)  # 255 where it is not allowed
        most = int(np.cumsum(np.bincount(between, minlength=256)).searchsorted(COMPARED, "right"))
        return np.flatnonzero(between < most)

    def _of(self, vectors: Floats) -> npt.NDArray[np.uint64]:
        """uint64[SIGNS / 64, n]: a bit for each plane."""
        sides = np.packbits(vectors @ self._planes > 0, axis=1)
        return sides.view(np.uint64).T


def planes(length: int) -> Floats:
    """float32[length, SIGNS]: 1 and -1, by chance that depends on `length` alone."""
    words = [bits("planes", length, at) for at in range(length * SIGNS // 64)]
    octets = np.array(words, ">u8").view(np.uint8).reshape(length, SIGNS // 8)
    return np.unpackbits(octets, axis=1).astype(np.float32) * 2 - 1
