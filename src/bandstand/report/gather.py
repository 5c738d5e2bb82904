"""One pass over the log that keeps of an experiment what a report needs, as columns of numbers.

Ten million decisions take some 400 MB: a row of 34 bytes each, and one entry of a dictionary for each unit. Of a fact
only the fields below are decoded.
"""

import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.errors import UnknownError
from bandstand.events import ExperimentMoved, ExperimentPut
from bandstand.experiments.definition import Experiment
from bandstand.experiments.formula import Term
from bandstand.experiments.metrics import covariates, formula
from bandstand.store import EventLog, Written

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

NOBODY = -1
WHOLE = -1
"""In the place of a position: the whole slate."""


class Life(msgspec.Struct):
    """What became of the experiment itself. `as_of` and `at` say how far the log was read."""

    experiment: Experiment
    state: str = "draft"
    winner: str | None = None
    since: float | None = None
    until: float | None = None
    as_of: int = 0
    at: float = 0.0

    def moved(self, fact: ExperimentMoved, at: float) -> None:
        self.state, self.winner = fact.to, fact.winner
        if fact.to == "running":
            self.since = at
        elif self.until is None:
            self.until = at


class Decisions(NamedTuple):
    """One row a decision under the experiment, in the order of the log. `id` is a hash of the decision's."""

    id: Ints
    unit: Ints
    variant: Ints
    at: Floats
    first: Ints
    picks: Ints
    shown: npt.NDArray[np.bool_]


class Exposures(NamedTuple):
    decision: Ints
    at: Floats
    position: Ints


class Rewards(NamedTuple):
    decision: Ints
    unit: Ints
    at: Floats
    position: Ints
    value: Floats


class Interactions(NamedTuple):
    unit: Ints
    at: Floats
    value: Floats


class Gathered(NamedTuple):
    """`born` is when each unit first appeared in the log, `labels` its segment in each dimension at its first decision
    under the experiment (codes into `names`, -1 before that). `shared` says that variants learned from each other."""

    life: Life
    decisions: Decisions
    exposures: Exposures
    rewards: Mapping[str, Rewards]
    interactions: Mapping[str, Interactions]
    born: Floats
    labels: Mapping[str, Ints]
    names: Mapping[str, tuple[str, ...]]
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
    forced: bool = False


class _Decided(msgspec.Struct, gc=False):
    decision: str
    request: _Request
    picks: list[_Nothing]
    assignments: list[_Assignment] = []
    teaches: list[str] = []


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


_decided = msgspec.json.Decoder(_Decided).decode
_exposed = msgspec.json.Decoder(_Exposed).decode
_rewarded = msgspec.json.Decoder(_Rewarded).decode
_interacted = msgspec.json.Decoder(_Interacted).decode
_context = msgspec.json.Decoder(dict[str, str | bool | int | float]).decode

_LIFE = ("experimentput", "experimentmoved")
_TRAFFIC = ("decided", "exposed", "rewarded", "interacted")


def lived(log: EventLog, name: str) -> Life:
    """The experiment as last recorded and the state of its life; UnknownError where it was never recorded."""
    found: Life | None = None
    known: set[str] = set()
    for each in _all(log, _LIFE):
        if each.kind == "experimentput":
            put = msgspec.json.decode(each.body, type=ExperimentPut)
            known.add(put.name)
            if put.name == name:
                experiment = msgspec.json.decode(put.definition, type=Experiment)
                if found is None:
                    found = Life(experiment)
                found.experiment = experiment
        elif found is not None:
            moved = msgspec.json.decode(each.body, type=ExperimentMoved)
            if moved.name == name:
                found.moved(moved, each.at)
    if found is None:
        raise UnknownError(
            f"experiment '{name}' is not defined; known: {', '.join(sorted(known)) or 'none'}", field="experiment"
        )
    last = log.read(after=log.head() - 1, limit=1)[-1]
    found.as_of, found.at = last.seq, last.at
    return found


def gather(log: EventLog, life: Life) -> Gathered:
    """Everything that the log holds about the experiment's units, up to `life.as_of`."""
    columns = _Columns(life.experiment)
    take: dict[str, Callable[[Written], None]] = {
        "decided": columns.decided,
        "exposed": columns.exposed,
        "rewarded": columns.rewarded,
        "interacted": columns.interacted,
    }
    kinds = tuple(kind for kind in _TRAFFIC if kind != "interacted" or columns.wants_interactions)
    for each in _all(log, kinds):
        if each.seq > life.as_of:
            break
        take[each.kind](each)
    return columns.gathered(life)


