"""Attributes of items as arrays, one for each attribute that some condition asks about.

A cache: everything in it follows from the items that it reads, and it is no part of a snapshot.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.catalogue import Catalogue
from bandstand.events import Feature, Inline, ItemPut

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Plain = str | bool | float

# Beyond these the arrays are made anew when asked for: attributes come from requests too, and texts from items long
# gone stay numbered.
MOST_COLUMNS = 64
_MOST_WORDS = 1_000_000

NO_WORD = -1
TRUE, FALSE = 0, 1
FIRST_TEXT = 2


class Reader(Protocol):
    """Where items are read from, by row."""

    def __len__(self) -> int: ...

    def each(self, name: str) -> Iterator[tuple[int, Feature]]:
        """Every row whose item has this attribute, and its value; `id` and `tags` are attributes too."""
        ...


class Column:
    """One attribute: `numbers` (NaN where it is none), `codes` of texts and of true and false (NO_WORD where it is
    none), and `listed` where it is a list. The arrays are longer than there are rows."""

    def __init__(self, rows: int) -> None:
        self.numbers: Numbers = np.full(rows, np.nan)
        self.codes: Codes = np.full(rows, NO_WORD, np.int32)
        self.listed: Mask = np.zeros(rows, np.bool_)
        self.lists: dict[int, Sequence[str | float]] = {}
        self._holding: dict[tuple[type, Plain], Mask] = {}

    def fill(self, values: Iterable[tuple[int, Feature]], words: "Words") -> None:
        """The same as to `put` each of these into a new column, in a fraction of the time."""
        numbers: dict[int, float] = {}
        codes: dict[int, int] = {}
        for row, value in values:
            match value:
                case bool() | str():
                    codes[row] = words.code(value)
                case int() | float():
                    numbers[row] = value
                case list():
                    self.lists[row] = value
        self.numbers[list(numbers)] = list(numbers.values())
        self.codes[list(codes)] = list(codes.values())
        self.listed[list(self.lists)] = True

    def put(self, row: int, value: Feature | None, words: "Words") -> None:
        """This row's attribute is `value` now, None where it has none."""
        self.reserve(row + 1)
        self.numbers[row], self.codes[row] = np.nan, NO_WORD
        if self.lists.pop(row, None) is not None:
            self.listed[row] = False
            for mask in self._holding.values():
                mask[row] = False
        match value:
            case bool() | str():
                self.codes[row] = words.code(value)
            case int() | float():
                self.numbers[row] = value
            case list():
                self.lists[row], self.listed[row] = value, True
                for (kind, sought), mask in self._holding.items():
                    mask[row] = _holds(value, kind, sought)
            case None:
                pass

    def holding(self, sought: Plain) -> Mask:
        """The rows whose list holds this value."""
        key = (_kind(sought), sought)
        mask = self._holding.get(key)
        if mask is None:
            if len(self._holding) >= MOST_COLUMNS:
                self._holding.clear()
            mask = self._holding[key] = np.zeros(len(self.listed), np.bool_)
            mask[[row for row, held in self.lists.items() if _holds(held, *key)]] = True
        return mask

    def values(self, row: int, words: "Words") -> Sequence[object]:
        """What this row's attribute is: nothing, one value, or the different ones of a list."""
        if row in self.lists:
            return list(dict.fromkeys(self.lists[row]))
        code = int(self.codes[row])
        if code != NO_WORD:
            return [words.value(code)]
        number = float(self.numbers[row])
        return [] if np.isnan(number) else [number]

    def reserve(self, rows: int) -> None:
        more = rows - len(self.numbers)
        if more > 0:
            more = max(more, len(self.numbers), 64)
            self.numbers = np.pad(self.numbers, (0, more), constant_values=np.nan)
            self.codes = np.pad(self.codes, (0, more), constant_values=NO_WORD)
            self.listed = np.pad(self.listed, (0, more))
            self._holding = {key: np.pad(mask, (0, more)) for key, mask in self._holding.items()}


