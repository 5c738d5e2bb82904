"""Facts as they were written down, taken in as columns of numbers: of each only what a report asks about."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.experiments.crossing import JOINED_BY, NOBODY
from bandstand.report.asked import Asked
from bandstand.report.marks import hashes, marked
from bandstand.report.stretch import WHOLE, Decisions, Exposures, Interactions, Ints, Recalled, Rewards, Stretch
from bandstand.store import Written

_T = TypeVar("_T")

KINDS: Final = ("decided", "exposed", "rewarded", "interacted")


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
    group: str = ""
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
    """Columns that grow by a row a fact, until they are begun anew."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._mark = msgspec.json.encode(asked.experiment).decode()
        self._variants = {name: index for index, name in enumerate(asked.variants)}
        self._joined_by = JOINED_BY[asked.unit]
        self.begin()

    def begin(self) -> None:
        """Forget what was heard."""
        self.entries = 0
        self._recalled, self._asked_for = _Found(), set[str]()
        self._seqs = array("q")
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
        by_kind: dict[str, _Facts] = {kind: _Facts([], [], []) for kind in KINDS}
        # What is not about this experiment need not be decoded, unless it says when somebody first came.
        about, everybody = self._mark, self._asked.everybody
        for seq, at, kind, body in page:
            if kind in by_kind and (kind != "decided" or everybody or about in body):
                facts = by_kind[kind]
                facts.seqs.append(seq)
                facts.ats.append(at)
                facts.bodies.append(body)
        decided = by_kind["decided"]
        self._take_decided(decided.seqs, decided.ats, _listed(decided, _all_decided))
        self._take_exposed(by_kind["exposed"].ats, _listed(by_kind["exposed"], _all_exposed))
        self._take_rewarded(by_kind["rewarded"].ats, _listed(by_kind["rewarded"], _all_rewarded))
        if everybody or self._interactions:
            self._take_interacted(by_kind["interacted"].ats, _listed(by_kind["interacted"], _all_interacted))

    def unknown(self) -> list[str]:
        """The decisions that exposures and rewards speak of and that were neither heard of nor asked for yet."""
        spoken_of = set(self._exposed).union(*(rows.decisions for rows in self._rewards.values()))
        found = sorted(spoken_of - self._asked_for - set(self._ids))
        self._asked_for.update(found)
        return found

    def recall(self, page: Sequence[Written]) -> None:
        """Decisions that were asked for, as the log has them."""
        for seq, _, kind, body in page:
            if kind == "decided" and self._mark in body:
                (fact,) = _all_decided(f"[{body}]")
                who: str | None = getattr(fact.request, self._asked.unit)
                if who is not None and self._variant_of(fact)[0] is not None:
                    self._recalled.seqs.append(seq)
                    self._recalled.ids.append(fact.decision)
                    self._recalled.units.append(marked(who))
                    self._recalled.shown.append(fact.request.shown)

    def heard(self) -> Stretch:
        """What was taken in since it began."""
        return Stretch(
            decisions=Decisions(
                seq=_numbers(self._seqs),
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
            recalled=self._recalled.columns(),
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

    def _take_decided(self, seqs: list[int], ats: list[float], facts: list[_Decided]) -> None:
        rows: list[tuple[_Decided, float, int, int]] = []
        for fact, seq, at in zip(facts, seqs, ats, strict=True):
            who: str | None = getattr(fact.request, self._asked.unit)
            if who is not None:
                variant, phase = self._variant_of(fact)
                if variant is not None:
                    rows.append((fact, at, marked(who), variant))
                    self._seqs.append(seq)
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
        group = self._asked.group
        for assignment in fact.assignments:
            if assignment.experiment == self._asked.experiment and not assignment.forced:
                if group and assignment.group != group:
                    break
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


class _Facts(NamedTuple):
    seqs: list[int]
    ats: list[float]
    bodies: list[str]


class _Found:
    def __init__(self) -> None:
        self.ids: list[str] = []
        self.seqs, self.units, self.shown = array("q"), array("q"), array("b")

    def columns(self) -> Recalled:
        shown = _numbers(self.shown).astype(np.bool_)
        return Recalled(_numbers(self.seqs), hashes(self.ids), _numbers(self.units), shown)


class _RewardRows:
    def __init__(self) -> None:
        self.decisions: list[str] = []
        self.units, self.at, self.positions, self.values = array("q"), array("d"), array("i"), array("d")

    def columns(self) -> Rewards:
        rest = (_numbers(one) for one in (self.units, self.at, self.positions, self.values))
        return Rewards(hashes(self.decisions), *rest)


def _people(names: Sequence[str | None]) -> Ints:
    found = np.full(len(names), NOBODY, np.int64)
    known = [place for place, name in enumerate(names) if name is not None]
    if known:
        found[known] = hashes([name for name in names if name is not None])
    return found


def _differ(fact: _Decided) -> bool:
    first, *others = fact.rankings.values() or ((),)
    return any(other != first for other in others)


def _listed(facts: _Facts, decode: Callable[[str], list[_T]]) -> list[_T]:
    return decode(f"[{','.join(facts.bodies)}]") if facts.bodies else []


def _numbers(column: "array[int] | array[float]") -> npt.NDArray[Any]:
    """In the width it was kept in; a copy, for a column that somebody looks into cannot grow."""
    return np.array(column, dtype=column.typecode)