def terms(experiment: Experiment) -> frozenset[Term]:
    """All that its metrics and their covariates ask about."""
    of_metrics = (formula(metric) for metric in experiment.metrics)
    of_covariates = (one for metric in experiment.metrics for one in covariates(metric))
    return frozenset(term for each in (*of_metrics, *of_covariates) for term in each.terms())


def _all(log: EventLog, kinds: tuple[str, ...]) -> Iterator[Written]:
    after = 0
    while page := log.scan(kinds, after=after):
        yield from page
        after = page[-1].seq


class _Columns:
    """Columns that grow by a row a fact. Everybody is numbered in the order in which the log names them."""

    def __init__(self, experiment: Experiment) -> None:
        asked = terms(experiment)
        self._experiment = experiment.name
        self._unit = experiment.unit
        self._variants = {variant.name: index for index, variant in enumerate(experiment.variants)}
        self._rewards = {t.name: _reward_columns() for t in asked if t.aggregate in ("sum", "count")}
        self._interactions = {
            t.name: (array("i"), array("d"), array("d")) for t in asked if t.aggregate == "interactions"
        }
        self._numbers: dict[str, int] = {}
        self._born = array("d")
        # What is not about this experiment need not be decoded, unless it says when somebody first came.
        self._everybody = any(metric.covariates for metric in experiment.metrics)
        text = json.dumps(experiment.name, ensure_ascii=False)
        self._mark, self._mark_bytes = text, text.encode()
        self._ids, self._units, self._variant = array("q"), array("i"), array("b")
        self._at, self._first, self._picks, self._shown = array("d"), array("i"), array("h"), array("b")
        self._exposed_ids, self._exposed_at, self._positions = array("q"), array("d"), array("i")
        self._segments = experiment.analysis.segments
        self._labels: dict[int, tuple[int, ...]] = {}
        self._names: tuple[dict[str, int], ...] = tuple({} for _ in self._segments)
        self._shared = False

    @property
    def wants_interactions(self) -> bool:
        return bool(self._interactions)

    def decided(self, each: Written) -> None:
        ours = (self._mark in each.body) if isinstance(each.body, str) else (self._mark_bytes in each.body)
        if not (ours or self._everybody):
            return
        fact = _decided(each.body)
        request = fact.request
        who: str | None = getattr(request, self._unit)
        if who is None:
            return
        for assignment in fact.assignments:
            if assignment.experiment == self._experiment and not assignment.forced:
                variant = self._variants.get(assignment.variant)
                if variant is not None:
                    number = self._number(who, each.at)
                    self._ids.append(hash(fact.decision))
                    self._units.append(number)
                    self._variant.append(variant)
                    self._at.append(each.at)
                    self._first.append(request.first_position)
                    self._picks.append(len(fact.picks))
                    self._shown.append(request.shown)
                    self._shared = self._shared or len(fact.teaches) > 1
                    if self._segments and number not in self._labels:
                        self._labels[number] = self._label(request.context)
                return
        if self._everybody:
            self._number(who, each.at)

    def exposed(self, each: Written) -> None:
        fact = _exposed(each.body)
        decision = hash(fact.decision)
        for position in (WHOLE,) if fact.positions is None else fact.positions:
            self._exposed_ids.append(decision)
            self._exposed_at.append(each.at)
            self._positions.append(position)

    def rewarded(self, each: Written) -> None:
        fact = _rewarded(each.body)
        columns = self._rewards.get(fact.name)
        if columns is None:
            return
        decisions, units, at, positions, values = columns
        who: str | None = getattr(fact, self._unit)
        decisions.append(hash(fact.decision))
        units.append(self._number(who, each.at) if who is not None and self._everybody else NOBODY)
        at.append(each.at)
        positions.append(WHOLE if fact.position is None else fact.position)
        values.append(fact.value)

    def interacted(self, each: Written) -> None:
        fact = _interacted(each.body)
        columns = self._interactions.get(fact.name)
        who: str | None = getattr(fact, self._unit)
        if who is None or (columns is None and not self._everybody):
            return
        number = self._number(who, each.at)
        if columns is not None:
            units, at, values = columns
            units.append(number)
            at.append(each.at)
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


def _reward_columns() -> tuple["array[int]", "array[int]", "array[float]", "array[int]", "array[float]"]:
    return array("q"), array("i"), array("d"), array("i"), array("d")


def _numbers(column: "array[int] | array[float]") -> npt.NDArray[Any]:
    """Without a copy, in the width it was kept in."""
    return np.frombuffer(column, dtype=column.typecode) if len(column) else np.empty(0, column.typecode)