class Words:
    """Texts as numbers, in the order in which they came; true and false are the first two."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []
        self._sorted: list[str] = []
        self._ranks: Codes = np.zeros(FIRST_TEXT, np.int32)

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, value: str | bool) -> int:
        """The number of this text, given to it now if it is new."""
        if isinstance(value, bool):
            return TRUE if value else FALSE
        return self._codes.setdefault(value, len(self._codes) + FIRST_TEXT)

    def value(self, code: int) -> str | bool:
        """The text of this number."""
        if code < FIRST_TEXT:
            return code == TRUE
        if len(self._texts) < len(self._codes):
            self._texts = list(self._codes)
        return self._texts[code - FIRST_TEXT]

    def known(self, value: str | bool) -> int:
        """The number of this text; one that no row has where it is not known."""
        if isinstance(value, bool):
            return TRUE if value else FALSE
        return self._codes.get(value, len(self._codes) + FIRST_TEXT)

    def ranks(self) -> Codes:
        """For each number the place of its text among all texts, sorted."""
        if len(self._sorted) != len(self._codes):
            self._sorted = sorted(self._codes)
            self._ranks = np.zeros(len(self._sorted) + FIRST_TEXT, np.int32)
            self._ranks[[self._codes[word] for word in self._sorted]] = np.arange(len(self._sorted))
        return self._ranks

    def place(self, value: str) -> tuple[int, int]:
        """The ranks between which this text lies, or would lie."""
        self.ranks()
        return bisect_left(self._sorted, value), bisect_right(self._sorted, value)


class Columns:
    """The attributes of `items` that were asked about, kept as the items are as long as it is told what changes.

    `matches` remembers which rows fulfil conditions that ask about items only, until an item changes.
    """

    def __init__(self, items: Reader) -> None:
        self.words = Words()
        self.matches: dict[object, Mask] = {}
        self._items = items
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._items)

    def prepare(self, names: Sequence[str]) -> None:
        """Make the arrays of these attributes where there are none yet, each in one pass over all items."""
        missing = [name for name in names if name not in self._columns]
        if missing and (len(self._columns) + len(missing) > MOST_COLUMNS or len(self.words) > _MOST_WORDS):
            self._columns.clear()
            self.words = Words()
            missing = list(names)
        for name in missing:
            column = Column(len(self._items))
            column.fill(self._items.each(name), self.words)
            self._columns[name] = column  # only when it is whole

    def column(self, name: str) -> Column:
        """The attribute as it is now; prepared before."""
        column = self._columns[name]
        column.reserve(len(self._items))
        return column

    def put(self, row: int, item: ItemPut) -> None:
        self.matches.clear()
        for name, column in self._columns.items():
            column.put(row, _attribute(item.item, item.features, item.tags, name), self.words)

    def removed(self, row: int) -> None:
        self.matches.clear()
        for column in self._columns.values():
            column.put(row, None, self.words)


class _Features(msgspec.Struct, gc=False):
    features: dict[str, msgspec.Raw] = {}


class CatalogueReader(NamedTuple):
    """The items of a catalogue. Of what is written of them, only the attribute in question is decoded."""

    catalogue: Catalogue

    def __len__(self) -> int:
        return len(self.catalogue)

    def each(self, name: str) -> Iterator[tuple[int, Feature]]:
        if name == "id":
            yield from ((row, self.catalogue.ids[row]) for row in self.catalogue.known)
        elif name == "tags":
            for row, known in self.catalogue.known.items():
                yield row, list(known.tags)
        else:
            written_name = msgspec.json.encode(name) + b":"
            for row, known in self.catalogue.known.items():
                if written_name in known.written:
                    raw = _written.decode(known.written).features.get(name)
                    if raw is not None:
                        yield row, _value.decode(raw)


class InlineReader(NamedTuple):
    """Items that an app described itself, in their order."""

    inline: Sequence[Inline]

    def __len__(self) -> int:
        return len(self.inline)

    def each(self, name: str) -> Iterator[tuple[int, Feature]]:
        for row, own in enumerate(self.inline):
            value = _attribute(own.item, own.features, (), name)
            if value is not None:
                yield row, value


_written = msgspec.json.Decoder(_Features)
_value: msgspec.json.Decoder[Feature] = msgspec.json.Decoder(Feature)


def _attribute(item: str, features: dict[str, Feature], tags: Iterable[str], name: str) -> Feature | None:
    match name:
        case "id":
            return item
        case "tags":
            return list(tags)
        case _:
            return features.get(name)


def _kind(value: Plain) -> type:
    return float if type(value) is int else type(value)


def _holds(held: Sequence[str | float], kind: type, sought: Plain) -> bool:
    return any(value == sought and _kind(value) is kind for value in held)
