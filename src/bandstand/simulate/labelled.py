"""A labelled table as a world: the context is a row's features, the items are the labels, the reward is a hit."""

import csv
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from bandstand.errors import InputError
from bandstand.events import ItemPut, Scalar
from bandstand.simulate.browsing import LONGEST, Floats, PositionBased
from bandstand.simulate.nature import Labelled
from bandstand.simulate.people import Chance, Traits, Visit
from bandstand.simulate.world import Ground

MOST_ROWS: Final = 100_000
_MOST_LABELS: Final = 1000
_MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_NOBODY: Final = Traits("", "", "", "")


class Table(NamedTuple):
    """`contexts` by row, `truth` the index of each row's label among `labels`."""

    contexts: list[dict[str, Scalar]]
    labels: list[str]
    truth: npt.NDArray[np.int64]

    def items(self) -> list[ItemPut]:
        return [ItemPut(label) for label in self.labels]


def table(columns: Mapping[str, Sequence[object]], labels: Sequence[object], *, parts: int = 4) -> Table:
    """The table of these columns, NumPy arrays too. Numbers become the part of their range that they are in.

    InputError where lengths differ, or where there are too few or too many labels.

    >>> table({"cm": [1.0, 2.0, 3.0, 4.0]}, ["short", "short", "long", "long"], parts=2).contexts[0]
    {'cm': 'part 1 of 2'}
    """
    names = [str(label) for label in labels]
    known = sorted(set(names))
    if not 2 <= len(known) <= _MOST_LABELS:
        raise InputError(f"labels: {len(known)} different ones, must be from 2 to {_MOST_LABELS}", field="label")
    contexts: list[dict[str, Scalar]] = [{} for _ in names]
    for name, values in columns.items():
        if len(values) != len(names):
            raise InputError(f"column '{name}' has {len(values)} rows, must have {len(names)} as the labels")
        for context, said in zip(contexts, _said(values, parts), strict=True):
            if said is not None:
                context[name] = said
    index = {label: at for at, label in enumerate(known)}
    return Table(contexts, known, np.array([index[name] for name in names], np.int64))


def read(source: Labelled) -> Table:
    """The table of a CSV file with a header; InputError says what is wrong with it."""
    path = Path(source.csv)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for _, row in zip(range(MOST_ROWS + 1), csv.DictReader(lines), strict=False)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"labelled.csv '{path}': cannot be read ({error})", field="world.labelled") from error
    if not rows or len(rows) > MOST_ROWS:
        much = f"more than {MOST_ROWS:,}" if rows else "no"
        raise InputError(f"labelled.csv '{path}': {much} rows, must be from 1 to {MOST_ROWS:,}", field="world.labelled")
    names = [str(name) for name in rows[0]]
    if source.label not in names:
        raise InputError(
            f"labelled.label == '{source.label}', must be a column of '{path.name}'; known: {', '.join(names)}",
            field="world.labelled",
        )
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not row[source.label]:
            raise InputError(
                f"labelled.csv '{path}', line {number}: must have a label and {len(names)} cells, as the header",
                field="world.labelled",
            )
    columns = {name: [row[name] for row in rows] for name in names if name != source.label}
    return table(columns, [row[source.label] for row in rows], parts=source.parts)


def ground(found: Table, items: Sequence[ItemPut], chance: Chance, *, noise: float = 0.0) -> Ground:
    """Rows in an order of chance, again and again; everything that is shown is looked at."""
    rows = _Rows(found, chance)
    return Ground(rows, _Hits(rows, [item.item for item in items], noise), PositionBased(np.ones(LONGEST)))


class _Rows:
    """One visit a row, each by somebody new; when all have come, they come again in another order."""

    def __init__(self, found: Table, chance: Chance) -> None:
        self.table = found
        self._chance = chance
        self._orders: dict[int, npt.NDArray[np.int64]] = {}

    def visit(self, number: int, *, time: float) -> Visit:
        user = f"v{number}"
        context = self.table.contexts[self.row(number)]
        return Visit(number, time, user, user, dict(context), utc_offset_s=0, first=True, traits=_NOBODY)

    def row(self, number: int) -> int:
        turn, at = divmod(number, len(self.table.truth))
        order = self._orders.get(turn)
        if order is None:
            lots = [self._chance("turn", turn, row) for row in range(len(self.table.truth))]
            order = self._orders[turn] = np.argsort(lots, kind="stable")
        return int(order[at])


class _Hits:
    """The label of the visit's row is liked, but for noise, and no other."""

    def __init__(self, rows: _Rows, items: Sequence[str], noise: float) -> None:
        self._rows = rows
        self._items = items
        self._wrong, self._right = float(logit(noise)), float(logit(1.0 - noise))

    def key(self, visit: Visit) -> str:
        table = self._rows.table
        return table.labels[int(table.truth[self._rows.row(visit.number)])]

    def logits(self, visit: Visit) -> Floats:
        label = self.key(visit)
        return np.array([self._right if item == label else self._wrong for item in self._items])


def _said(values: Sequence[object], parts: int) -> list[str | None]:
    """What an app would say of each value: numbers by their part, others as they are, empty ones not at all."""
    texts = [_text(value) for value in values]
    numbers = [_number(text) for text in texts if text]
    if not numbers or None in numbers:
        return [text or None for text in texts]
    cuts = np.quantile([number for number in numbers if number is not None], np.arange(1, parts) / parts)
    return [f"part {int(np.searchsorted(cuts, float(text))) + 1} of {parts}" if text else None for text in texts]


def _text(value: object) -> str:
    text = str(value).strip()
    return "" if text.lower() in _MISSING else text


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
