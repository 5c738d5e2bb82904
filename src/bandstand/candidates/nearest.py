"""Which of many unit vectors point most nearly the same way as one: of few, all are compared; of many, the likely."""

import numpy as np
import numpy.typing as npt

from bandstand.candidates import Mask, Rows
from bandstand.candidates.growing import grown
from bandstand.candidates.sketches import Floats
from bandstand.chance import bits

# Up to here every vector is compared; with 64 numbers each, 10,000 take 0.1 ms.
EXACT = 20_000
# Signs kept of each vector, and how many vectors whose signs are most alike are compared. Of the ten nearest among
# 100,000 clustered vectors of 64 numbers 99 % are found, as `python -m benchmarks --only vectors` measures.
SIGNS = 256
COMPARED = 3_000
# More vectors at once would take much memory while their signs are made.
_AT_ONCE = 8192


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
        """The COMPARED allowed places with the fewest planes between them and this vector, or all of fewer, rising; of
        equal ones the lower are in."""
        own = self._of(vector[None, :])
        between = np.empty(len(allowed), np.uint8)
        counts = np.zeros(256, np.int64)
        for start in range(0, len(allowed), _AT_ONCE):  # what is made on the way stays in the processor's caches
            part = slice(start, min(start + _AT_ONCE, len(allowed)))
            # 256 would become 0: a vector that points the other way, which is found out when it is compared.
            crossed = np.bitwise_count(self._sides[:, part] ^ own).sum(axis=0, dtype=np.uint8)
            np.maximum(crossed, allowed[part].view(np.uint8) - np.uint8(1), out=between[part])  # 255 where not allowed
            counts += np.bincount(between[part], minlength=256)
        edge = min(int(np.cumsum(counts).searchsorted(COMPARED, "right")), 255)
        nearer = np.flatnonzero(between < edge)
        even = np.flatnonzero(between == edge)[: COMPARED - len(nearer)] if edge < 255 else nearer[:0]
        return np.sort(np.concatenate((nearer, even)))

    def _of(self, vectors: Floats) -> npt.NDArray[np.uint64]:
        """uint64[SIGNS / 64, n]: a bit for each plane."""
        sides = np.packbits(vectors @ self._planes > 0, axis=1)
        return sides.view(np.uint64).T


def planes(length: int) -> Floats:
    """float32[length, SIGNS]: 1 and -1, by chance that depends on `length` alone."""
    words = [bits("planes", length, at) for at in range(length * SIGNS // 64)]
    octets = np.array(words, ">u8").view(np.uint8).reshape(length, SIGNS // 8)
    return np.unpackbits(octets, axis=1).astype(np.float32) * 2 - 1
