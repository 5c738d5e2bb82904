"""One list of candidates out of the proposals of several generators, with what each of them said."""

from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple, TypeVar, assert_never

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.candidates import NOBODY, Proposals, Rows
from bandstand.events import Source
from bandstand.native import native

# Of the blend's places, the part promised to the first proposals of each generator.
SHARE = 0.1
NOT_PROPOSED = -1

_Number = TypeVar("_Number", bound=np.generic)


class Fusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="fusion"):
    """Ranks count: fused(item) = Σ weight_s / (k + rank_s(item)), ranks from 1 (Cormack, Clarke and Büttcher 2009, who
    "fixed k = 60 during a pilot investigation")."""

    k: Annotated[float, msgspec.Meta(ge=0.0)] = 60.0


class Weighted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="weighted"):
    """Scores count: fused(item) = Σ weight_s · score_s(item), each generator's scores scaled to 1 for its best."""


class Cascade(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="cascade"):
    """The generators in the order named: the next one fills what those before it left empty."""


AnyBlend = Fusion | Weighted | Cascade
_FUSION = Fusion()


class Candidates(NamedTuple):
    """n candidates, best first, and what each of S generators said of them.

    `scores` (float32[n, S]) are 1 for a generator's best and 0 where it was silent, `ranks` (int32[n, S])
    count from 0 or are NOT_PROPOSED.
    """

    rows: Rows
    scores: npt.NDArray[np.float32]
    ranks: npt.NDArray[np.int32]
    names: tuple[str, ...]


def blend(
    proposals: Sequence[tuple[str, Proposals]],
    *,
    limit: int,
    weights: Sequence[float] | None = None,
    how: AnyBlend = _FUSION,
) -> Candidates:
    """At most `limit` of everything that one or more generators proposed, the highest fused score first.

    But in a cascade, the first `limit · SHARE` of each generator are in, whatever their fused score, so that none is
    crowded out: at least one each, if there is room for all. Equal scores go by row.
    """
    spoken, names = [said for _, said in proposals], tuple(name for name, _ in proposals)
    lengths = [len(said.rows) for said in spoken]
    if native is not None and isinstance(how, Fusion):
        return _fused(spoken, names, lengths, limit, weights, how.k)
    by = np.repeat(np.arange(len(spoken)), lengths)
    rank = _joined([np.arange(length) for length in lengths])
    rows, place = _different(_joined([said.rows for said in spoken]))

    strength = np.ones(len(spoken)) if weights is None else np.asarray(weights, np.float64)
    scaled = _joined([_scaled(said) for said in spoken])
    promised = np.zeros(len(rows), np.bool_)
    share = _share(limit, len(spoken))
    match how:
        case Fusion(k):
            fused = np.bincount(place, strength[by] / (k + 1 + rank), minlength=len(rows))
            promised[place[rank < share]] = True
        case Weighted():
            fused = np.bincount(place, strength[by] * scaled, minlength=len(rows))
            promised[place[rank < share]] = True
        case Cascade():
            fused = np.full(len(rows), -np.inf)
            np.maximum.at(fused, place, -np.arange(len(place), dtype=np.float64))
        case _:
            assert_never(how)
    order = np.argsort(-fused, kind="stable")  # `rows` rise, so ties go to the lower row
    others = ~promised[order]
    chosen = order[~others | (np.cumsum(others) <= limit - np.count_nonzero(promised))]

    shape = (len(rows), len(spoken))
    scores, ranks = np.zeros(shape, np.float32), np.full(shape, NOT_PROPOSED, np.int32)
    scores[place, by] = scaled
    ranks[place, by] = rank
    return Candidates(rows[chosen], scores[chosen], ranks[chosen], names)


