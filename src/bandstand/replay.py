"""Would the code of today have decided the same? Every decision of a log, made again from where its server stood."""

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from math import inf
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from bandstand.candidates.likes import Likes
from bandstand.errors import BandstandError, StoreError
from bandstand.events import AnyFact, Decided, Entry, Pick, UserErased
from bandstand.model import Model
from bandstand.rank import decide
from bandstand.state import mark
from bandstand.store import EventLog, entries

T = TypeVar("T")
Progress = Callable[[int, int | None], None]
"""Told how many decisions are done, and of how many."""

MOST_DIVERGENCES: Final = 100
PROPENSITY_SLACK: Final = 1e-9
SLACK: Final = 1e-6  # what generators say of a candidate is kept in single precision

# The first field that differs is reported, so that those come first which explain the others.
_FIELDS: Final = (
    *("strategy", "assignments", "scored_by", "teaches", "user", "context", "skipped", "fallback", "empty"),
    *("rankings", "interleaved", "picks"),
)
# Not the score: Vowpal Wabbit learns with the processor's approximate square root, so its last digits are not the same
# on every machine. Where a score matters, the propensity shows it.
_PICK_FIELDS: Final = tuple(name for name in Pick.__struct_fields__ if name != "score")
_LONGEST_SHOWN: Final = 200


class Divergence(msgspec.Struct, frozen=True):
    """A decision that would be another one today: the first field that differs, as it was and as it would be."""

    seq: int
    decision: str
    field: str
    old: str
    new: str


class Replayed(msgspec.Struct, frozen=True):
    """How many decisions were made again, how many of them `diverged` and the first of those, and how many were left
    out, by reason."""

    decisions: int
    diverged: int
    divergences: list[Divergence]
    skipped: dict[str, int]


class Revisited(NamedTuple):
    """A decision, and the model as its server had it; the model is valid until the next one is asked for."""

    model: Model
    seq: int
    fact: Decided


class Difference(NamedTuple):
    field: str
    old: str
    new: str


class Stops:
    """Where decisions were made: the log position that the server had read, those of its weights and its fitted
    generators, and their own."""

    def __init__(self) -> None:
        self._places = array("q")  # 32 bytes a decision: a log has many

    def add(self, *, as_of: int, weights_as_of: int, fits_as_of: int = 0, seq: int) -> None:
        """StoreError where the decision would have read what came after it."""
        if not (0 <= weights_as_of <= as_of < seq and 0 <= fits_as_of <= as_of):
            raise StoreError(
                f"entry {seq}: a decision that had read up to {as_of}, with weights of {weights_as_of} and generators "
                f"of {fits_as_of}, cannot stand here, so the log is not whole; restore a backup, or import an export "
                "into a database of its own"
            )
        self._places.extend((as_of, weights_as_of, fits_as_of, seq))

    def __len__(self) -> int:
        return len(self._places) // 4

    def keep(self, last: int) -> None:
        """Only the `last` so many of them."""
        del self._places[: max(len(self._places) - 4 * last, 0)]

    def in_order(self) -> npt.NDArray[np.int64]:
        """One row a decision, in the order in which a fold passes them: by `as_of`, then by `seq`."""
        places = np.array(self._places, np.int64).reshape(-1, 4)
        return places[np.lexsort((places[:, 3], places[:, 0]))]


def replay(log: EventLog, *, progress: Progress | None = None) -> Replayed:
    """Make every decision of the log again, and compare.

    Left out are decisions that another system made, and those of users who were erased and of their sessions: what was
    done there until then is not held under the same name any more.
    """
    stops, erased, marks = Stops(), set[str](), set[str]()
    skipped: Counter[str] = Counter()
    for entry in entries(log):
        match entry.fact:
            case Decided(imported=True):
                skipped["imported"] += 1
            case Decided() as fact:
                stops.add(as_of=fact.as_of, weights_as_of=fact.weights_as_of, fits_as_of=fact.fits_as_of, seq=entry.seq)
            case UserErased() as fact:
                erased.add(fact.user)
                marks.update(fact.was)
            case _:
                pass
    decisions = diverged = 0
    found: list[Divergence] = []
    for visit in revisited(log, stops, progress=progress):
        request = visit.fact.request
        if request.user in erased or (marks and request.session is not None and mark(request.session) in marks):
            skipped["user erased"] += 1
            continue
        decisions += 1
        difference = _difference_today(visit.model, visit.fact)
        if difference is not None:
            diverged += 1
            if len(found) < MOST_DIVERGENCES:
                found.append(Divergence(visit.seq, visit.fact.decision, *difference))
    return Replayed(decisions, diverged, found, dict(skipped))


