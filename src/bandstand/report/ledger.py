"""What became of an experiment's units so far: a fold over stretches of the log, in rows that only grow.

Each unit has sums, so that of most slates nothing else is needed; rewards and interactions stay rows, for there are
fewer of them, and a metric may look at them through any window. Nothing in it depends on how the log was cut into
stretches.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from bandstand.events import UserErased
from bandstand.experiments.crossing import NOBODY
from bandstand.report.asked import Asked
from bandstand.report.index import ABSENT, Index, Run
from bandstand.report.marks import marked, number
from bandstand.report.stretch import Decisions, Ints, Recalled, Stretch

Column = npt.NDArray[Any]
Columns = dict[str, Column]
Kinds = Mapping[str, str]

SLATES: Final[Kinds] = {"unit": "i4", "at": "f8", "picks": "i4"}
DEFERRED: Final[Kinds] = {
    "id": "i8",
    "unit": "i4",
    "person": "i8",
    "variant": "i1",
    "at": "f8",
    "first": "i4",
    "picks": "i4",
}
EXPOSURES: Final[Kinds] = {"row": "i4", "at": "f8", "position": "i4"}
REWARDS: Final[Kinds] = {"earner": "i4", "unit": "i4", "at": "f8", "position": "i4", "value": "f8"}
INTERACTIONS: Final[Kinds] = {"unit": "i4", "at": "f8", "value": "f8"}
JOINS: Final[Kinds] = {"person": "i8", "unit": "i4", "variant": "i1"}
UNITS: Final[Kinds] = {
    "first": "f8",
    "born": "f8",
    "least": "i1",
    "most": "i1",
    "slates": "i4",
    "picks": "i4",
    "triggered": "i8",
    "entered": "i1",
    "phase": "i4",
}
"""Of each unit: when it was first shown something and first heard of, the least and the most of its variants, how many
slates and picks it was shown as they were decided, from which place in the log on it takes part in a triggered
analysis, and the variant and phase of its first assignment, whether or not it was shown anything then."""

_NEVER: Final = np.iinfo(np.int64).max
_UNHEARD: Final = {
    "first": np.inf,
    "born": np.inf,
    "least": 127,
    "most": -1,
    "triggered": _NEVER,
    "entered": -1,
    "phase": -1,
}
"""What of a unit is not 0 before anything is known."""

_FIRST_DEFERRED: Final = -2
_LEAST_JOINS: Final = 1 << 17


class Rows:
    """Columns that grow together; they may be given in blocks, and narrower than they are to be."""

    def __init__(self, kinds: Kinds, *blocks: Columns) -> None:
        given = blocks or ({name: np.empty(0, kind) for name, kind in kinds.items()},)
        self._kinds = kinds
        self._blocks = {name: [block[name] for block in given] for name in kinds}

    def __len__(self) -> int:
        return sum(map(len, next(iter(self._blocks.values()))))

    def __getitem__(self, name: str) -> Column:
        blocks = self._blocks[name]
        if len(blocks) > 1 or blocks[0].dtype != self._kinds[name]:
            blocks[:] = [np.concatenate(blocks, dtype=self._kinds[name])]
        return blocks[0]

    def add(self, **columns: Column) -> None:
        for name, kind in self._kinds.items():
            self._blocks[name].append(columns[name].astype(kind))

    def columns(self) -> Columns:
        return {name: self[name] for name in self._kinds}


class Stored(Protocol):
    """The greater part of a ledger that was written down, which is read only where it is needed."""

    def slates(self) -> Rows: ...


class Ledger:
    """The fold. `decided` counts decisions by variant, `latest` is the newest time among slates, and `shared` says that
    variants learned from each other.

    A decision has its unit's number; one that was not shown at once has -2 less its row among the `deferred`. So has
    the `earner` of a reward, ABSENT where that is no decision of ours. Of decisions only those are known that were
    taken in since it was begun or read, or are recalled.
    """

    def __init__(self, asked: Asked, *, stored: Stored | None = None) -> None:
        self.asked = asked
        self.unit_of = Index()
        self.units = {name: np.empty(0, kind) for name, kind in UNITS.items()}
        self.labels: Column = np.empty((0, len(asked.segments)), np.int32)
        self.names: tuple[dict[str, int], ...] = tuple({} for _ in asked.segments)
        self.deferred = Rows(DEFERRED)
        self.exposures = Rows(EXPOSURES)
        self.rewards = {name: Rows(REWARDS) for name in asked.rewards}
        self.interactions = {name: Rows(INTERACTIONS) for name in asked.interactions}
        self.decided: Column = np.zeros(len(asked.variants), np.int64)
        self.latest = -np.inf
        self.shared = False
        self._joins, self._joined_since = Rows(JOINS), Rows(JOINS)
        self._decisions = Index()
        self._slates, self._stored = Rows(SLATES), stored

    def settle(self, stretch: Stretch) -> None:
        """Take in the next stretch of the log."""
        numbers = self._numbered(stretch)
        self._enter(numbers.of(stretch.decisions.unit), stretch.decisions)
        taking_part = self._taking_part(numbers, stretch.decisions)
        decisions = Decisions._make(column[taking_part] for column in stretch.decisions)
        units = numbers.of(decisions.unit)
        self.shared = self.shared or stretch.shared
        self.decided = self.decided + np.bincount(decisions.variant, minlength=len(self.decided))
        self._label(units, decisions.labels, stretch.names)
        self._show(units, decisions)
        self._defer(units, decisions)
        self._recall(stretch.recalled)
        exposed = self._find(stretch.exposures.decision)
        late = exposed <= _FIRST_DEFERRED
        self.exposures.add(
            row=_FIRST_DEFERRED - exposed[late],
            at=stretch.exposures.at[late],
            position=stretch.exposures.position[late],
        )
        for name, rewards in stretch.rewards.items():
            earner, unit = self._find(rewards.decision), numbers.of(rewards.unit)
            kept = (earner != ABSENT) | (unit != ABSENT)
            rows = {
                "earner": earner,
                "unit": unit,
                "at": rewards.at,
                "position": rewards.position,
                "value": rewards.value,
            }
            self.rewards[name].add(**{column: values[kept] for column, values in rows.items()})
        for name, each in stretch.interactions.items():
            self.interactions[name].add(unit=numbers.of(each.unit), at=each.at, value=each.value)

    @property
    def slates(self) -> Rows:
        """Every slate that was shown as it was decided."""
        if self._stored is not None:
            new = self._slates.columns()
            self._slates, self._stored = self._stored.slates(), None
            self._slates.add(**new)
        return self._slates

    @property
    def joins(self) -> Rows:
        """What joins units, in its order; of neighbours that say the same only one."""
        if len(self._joined_since):
            both = (self._joins.columns(), self._joined_since.columns())
            rows = {name: np.concatenate([each[name] for each in both]) for name in JOINS}
            order = np.argsort(rows["person"], kind="stable")  # which takes what is in order as it is
            rows = {name: column[order] for name, column in rows.items()}
            new = np.ones(len(order), np.bool_)
            new[1:] = np.any([column[1:] != column[:-1] for column in rows.values()], axis=0)
            self.joins = Rows(JOINS, {name: column[new] for name, column in rows.items()})
        return self._joins

    @joins.setter
    def joins(self, rows: Rows) -> None:
        self._joins, self._joined_since = rows, Rows(JOINS)

    def joined(self, late: Columns) -> Columns:
        """What joins units, those that are shown `late` too, of all persons of whom more than one thing is known."""
        known = self._joins["person"]
        since = self._joined_since.columns()
        more = {name: np.concatenate((since[name], late[name])) for name in JOINS}
        several = np.zeros(len(known), np.bool_)
        same = known[1:] == known[:-1]
        several[1:] = same
        several[:-1] |= same
        said = np.sort(more["person"])
        start, end = (np.searchsorted(known, said, side=side) for side in ("left", "right"))
        while len(start):  # whoever is known already, row by row
            start, end = start[start < end], end[start < end]
            several[start] = True
            start = start + 1
        return {name: np.concatenate((self._joins[name][several], more[name])) for name in JOINS}

    def forget(self, erased: UserErased) -> bool:
        """Make it what the log says of the user now; whether that could be done. Where it cannot, it has to be made
        anew: without users as units the decisions of who was erased are part of the experiment no longer."""
        if self.asked.unit != "user":
            return False
        pseudonym, marks = marked(erased.user), np.array([number(one) for one in erased.was], np.int64)
        run = self.unit_of.whole()
        known = np.isin(run.keys, marks)
        if not known.any():
            return True
        if np.count_nonzero(known) > 1 or pseudonym in run.keys:
            return False
        self.unit_of = Index()
        self.unit_of.add(np.where(known, pseudonym, run.keys), run.numbers)
        (unit,) = run.numbers[known]
        joins = self.joins.columns()
        self.joins = Rows(JOINS, {name: column[joins["unit"] != unit] for name, column in joins.items()})
        deferred = self.deferred.columns()
        deferred["person"] = np.where(deferred["unit"] == unit, NOBODY, deferred["person"])
        self.deferred = Rows(DEFERRED, deferred)
        for codes, column in zip(self.names, self.labels.T, strict=True):
            if column[unit] != ABSENT:
                column[unit] = codes.setdefault("unknown", len(codes))
            _prune(codes, column)  # what only they brought along may give them away
        return True

    def _numbered(self, stretch: Stretch) -> "_Numbers":
        """The numbers of all who are named; who is new gets one, and is remembered with the time where that counts."""
        said = [(stretch.decisions.unit, stretch.decisions.at), (stretch.named, stretch.named_at)]
        said += [(rewards.unit, rewards.at) for rewards in stretch.rewards.values()]
        said += [(each.unit, each.at) for each in stretch.interactions.values()]
        keys = _distinct(np.concatenate([who for who, _ in said]))
        found = self.unit_of.find(keys)
        new = found == ABSENT
        count, added = len(self.units["first"]), int(np.count_nonzero(new))
        found[new] = np.arange(count, count + added)
        self.unit_of.add(keys[new], found[new])
        for name, column in self.units.items() if added else ():
            fill = np.full(added, _UNHEARD.get(name, 0), column.dtype)
            self.units[name] = np.concatenate((column, fill))
        self.labels = np.concatenate((self.labels, np.full((added, len(self.names)), ABSENT, np.int32)))
        numbers = _Numbers(keys, found)
        if self.asked.everybody:
            for who, at in said:
                known = who != NOBODY
                np.minimum.at(self.units["born"], numbers.of(who[known]), at[known])
        return numbers

    def _enter(self, units: Ints, decisions: Decisions) -> None:
        fresh = np.flatnonzero(self.units["entered"][units] < 0)
        which, first = np.unique(units[fresh], return_index=True)
        self.units["entered"][which] = decisions.variant[fresh[first]]
        self.units["phase"][which] = decisions.phase[fresh[first]]

    def _taking_part(self, numbers: "_Numbers", decisions: Decisions) -> Column:
        """In a triggered analysis: from the first decision on at which the variants' slates differ."""
        if not self.asked.triggered:
            return np.ones(len(decisions.id), np.bool_)
        units, since = numbers.of(decisions.unit), self.units["triggered"]
        np.minimum.at(since, units[decisions.differs], decisions.seq[decisions.differs])
        taking_part: Column = decisions.seq >= since[units]
        return taking_part

    def _label(self, units: Ints, labels: Ints, names: tuple[tuple[str, ...], ...]) -> None:
        """A unit is in the segments of its first decision."""
        fresh = np.flatnonzero(self.labels[units, 0] == ABSENT) if self.names else np.empty(0, np.int64)
        if len(fresh):
            which, first = np.unique(units[fresh], return_index=True)
            for place, (codes, texts) in enumerate(zip(self.names, names, strict=True)):
                said, back = np.unique(labels[fresh[first], place], return_inverse=True)
                ours = np.array([codes.setdefault(texts[code], len(codes)) for code in said.tolist()], np.int32)
                self.labels[which, place] = ours[back]

    def _show(self, units: Ints, decisions: Decisions) -> None:
        now = decisions.shown
        unit, variant, at, picks = units[now], decisions.variant[now], decisions.at[now], decisions.picks[now]
        if not len(unit):
            return
        self._decisions.add(decisions.id[now], unit)
        self._slates.add(unit=unit, at=at, picks=picks)
        self.latest = max(self.latest, float(at.max()))
        np.minimum.at(self.units["first"], unit, at)
        np.minimum.at(self.units["least"], unit, variant)
        np.maximum.at(self.units["most"], unit, variant)
        for name, more in (("slates", np.ones(len(unit))), ("picks", picks)):
            np.add.at(self.units[name], unit, more.astype(np.int32))  # another kind takes fifteen times as long
        person = decisions.person[now]
        known = person != NOBODY
        self._joined_since.add(person=person[known], unit=unit[known], variant=variant[known])
        if len(self._joined_since) > len(self._joins) + _LEAST_JOINS:
            _ = self.joins

    def _defer(self, units: Ints, decisions: Decisions) -> None:
        later = ~decisions.shown
        count = len(self.deferred)
        rows = np.arange(count, count + np.count_nonzero(later))
        self._decisions.add(decisions.id[later], _FIRST_DEFERRED - rows)
        columns = {name: column[later] for name, column in decisions._asdict().items()}
        self.deferred.add(**columns | {"unit": units[later]})

    def _recall(self, decisions: Recalled) -> None:
        """Know decisions of before again, those that took part."""
        units = self.unit_of.find(decisions.unit)
        numbers = units.copy()
        if not decisions.shown.all():
            ids = self.deferred["id"]
            order = np.argsort(ids, kind="stable").astype(np.int32)
            rows = Index(Run(ids[order], order)).find(decisions.id)
            numbers[~decisions.shown] = np.where(rows == ABSENT, ABSENT, _FIRST_DEFERRED - rows)[~decisions.shown]
        ours = (units != ABSENT) & (numbers != ABSENT)
        if self.asked.triggered:
            ours[ours] = decisions.seq[ours] >= self.units["triggered"][units[ours]]
        self._decisions.add(decisions.id[ours], numbers[ours])

    def _find(self, decisions: Ints) -> Column:
        return self._decisions.find(decisions)


def _distinct(keys: Ints) -> Column:
    """In ascending order, without NOBODY."""
    keys = np.sort(keys[keys != NOBODY])
    new = np.ones(len(keys), np.bool_)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new]


def _prune(codes: dict[str, int], column: Column) -> None:
    """Keep only the names that some unit has."""
    used, back = np.unique(np.append(column, ABSENT), return_inverse=True)
    texts = list(codes)
    kept = [texts[code] for code in used.tolist() if code != ABSENT]
    codes.clear()
    codes.update({text: code for code, text in enumerate(kept)})
    column[:] = back[:-1] - 1  # ABSENT comes first


class _Numbers:
    """The number of each key in a stretch, NOBODY's own for NOBODY."""

    def __init__(self, keys: Ints, numbers: Ints) -> None:
        self._keys, self._numbers = keys, numbers

    def of(self, keys: Ints) -> Column:
        found = np.full(len(keys), ABSENT, np.int64)
        known = keys != NOBODY
        found[known] = self._numbers[np.searchsorted(self._keys, keys[known])]
        return found