def joined(candidates: Candidates, name: str, rows: Rows) -> Candidates:
    """The same, and these rows as proposed under `name`, in this order: those that are new stand at the end."""
    fresh = rows[~np.isin(rows, candidates.rows)]
    length, spoken = candidates.ranks.shape
    n = length + len(fresh)
    all_rows = np.concatenate((candidates.rows, fresh))
    scores, ranks = np.zeros((n, spoken + 1), np.float32), np.full((n, spoken + 1), NOT_PROPOSED, np.int32)
    scores[:length, :spoken], ranks[:length, :spoken] = candidates.scores, candidates.ranks
    order = np.argsort(all_rows)
    places = order[all_rows[order].searchsorted(rows)]
    scores[places, spoken], ranks[places, spoken] = 1.0, np.arange(len(rows))
    return Candidates(all_rows, scores, ranks, (*candidates.names, name))


def sources(candidates: Candidates, i: int, brought: Sequence[int], ids: Sequence[str]) -> tuple[Source, ...]:
    """Who proposed candidate `i`: the highest rank first, and of equal ones the generator named first.

    `brought` says for each generator which row of the history brought it there, or NOBODY.
    """
    said = zip(candidates.names, candidates.scores[i].tolist(), candidates.ranks[i].tolist(), brought, strict=True)
    spoken = [
        Source(name, score, rank, None if because == NOBODY else ids[because])
        for name, score, rank, because in said
        if rank != NOT_PROPOSED
    ]
    return tuple(sorted(spoken, key=lambda source: source.rank))


def source_names(names: Iterable[str]) -> list[str]:
    """The columns of `source_matrix`, as `features.source_features` calls them."""
    return [column for name in names for column in (name, f"{name} rank", f"{name} score")]


def source_matrix(candidates: Candidates) -> npt.NDArray[np.float32]:
    """float32[n, 3 · S]: `features.source_features` of each candidate, 0 where a generator was silent."""
    n, generators = candidates.ranks.shape
    proposed = candidates.ranks != NOT_PROPOSED
    matrix = np.zeros((n, generators, 3), np.float32)
    matrix[:, :, 0] = proposed
    np.divide(1.0, 1 + candidates.ranks, out=matrix[:, :, 1], where=proposed, casting="same_kind")
    matrix[:, :, 2] = candidates.scores
    return matrix.reshape(n, 3 * generators)


def _share(limit: int, generators: int) -> int:
    """How many of its first proposals each generator was promised."""
    return min(max(int(limit * SHARE), 1), limit // generators)


def _fused(
    spoken: Sequence[Proposals],
    names: tuple[str, ...],
    lengths: list[int],
    limit: int,
    weights: Sequence[float] | None,
    k: float,
) -> Candidates:
    """`blend` by fusion, in one call."""
    assert native is not None
    n, shape = min(limit, sum(lengths)), (min(limit, sum(lengths)), len(spoken))
    rows, scores, ranks = np.empty(n, np.int64), np.zeros(shape, np.float32), np.full(shape, NOT_PROPOSED, np.int32)
    found = native.fused(
        _joined([said.rows for said in spoken]),
        np.array(lengths, np.int64),
        _joined([_scaled(said) for said in spoken]),
        np.ones(len(spoken)) if weights is None else np.array(weights, np.float64),
        k,
        _share(limit, len(spoken)),
        limit,
        rows,
        scores,
        ranks,
    )
    return Candidates(rows[:found], scores[:found], ranks[:found], names)


def _scaled(said: Proposals) -> npt.NDArray[np.float64]:
    return said.scores / said.scores[0] if len(said.scores) and said.scores[0] > 0 else said.scores


def _different(rows: Rows) -> tuple[Rows, Rows]:
    """The different ones, rising, and the place of each one among them: np.unique in a tenth of its time."""
    there = np.zeros(int(rows.max(initial=-1)) + 1, np.bool_)
    there[rows] = True
    different = np.flatnonzero(there)
    places = np.empty(len(there), np.int64)
    places[different] = np.arange(len(different))
    return different, places[rows]


def _joined(parts: list[npt.NDArray[_Number]]) -> npt.NDArray[_Number]:
    return np.concatenate(parts)
