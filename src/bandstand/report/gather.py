"""One pass over the log that keeps of an experiment what a report needs, as columns of numbers.

A decision takes a row of 34 bytes, and each unit one entry of a dictionary. Of a fact only the fields below are
decoded.
"""

from array import array
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.errors import UnknownError
from bandstand.events import ExperimentMoved, ExperimentPut
from bandstand.experiments.crossing import JOINED_BY, NOBODY
from bandstand.experiments.definition import Experiment
from bandstand.experiments.formula import Term
from bandstand.experiments.metrics import covariates, formula
from bandstand.report.gathered import WHOLE, Decisions, Exposures, Gathered, Interactions, Life, Rewards
from bandstand.store import EventLog, Written

_T = TypeVar("_T")


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

_KINDS = ("experimentput", "experimentmoved", "decided", "exposed", "rewarded", "interacted")


def gather(log: EventLog, name: str) -> Gathered:
    """The experiment as last recorded, the state of its life, and what its units did up to the log's end.

    UnknownError where it was never recorded. The log is read once; again where what is measured was changed on the way,
    or begins before the experiment was recorded.
    """
    found = _read(log, _Reading(name))
    if found.stale and found.life is not None:
        found = _read(log, _Reading(name, columns=_Columns(found.life.experiment), fixed=True))
    if found.life is None or found.columns is None:
        known = ", ".join(sorted(found.known)) or "none"
        raise UnknownError(f"experiment '{name}' is not defined; known: {known}", field="experiment")
    return found.columns.gathered(found.life)


class _Reading:
    """One pass over the log; `stale` where columns lack what came before the definition that they follow."""

    def __init__(self, name: str, *, columns: "_Columns | None" = None, fixed: bool = False) -> None:
        self.known: set[str] = set()
        self.life: Life | None = None
        self.columns = columns
        self.stale = False
        self._name, self._fixed, self._passed = name, fixed, False

    def take(self, page: Sequence[Written]) -> None:
        for _, at, kind, body in page:
            if kind == "experimentput":
                self._defined(msgspec.json.decode(body, type=ExperimentPut))
            elif kind == "experimentmoved" and self.life is not None:
                moved = msgspec.json.decode(body, type=ExperimentMoved)
                if moved.name == self._name:
                    self.life.moved(moved, at)
        if self.columns is not None:
            self.columns.take(page)
        self._passed = True

    def _defined(self, put: ExperimentPut) -> None:
        self.known.add(put.name)
        if put.name != self._name:
            return
        experiment = msgspec.json.decode(put.definition, type=Experiment)
        if self.life is None:
            self.life = Life(experiment)
        self.life.redefined(experiment)
        if self._fixed or (self.columns is not None and self.columns.experiment == experiment):
            return
        filled = self.columns is not None and self.columns.filled
        self.columns = _Columns(experiment)
        self.stale = self.stale or filled or (self._passed and self.columns.everybody)


def _read(log: EventLog, reading: _Reading) -> _Reading:
    head, after = log.head(), 0
    while after < head and (page := log.scan(_KINDS, after=after)):
        after = page[-1][0]
        reading.take(page if after <= head else [each for each in page if each[0] <= head])
    if reading.life is not None:
        (last,) = log.read(after=head - 1, limit=1)
        reading.life.as_of, reading.life.at = last.seq, last.at
    return reading


def terms(experiment: Experiment) -> frozenset[Term]:
    """All that its metrics and their covariates ask about."""
    of_metrics = (formula(metric) for metric in experiment.metrics)
    of_covariates = (one for metric in experiment.metrics for one in covariates(metric))
    return frozenset(term for each in (*of_metrics, *of_covariates) for term in each.terms())


