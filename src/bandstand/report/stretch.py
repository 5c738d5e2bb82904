"""A stretch of the log as columns of numbers: what its facts say about one experiment, of each only the fields below.

Ids are 64 bits of a hash, so that stretches fit together whoever read them, and when.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.experiments.crossing import JOINED_BY, NOBODY
from bandstand.report.asked import Asked
from bandstand.state import mark
from bandstand.store import Written

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_T = TypeVar("_T")

WHOLE: Final = -1
"""In the place of a position: the whole slate."""

KINDS: Final = ("decided", "exposed", "rewarded", "interacted")

_KNOWN = 1 << 18
"""Names whose marks are remembered while the log is read: most come again soon."""


class Decisions(NamedTuple):
    """One row a decision under the experiment. `person` is what joins units, such as the session in which somebody
    signed in, NOBODY where that is unknown; `differs` whether the variants' slates did; `labels` has a code for each
    segment."""

    id: Ints
    unit: Ints
    person: Ints
    variant: Ints
    phase: Ints
    at: Floats
    first: Ints
    picks: Ints
    shown: Mask
    differs: Mask
    labels: Ints


class Exposures(NamedTuple):
    decision: Ints
    at: Floats
    position: Ints


class Rewards(NamedTuple):
    """`unit` is NOBODY unless everybody is asked about."""

    decision: Ints
    unit: Ints
    at: Floats
    position: Ints
    value: Floats


class Interactions(NamedTuple):
    unit: Ints
    at: Floats
    value: Floats


class Stretch(NamedTuple):
    """In the order of the log. `named` and `named_at` say of whom it speaks otherwise, where everybody is asked about;
    `names` are the segments' values by their codes; `shared` says that variants learned from each other."""

    decisions: Decisions
    exposures: Exposures
    rewards: Mapping[str, Rewards]
    interactions: Mapping[str, Interactions]
    named: Ints
    named_at: Floats
    names: tuple[tuple[str, ...], ...]
    shared: bool


class _Nothing(msgspec.Struct, frozen=True, gc=False):
    """A pick, of which only that it is there counts."""


class _Request(msgspec.Struct, gc=False):
    user: str | None = None
    session: str | None = None
    device: str | None = None
    shown: bool = True
    first_position: int = 0
    context: msgspec.Raw = msgspec.Raw(b"{}")


class _Assignment(msgspec.Struct, gc=False):
    experiment: str
    variant: str
    phase: int = 0
    forced: bool = False


class _Decided(msgspec.Struct, gc=False):
    decision: str
    request: _Request
    picks: list[_Nothing]
    assignments: list[_Assignment] = []
    teaches: list[str] = []
    rankings: dict[str, list[str]] = {}


class _Exposed(msgspec.Struct, gc=False):
    decision: str
    positions: list[int] | None = None


class _Rewarded(msgspec.Struct, gc=False):
    decision: str
    name: str
    value: float
    position: int | None = None
    user: str | None = None
    session: str | None = None
    device: str | None = None


class _Interacted(msgspec.Struct, gc=False):
    name: str
    value: float = 1.0
    user: str | None = None
    session: str | None = None
    device: str | None = None


_all_decided = msgspec.json.Decoder(list[_Decided]).decode
_all_exposed = msgspec.json.Decoder(list[_Exposed]).decode
_all_rewarded = msgspec.json.Decoder(list[_Rewarded]).decode
_all_interacted = msgspec.json.Decoder(list[_Interacted]).decode
_context = msgspec.json.Decoder(dict[str, str | bool | int | float]).decode