def revisited(
    log: EventLog, stops: Stops, *, learning: bool = True, progress: Progress | None = None
) -> Iterator[Revisited]:
    """Fold the log once, and stop wherever a server stood when it made one of these decisions.

    The decision lies ahead, as far as its server lagged behind; so much of the log is held, and the weights that some
    later stop needs. Without `learning` there are no weights, and the fold is faster.
    """
    places = stops.in_order()
    model, ahead = Model(learning=learning), _Ahead(log)
    model.state.likes = Likes()
    published, fits = _Kept(places[:, 1], model.publish), _Kept(places[:, 2], model.fit)
    for done, (as_of, weights_as_of, fits_as_of, seq) in enumerate(map(np.ndarray.tolist, places), start=1):
        while (next_ := min(published.next, fits.next)) <= as_of:
            _step_to(model, ahead, next_)
            published.reached(next_)
            fits.reached(next_)
        _step_to(model, ahead, as_of)
        fact = ahead.fact(seq)
        assert isinstance(fact, Decided)
        newest = model.published
        model.published, model.state.fits = published.take(weights_as_of), fits.take(fits_as_of)
        yield Revisited(model, seq, fact)
        model.published = newest  # `publish` takes over from it what has not changed since
        if progress is not None:
            progress(done, len(places))


class _Kept(Generic[T]):
    """What is made at certain log positions, held as long as some later decision needs it."""

    def __init__(self, positions: npt.NDArray[np.int64], make: Callable[[], T]) -> None:
        self._needed = Counter(positions.tolist())
        self._ahead = deque(sorted(self._needed))
        self._make = make
        self._held: dict[int, T] = {}

    @property
    def next(self) -> float:
        """The next position at which something is to be made."""
        return self._ahead[0] if self._ahead else inf

    def reached(self, position: float) -> None:
        if position == self.next:
            self._held[self._ahead.popleft()] = self._make()

    def take(self, position: int) -> T:
        self._needed[position] -= 1
        return self._held[position] if self._needed[position] else self._held.pop(position)


class _Ahead:
    """The log from where the fold stands to the farthest entry that somebody looked at."""

    def __init__(self, log: EventLog) -> None:
        self._unread = entries(log)
        self._held: deque[Entry] = deque()

    def next(self) -> Entry:
        return self._held.popleft() if self._held else next(self._unread)

    def fact(self, seq: int) -> AnyFact:
        """What the entry at `seq` says; it lies ahead."""
        while not self._held or self._held[-1].seq < seq:
            self._held.append(next(self._unread))
        return self._held[seq - self._held[-1].seq - 1].fact


def _step_to(model: Model, ahead: _Ahead, seq: float) -> None:
    while model.state.seq < seq:
        model.step(ahead.next())


def _difference_today(model: Model, was: Decided) -> Difference | None:
    """How today's decision differs from the one that was made, if it does."""
    try:
        now = decide(model, was.request, decision=was.decision)
    except BandstandError as error:
        return Difference("request", "answered", str(error))
    for name in _FIELDS:
        found = _difference(name, getattr(was, name), getattr(now, name))
        if found is not None:
            return found
    return None


def _difference(field: str, old: object, new: object) -> Difference | None:
    """The first difference between two values, and its place within the field."""
    if old == new:
        return None
    parts: Iterable[tuple[str, object, object]]
    match old, new:
        case float() | int(), float() | int():
            slack = PROPENSITY_SLACK if field.endswith("propensity") else SLACK
            return None if abs(old - new) <= slack else Difference(field, _shown(old), _shown(new))
        case tuple(), tuple():
            parts = ((f"{field}[{at}]", *both) for at, both in enumerate(zip_longest(old, new)))
        case dict(), dict():
            parts = ((f"{field}.{name}", old.get(name), new.get(name)) for name in [*old, *(new.keys() - old)])
        case Struct(), Struct():
            parts = ((f"{field}.{name}", getattr(old, name), getattr(new, name)) for name in _compared(old))
        case _:
            return Difference(field, _shown(old), _shown(new))
    differences = (_difference(*part) for part in parts)
    return next((found for found in differences if found is not None), None)


def _compared(struct: Struct) -> tuple[str, ...]:
    return _PICK_FIELDS if isinstance(struct, Pick) else struct.__struct_fields__


def _shown(value: object) -> str:
    """The value as JSON, cut short."""
    text = "nothing" if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