class _Columns:
    """Columns that grow by a row a fact. Everybody is numbered in the order in which the log names them."""

    def __init__(self, experiment: Experiment) -> None:
        asked = terms(experiment)
        self.experiment = experiment
        # What is not about this experiment need not be decoded, unless it says when somebody first came.
        self.everybody = any(metric.covariates for metric in experiment.metrics)
        self._unit = experiment.unit
        self._variants = {variant.name: index for index, variant in enumerate(experiment.variants)}
        self._rewards = {t.name: _reward_columns() for t in asked if t.aggregate in ("sum", "count")}
        self._interactions = {
            t.name: (array("i"), array("d"), array("d")) for t in asked if t.aggregate == "interactions"
        }
        self._numbers: dict[str, int] = {}
        self._joined_by = JOINED_BY[experiment.unit]
        self._people: dict[str, int] = {}
        self._person = array("i")
        self._born = array("d")
        self._mark = msgspec.json.encode(experiment.name).decode()
        self._ids, self._units, self._variant = array("q"), array("i"), array("b")
        self._at, self._first, self._picks, self._shown = array("d"), array("i"), array("h"), array("b")
        self._exposed_ids, self._exposed_at, self._positions = array("q"), array("d"), array("i")
        self._segments = experiment.analysis.segments
        self._labels: dict[int, tuple[int, ...]] = {}
        self._names: tuple[dict[str, int], ...] = tuple({} for _ in self._segments)
        self._shared = False
        self._triggered: set[int] | None = set() if experiment.analysis.trigger == "changed" else None

    @property
    def filled(self) -> bool:
        return bool(self._ids)

    def take(self, page: Sequence[Written]) -> None:
        """Facts of one kind are decoded together, as one list: a call for each would take longer than its work. Their
        order is kept by kind, which is all that columns need."""
        by_kind: dict[str, tuple[list[float], list[str]]] = {kind: ([], []) for kind in _KINDS}
        mark, everybody = self._mark, self.everybody
        for _, at, kind, body in page:
            if kind != "decided" or everybody or mark in body:
                ats, bodies = by_kind[kind]
                ats.append(at)
                bodies.append(body)
        self._decided(*_listed(by_kind["decided"], _all_decided))
        self._exposed(*_listed(by_kind["exposed"], _all_exposed))
        self._rewarded(*_listed(by_kind["rewarded"], _all_rewarded))
        if everybody or self._interactions:
            self._interacted(*_listed(by_kind["interacted"], _all_interacted))

    def _decided(self, ats: list[float], facts: list[_Decided]) -> None:
        rows: list[tuple[_Decided, float, int, int]] = []
        for fact, at in zip(facts, ats, strict=True):
            who: str | None = getattr(fact.request, self._unit)
            if who is not None:
                variant = self._variant_of(fact)
                if variant is not None and self._takes_part(fact, who, at):
                    rows.append((fact, at, self._number(who, at), variant))
                elif self.everybody:
                    self._number(who, at)
        self._ids.extend([hash(fact.decision) for fact, _, _, _ in rows])
        self._units.extend([number for _, _, number, _ in rows])
        self._person.extend([self._joint(fact) for fact, _, _, _ in rows])
        self._variant.extend([variant for _, _, _, variant in rows])
        self._at.extend([at for _, at, _, _ in rows])
        self._first.extend([fact.request.first_position for fact, _, _, _ in rows])
        self._picks.extend([len(fact.picks) for fact, _, _, _ in rows])
        self._shown.extend([fact.request.shown for fact, _, _, _ in rows])
        self._shared = self._shared or any(len(fact.teaches) > 1 for fact, _, _, _ in rows)
        if self._segments:
            for fact, _, number, _ in rows:
                if number not in self._labels:
                    self._labels[number] = self._label(fact.request.context)

    def _joint(self, fact: _Decided) -> int:
        who: str | None = getattr(fact.request, self._joined_by) if self._joined_by is not None else None
        return NOBODY if who is None else self._people.setdefault(who, len(self._people))

    def _takes_part(self, fact: _Decided, who: str, at: float) -> bool:
        """In a triggered analysis: from the first decision on at which the variants' slates differ."""
        if self._triggered is None:
            return True
        number = self._number(who, at)
        first, *others = fact.rankings.values() or ((),)
        if any(other != first for other in others):
            self._triggered.add(number)
        return number in self._triggered

    def _variant_of(self, fact: _Decided) -> int | None:
        for assignment in fact.assignments:
            if assignment.experiment == self.experiment.name and not assignment.forced:
                return self._variants.get(assignment.variant)
        return None

    def _exposed(self, ats: list[float], facts: list[_Exposed]) -> None:
        for fact, at in zip(facts, ats, strict=True):
            decision = hash(fact.decision)
            for position in (WHOLE,) if fact.positions is None else fact.positions:
                self._exposed_ids.append(decision)
                self._exposed_at.append(at)
                self._positions.append(position)

    def _rewarded(self, ats: list[float], facts: list[_Rewarded]) -> None:
        for fact, at in zip(facts, ats, strict=True):
            columns = self._rewards.get(fact.name)
            if columns is None:
                continue
            decisions, units, times, positions, values = columns
            who: str | None = getattr(fact, self._unit) if self.everybody else None
            decisions.append(hash(fact.decision))
            units.append(NOBODY if who is None else self._number(who, at))
            times.append(at)
            positions.append(WHOLE if fact.position is None else fact.position)
            values.append(fact.value)

    def _interacted(self, ats: list[float], facts: list[_Interacted]) -> None:
        for fact, at in zip(facts, ats, strict=True):
            who: str | None = getattr(fact, self._unit)
            columns = self._interactions.get(fact.name)
            if who is None or (columns is None and not self.everybody):
                continue
            number = self._number(who, at)
            if columns is not None:
                units, times, values = columns
                units.append(number)
                times.append(at)
                values.append(fact.value)

    def gathered(self, life: Life) -> Gathered:
        labels = np.full((len(self._numbers), len(self._segments)), -1, np.int64)
        if self._segments and self._labels:
            labels[np.fromiter(self._labels, np.int64)] = np.array(list(self._labels.values()), np.int64)
        return Gathered(
            life=life,
            decisions=Decisions(
                id=_numbers(self._ids),
                unit=_numbers(self._units),
                person=_numbers(self._person),
                variant=_numbers(self._variant),
                at=_numbers(self._at),
                first=_numbers(self._first),
                picks=_numbers(self._picks),
                shown=_numbers(self._shown).astype(np.bool_),
            ),
            exposures=Exposures(_numbers(self._exposed_ids), _numbers(self._exposed_at), _numbers(self._positions)),
            rewards={name: Rewards._make(_numbers(one) for one in columns) for name, columns in self._rewards.items()},
            interactions={
                name: Interactions._make(_numbers(one) for one in columns)
                for name, columns in self._interactions.items()
            },
            born=_numbers(self._born),
            labels={name: labels[:, index] for index, name in enumerate(self._segments)},
            names={name: tuple(codes) for name, codes in zip(self._segments, self._names, strict=True)},
            shared=self._shared,
        )

    def _number(self, who: str, at: float) -> int:
        number = self._numbers.get(who)
        if number is None:
            number = self._numbers[who] = len(self._numbers)
            self._born.append(at)
        return number

    def _label(self, context: msgspec.Raw) -> tuple[int, ...]:
        found = _context(context)
        texts = [str(found.get(name, "unknown")) for name in self._segments]
        return tuple(codes.setdefault(text, len(codes)) for codes, text in zip(self._names, texts, strict=True))


def _listed(written: tuple[list[float], list[str]], decode: Callable[[str], list[_T]]) -> tuple[list[float], list[_T]]:
    ats, bodies = written
    return ats, decode(f"[{','.join(bodies)}]") if bodies else []


def _reward_columns() -> tuple["array[int]", "array[int]", "array[float]", "array[int]", "array[float]"]:
    return array("q"), array("i"), array("d"), array("i"), array("d")


def _numbers(column: "array[int] | array[float]") -> npt.NDArray[Any]:
    """Without a copy, in the width it was kept in."""
    return np.frombuffer(column, dtype=column.typecode) if len(column) else np.empty(0, column.typecode)