class Listening:
    """Columns that grow by a row a fact, until `heard` gives them away."""

    def __init__(self, asked: Asked) -> None:
        self.entries = 0
        self._asked = asked
        self._mark = msgspec.json.encode(asked.experiment).decode()
        self._variants = {name: index for index, name in enumerate(asked.variants)}
        self._joined_by = JOINED_BY[asked.unit]
        self._begin()

    def _begin(self) -> None:
        self._ids: list[str] = []
        self._units, self._people, self._variant, self._phase = array("q"), list[str | None](), array("b"), array("i")
        self._at, self._first, self._picks = array("d"), array("i"), array("i")
        self._shown, self._differs, self._labels = array("b"), array("b"), array("i")
        self._names: tuple[dict[str, int], ...] = tuple({} for _ in self._asked.segments)
        self._exposed: list[str] = []
        self._exposed_at, self._positions = array("d"), array("i")
        self._rewards = {name: _RewardRows() for name in self._asked.rewards}
        self._interactions = {name: (array("q"), array("d"), array("d")) for name in self._asked.interactions}
        self._named, self._named_at = array("q"), array("d")
        self._shared = False

    def take(self, page: Sequence[Written]) -> None:
        """Facts of one kind are decoded together, as one list: a call for each would take longer than its work. Their
        order is kept by kind, which is all that columns need."""
        self.entries += len(page)
        by_kind: dict[str, tuple[list[float], list[str]]] = {kind: ([], []) for kind in KINDS}
        # What is not about this experiment need not be decoded, unless it says when somebody first came.
        about, everybody = self._mark, self._asked.everybody
        for _, at, kind, body in page:
            if kind in by_kind and (kind != "decided" or everybody or about in body):
                ats, bodies = by_kind[kind]
                ats.append(at)
                bodies.append(body)
        self._take_decided(*_listed(by_kind["decided"], _all_decided))
        self._take_exposed(*_listed(by_kind["exposed"], _all_exposed))
        self._take_rewarded(*_listed(by_kind["rewarded"], _all_rewarded))
        if everybody or self._interactions:
            self._take_interacted(*_listed(by_kind["interacted"], _all_interacted))

    def heard(self) -> Stretch:
        """What was taken in since the last time."""
        found = Stretch(
            decisions=Decisions(
                id=hashes(self._ids),
                unit=_numbers(self._units),
                person=_people(self._people),
                variant=_numbers(self._variant),
                phase=_numbers(self._phase),
                at=_numbers(self._at),
                first=_numbers(self._first),
                picks=_numbers(self._picks),
                shown=_numbers(self._shown).astype(np.bool_),
                differs=_numbers(self._differs).astype(np.bool_),
                labels=_numbers(self._labels).reshape(len(self._ids), len(self._names)),
            ),
            exposures=Exposures(hashes(self._exposed), _numbers(self._exposed_at), _numbers(self._positions)),
            rewards={name: rows.columns() for name, rows in self._rewards.items()},
            interactions={
                name: Interactions._make(_numbers(one) for one in columns)
                for name, columns in self._interactions.items()
            },
            named=_numbers(self._named),
            named_at=_numbers(self._named_at),
            names=tuple(tuple(codes) for codes in self._names),
            shared=self._shared,
        )
        self.entries = 0
        self._begin()
        return found

    def _take_decided(self, ats: list[float], facts: list[_Decided]) -> None:
        rows: list[tuple[_Decided, float, int, int]] = []
        for fact, at in zip(facts, ats, strict=True):
            who: str | None = getattr(fact.request, self._asked.unit)
            if who is not None:
                variant, phase = self._variant_of(fact)
                if variant is not None:
                    rows.append((fact, at, marked(who), variant))
                    self._phase.append(phase)
                elif self._asked.everybody:
                    self._name(who, at)
        self._ids.extend([fact.decision for fact, _, _, _ in rows])
        self._units.extend([unit for _, _, unit, _ in rows])
        if self._joined_by is not None:
            self._people.extend([getattr(fact.request, self._joined_by) for fact, _, _, _ in rows])
        else:
            self._people.extend([None] * len(rows))
        self._variant.extend([variant for _, _, _, variant in rows])
        self._at.extend([at for _, at, _, _ in rows])
        self._first.extend([fact.request.first_position for fact, _, _, _ in rows])
        self._picks.extend([len(fact.picks) for fact, _, _, _ in rows])
        self._shown.extend([fact.request.shown for fact, _, _, _ in rows])
        self._differs.extend([self._asked.triggered and _differ(fact) for fact, _, _, _ in rows])
        self._shared = self._shared or any(len(fact.teaches) > 1 for fact, _, _, _ in rows)
        if self._names:
            for fact, _, _, _ in rows:
                self._labels.extend(self._label(fact.request.context))

    def _variant_of(self, fact: _Decided) -> tuple[int | None, int]:
        for assignment in fact.assignments:
            if assignment.experiment == self._asked.experiment and not assignment.forced:
                return self._variants.get(assignment.variant), assignment.phase
        return None, 0

    def _take_exposed(self, ats: list[float], facts: list[_Exposed]) -> None:
        for fact, at in zip(facts, ats, strict=True):
            for position in (WHOLE,) if fact.positions is None else fact.positions:
                self._exposed.append(fact.decision)
                self._exposed_at.append(at)
                self._positions.append(position)

    def _take_rewarded(self, ats: list[float], facts: list[_Rewarded]) -> None:
        for fact, at in zip(facts, ats, strict=True):
            rows = self._rewards.get(fact.name)
            if rows is not None:
                who: str | None = getattr(fact, self._asked.unit) if self._asked.everybody else None
                rows.decisions.append(fact.decision)
                rows.units.append(NOBODY if who is None else marked(who))
                rows.at.append(at)
                rows.positions.append(WHOLE if fact.position is None else fact.position)
                rows.values.append(fact.value)

    def _take_interacted(self, ats: list[float], facts: list[_Interacted]) -> None:
        for fact, at in zip(facts, ats, strict=True):
            who: str | None = getattr(fact, self._asked.unit)
            columns = self._interactions.get(fact.name)
            if who is None:
                continue
            if columns is not None:
                units, times, values = columns
                units.append(marked(who))
                times.append(at)
                values.append(fact.value)
            elif self._asked.everybody:
                self._name(who, at)

    def _name(self, who: str, at: float) -> None:
        self._named.append(marked(who))
        self._named_at.append(at)

    def _label(self, context: msgspec.Raw) -> Iterable[int]:
        found = _context(context)
        texts = [str(found.get(name, "unknown")) for name in self._asked.segments]
        return [codes.setdefault(text, len(codes)) for codes, text in zip(self._names, texts, strict=True)]


