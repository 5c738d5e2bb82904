"""Candidate generators: what each one is asked, what it answers, and what the log tells it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bandstand.events import ItemPut
from bandstand.native import native

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_Number = TypeVar("_Number", np.float32, np.float64)

NOBODY = -1  # no single item of the history brought this candidate


_NO_ROWS: Rows = np.zeros(0, np.int64)
_NO_NUMBERS: Scores = np.zeros(0)
_NO_MASK: Mask = np.zeros(0, np.bool_)


class Ask(NamedTuple):
    """One request, as a generator sees it.

    `history` holds the catalogue rows that this user or session touched, newest first, each once, and `weights` how
    much each still counts (at most 1: less for older ones, and for weaker signals); for a page about one item, that
    item leads the history. `allowed` masks the rows that may be proposed; `decision` keys chance. `recent` are the rows
    touched in this session, where it has one, else by this user, newest first, and `ages_s` the seconds since each.
    `segments` says among whom the user is, as `country=NL`. `new` masks the rows that few have been shown yet; of those
    past its end nobody has been shown any.
    """

    decision: str
    now: float
    history: Rows
    weights: Scores
    allowed: Mask
    limit: int
    recent: Rows = _NO_ROWS
    ages_s: Scores = _NO_NUMBERS
    segments: tuple[str, ...] = ()
    new: Mask = _NO_MASK


class Proposals(NamedTuple):
    """Rows, best first, without repeats, and their scores, falling, finite and above or at 0."""

    rows: Rows
    scores: Scores


class Touch(NamedTuple):
    """Somebody liked something: a reward or an interaction above 0 on `row`. `before` holds the rows that the
    same user or session had touched until then, newest first; `worth`, above 0, says how much a signal of its name
    tells, and `segments` among whom the user was, each as `features.hidden`."""

    row: int
    at: float
    before: Sequence[int]
    worth: float = 1.0
    segments: tuple[str, ...] = ()


class Generator(Protocol):
    """Proposes items.

    Everything it knows comes from `put`, `removed` and `touched`, called in log order; `propose` and `brought`
    change nothing and are functions of that and of the question. Its state is a msgspec.Struct of plain data and
    NumPy arrays, so that it can be written down and read back; what follows from these alone may be kept beside them.
    """

    name: ClassVar[str]

    def put(self, row: int, item: ItemPut, at: float) -> None:
        """The item in this row is new or has changed, at this time of the log."""
        ...

    def removed(self, row: int) -> None: ...

    def touched(self, touch: Touch) -> None: ...

    def propose(self, ask: Ask) -> Proposals:
        """At most `ask.limit` allowed rows; fewer, or none, where it has nothing to say."""
        ...

    def brought(self, ask: Ask, rows: Rows) -> Rows:
        """For each of these rows, which it proposed when asked this, the row of the history that brought it, or
        NOBODY: asked for the few that are shown, to say why."""
        ...


class Evidence(NamedTuple):
    """What fitted generators are made from, as of one log position.

    `likes` (float32[people, rows]) says how much each person likes what is in each row; `sketches` (float32[rows, d])
    holds a unit vector for each item, 0 where it has none; `vectors` by length the rows whose items came with a vector,
    rising, and these vectors (float32[n, length]).
    """

    likes: csr_array[np.float32]
    sketches: npt.NDArray[np.float32]
    vectors: Mapping[int, tuple[Rows, npt.NDArray[np.float32]]] = MappingProxyType({})


class Fitted(Protocol):
    """A generator that is made anew at log positions which decisions record, and learns nothing in between.

    It answers from the history that the user has when asking, so that the first click counts.
    """

    name: ClassVar[str]

    @classmethod
    def fit(cls, evidence: Evidence) -> Self | None:
        """The same for the same evidence, to the last bit; None where there is nothing to go by."""
        ...

    def propose(self, ask: Ask) -> Proposals: ...

    def brought(self, ask: Ask, rows: Rows) -> Rows: ...


def highest(scores: npt.NDArray[_Number], limit: int) -> Rows:
    """The places of the highest of these numbers, rising; of equal ones the lower are in."""
    if not 0 < limit < len(scores):
        return np.arange(min(limit, len(scores)))
    edge = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    above = np.flatnonzero(scores > edge)
    even = np.flatnonzero(scores == edge)[: limit - len(above)]
    return np.sort(np.concatenate((above, even)))


def best(scores: Scores, allowed: Mask, limit: int) -> Rows:
    """The allowed rows with the highest scores above 0, best first; ties go to the lower row."""
    if native is not None:
        rows = np.empty(min(limit, len(scores)), np.int64)
        return rows[: native.best(scores, allowed, rows)]
    rows = np.flatnonzero((scores > 0) & allowed)  # few, often: a partition of many zeros takes very long
    found = scores[rows]
    if 0 < limit < len(rows):
        above = found >= np.partition(found, len(found) - limit)[len(found) - limit]
        rows, found = rows[above], found[above]
    return rows[np.argsort(-found, kind="stable")[:limit]]
