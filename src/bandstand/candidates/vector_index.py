"""The nearest among more vectors than can all be compared, by an index of hierarchical graphs: `bandstand[ann]`."""

from functools import cached_property
from typing import Any, ClassVar, Self

import msgspec
import numpy as np

from bandstand.candidates import Ask, Evidence, Mask, Proposals, Rows, best
from bandstand.candidates.nearest import EXACT
from bandstand.candidates.sketches import Floats
from bandstand.candidates.vectors import heard, most_alike, profiles

# Of 100,000 vectors of 64 numbers, the signs that `Vectors` compares find more of the ten nearest (.9975) than a graph
# (.985), and as fast; of 30,000 of 384 it is .997 against 1.0, and of the 200 nearest .91 against .99.
LONG = 256
# Neighbours of a node, and how many are looked at while one is added and while some are searched, as measured by
# `python -m benchmarks --only vectors`.
_CONNECTIVITY, _ADDED_AMONG, _SEARCHED_AMONG = 16, 128, 256
# So many times more are asked for than are wanted, and again after too few of them were allowed, at most so often.
_MORE, _TRIES = 2, 4


class VectorIndex(msgspec.Struct, dict=True):
    """What `Vectors` proposes, from a graph by which the nearest are found without a look at all (Malkov and Yashunin
    2018). It is made row after row on one thread, so it is the same whenever it is made from the same vectors; whoever
    was put since then is not in it.

    `graphs` holds by length what usearch wrote, `lengths[row]` the length of the row's vector, or 0.
    """

    name: ClassVar[str] = "vectors"

    graphs: dict[int, bytes]
    lengths: Rows

    @classmethod
    def fit(cls, evidence: Evidence) -> Self | None:
        """None where not so many have vectors of one length, of at least LONG numbers, that `Vectors` finds fewer."""
        most = max((len(rows) for length, (rows, _) in evidence.vectors.items() if length >= LONG), default=0)
        if most <= EXACT:
            return None
        lengths = np.zeros(max(int(rows.max()) for rows, _ in evidence.vectors.values()) + 1, np.int64)
        for length, (rows, _) in evidence.vectors.items():
            lengths[rows] = length
        return cls({length: _graph(rows, vectors) for length, (rows, vectors) in evidence.vectors.items()}, lengths)

    def propose(self, ask: Ask) -> Proposals:
        allowed = np.zeros(max(len(self.lengths), len(ask.allowed)), np.bool_)
        allowed[: len(ask.allowed)] = ask.allowed
        allowed[ask.history] = False
        scores = np.zeros(len(ask.allowed))
        for length, share, direction in profiles(heard(ask, self.lengths), self.lengths, self._of):
            if direction.any() and ask.limit:
                rows, cosines = self._nearest(length, direction, allowed, ask.limit)
                scores[rows] = cosines * share
        rows = best(scores, ask.allowed, ask.limit)
        return Proposals(rows, scores[rows])

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        return most_alike(heard(ask, self.lengths), rows, self.lengths, self._of)

    def _nearest(self, length: int, direction: Floats, allowed: Mask, limit: int) -> tuple[Rows, Floats]:
        """About `limit` allowed rows, the nearest, and their cosines; fewer where few of many are allowed."""
        index = self._indexes[length]
        wanted = limit
        for _ in range(_TRIES):
            wanted = min(_MORE * wanted, len(index))
            found = index.search(direction, wanted, threads=1)
            rows = found.keys.astype(np.int64)
            passed = allowed[rows]
            if np.count_nonzero(passed) >= limit or wanted == len(index):
                break
            wanted *= _MORE
        return rows[passed], 1.0 - found.distances[passed]

    def _of(self, length: int, rows: Rows) -> Floats:
        if not len(rows):
            return np.zeros((0, length), np.float32)
        found: Floats = np.asarray(self._indexes[length].get(rows.astype(np.uint64)), np.float32)
        return found

    @cached_property
    def _indexes(self) -> dict[int, Any]:
        from usearch.index import Index  # an extra that few need

        return {length: Index.restore(body) for length, body in self.graphs.items()}


def _graph(rows: Rows, vectors: Floats) -> bytes:
    from usearch.index import Index

    index = Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="f16",  # which holds each of the steps that a unit vector's numbers are rounded to
        connectivity=_CONNECTIVITY,
        expansion_add=_ADDED_AMONG,
        expansion_search=_SEARCHED_AMONG,
    )
    index.add(rows.astype(np.uint64), vectors, threads=1)
    return bytes(index.save() or b"")