class _RewardRows:
    def __init__(self) -> None:
        self.decisions: list[str] = []
        self.units, self.at, self.positions, self.values = array("q"), array("d"), array("i"), array("d")

    def columns(self) -> Rewards:
        rest = (_numbers(one) for one in (self.units, self.at, self.positions, self.values))
        return Rewards(hashes(self.decisions), *rest)


@lru_cache(maxsize=_KNOWN)
def marked(who: str) -> int:
    """The number of a unit: its mark, by which it can be found when it is to be forgotten."""
    return number(mark(who))


def number(token: str) -> int:
    """A mark as a number of 64 bits with a sign."""
    return int.from_bytes(bytes.fromhex(token), "little", signed=True)


def hashes(texts: Sequence[str]) -> Ints:
    """64 bits of each text, the same on every machine."""
    return np.frombuffer(b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts]), "<i8")


def _people(names: Sequence[str | None]) -> Ints:
    found = np.full(len(names), NOBODY, np.int64)
    known = [place for place, name in enumerate(names) if name is not None]
    if known:
        found[known] = hashes([name for name in names if name is not None])
    return found


def _differ(fact: _Decided) -> bool:
    first, *others = fact.rankings.values() or ((),)
    return any(other != first for other in others)


def _listed(written: tuple[list[float], list[str]], decode: Callable[[str], list[_T]]) -> tuple[list[float], list[_T]]:
    ats, bodies = written
    return ats, decode(f"[{','.join(bodies)}]") if bodies else []


def _numbers(column: "array[int] | array[float]") -> npt.NDArray[Any]:
    """Without a copy, in the width it was kept in."""
    return np.frombuffer(column, dtype=column.typecode) if len(column) else np.empty(0, column.typecode)
