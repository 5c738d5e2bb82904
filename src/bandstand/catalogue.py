"""What can be shown: items as rows of arrays, hashed once when they change."""

from collections.abc import Iterable
from functools import lru_cache
from sys import intern
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.events import ItemPut, ItemRemoved, decode, encode
from bandstand.features import categories, hashed, item_features, text

# A server may still decide from a version that the log has replaced; it lags by seconds, never by this long.
SUPERSEDED_KEPT_S = 3600.0


class Known(msgspec.Struct, frozen=True, gc=False):
    """An item as of the log position `version`; `written` is its fact as the log holds it, `categories` the attributes
    by which its likeness can be liked."""

    version: int
    written: bytes
    title: str | None
    tags: tuple[str, ...]
    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        # Many items share each, also where they were read from a snapshot.
        msgspec.structs.force_setattr(self, "categories", tuple(map(intern, self.categories)))

    @property
    def put(self) -> ItemPut:
        """The fact, read anew: a catalogue of texts takes a third of the room of one of objects."""
        return _read(self.written)


class Superseded(msgspec.Struct, frozen=True, gc=False):
    """What a learner still needs of a version that was replaced at `until`."""

    written: bytes
    until: float


class _Allowed(NamedTuple):
    """What may be shown from `since` until before `until`, unless an item changes."""

    since: float
    until: float
    mask: npt.NDArray[np.bool_]


class Catalogue(msgspec.Struct, dict=True):
    """Items by row. A row, once given to an id, is that id's for ever; a removed item's row is unavailable.

    `features` and `values` hold each row's features, padded with the first one and value 0; a feature is a place in
    `places`, where it is kept once for all items that have it. `showable` and `expires` say what may be shown when.
    """

    ids: list[str] = []
    rows: dict[str, int] = {}
    known: dict[int, Known] = {}
    tagged: dict[str, set[int]] = {}
    showable: npt.NDArray[np.bool_] = msgspec.field(default_factory=lambda: np.zeros(0, np.bool_))
    expires: npt.NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    interned: dict[int, int] = {}
    places: npt.NDArray[np.uint32] = msgspec.field(default_factory=lambda: np.zeros(1, np.uint32))
    features: npt.NDArray[np.int32] = msgspec.field(default_factory=lambda: np.zeros((0, 8), np.int32))
    values: npt.NDArray[np.float32] = msgspec.field(default_factory=lambda: np.zeros((0, 8), np.float32))
    superseded: dict[int, dict[int, Superseded]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, item: str) -> int:
        """The row of this id, given to it now if it is new: behaviour may be known before the item is."""
        row = self.rows.get(item)
        if row is None:
            row = self.rows[item] = len(self.ids)
            self.ids.append(item)
            self._reserve(row + 1)
        return row

    def put(self, put: ItemPut, *, version: int, at: float) -> int:
        row = self.row(put.item)
        self._retire(row, at)
        features = item_features(put.item, put.features, put.tags)
        places, values = hashed("i", features)
        self._widen(len(places))
        self.features[row] = 0
        self.features[row, : len(places)] = [self._intern(place) for place in places.tolist()]
        self.values[row] = 0
        self.values[row, : len(values)] = values
        self.__dict__.pop("_allowed", None)
        self.showable[row] = put.available
        self.expires[row] = np.inf if put.expires is None else put.expires
        self.known[row] = _known(put, version)
        for tag in put.tags:
            self.tagged.setdefault(tag, set()).add(row)
        return row

    def remove(self, fact: ItemRemoved, *, at: float) -> None:
        row = self.rows.get(fact.item)
        if row is not None:
            self._retire(row, at)
            self.known.pop(row, None)
            self.__dict__.pop("_allowed", None)
            self.showable[row] = False

    def allowed(self, now: float) -> npt.NDArray[np.bool_]:
        """A fresh mask over the rows of what may be shown at `now`."""
        known: _Allowed | None = self.__dict__.get("_allowed")
        if known is None or len(known.mask) < len(self.ids) or not known.since <= now < known.until:
            expires = self.expires[: len(self.ids)]
            lasting = expires > now
            since, until = expires[~lasting].max(initial=-np.inf), expires[lasting].min(initial=np.inf)
            known = _Allowed(float(since), float(until), self.showable[: len(self.ids)] & lasting)
            self.__dict__["_allowed"] = known
        return known.mask.copy()

    def shown(self, rows: npt.NDArray[np.int64], now: float) -> npt.NDArray[np.bool_]:
        """Which of these rows may be shown at `now`; a row of -1, of no item, may not."""
        if not self.ids:
            return np.zeros(len(rows), np.bool_)
        shown: npt.NDArray[np.bool_] = self.showable[rows] & (self.expires[rows] > now) & (rows >= 0)
        return shown

    def with_tags(self, tags: Iterable[str]) -> set[int]:
        """The rows that carry every one of `tags`."""
        found = [self.tagged.get(tag, set()) for tag in tags]
        return set.intersection(*found) if found else set(range(len(self.ids)))

    def learnable(self, item: str, version: int) -> str | None:
        """The features of that version as the learner reads them, or None where it is not held any more."""
        row = self.rows.get(item, -1)
        known = self.known.get(row)
        if known is not None and known.version == version:
            return _learnable(known.written)
        old = self.superseded.get(row, {}).get(version)
        return None if old is None else _learnable(old.written)

    def title(self, row: int) -> str:
        """What to call the item when talking to a person."""
        known = self.known.get(row)
        return known.title if known is not None and known.title is not None else self.ids[row]

    def _retire(self, row: int, at: float) -> None:
        """Keep the version that is about to go, for decisions already made from it; forget those long gone."""
        known = self.known.get(row)
        if known is None:
            return
        for tag in known.tags:
            self.tagged[tag].discard(row)
        old = {v: held for v, held in self.superseded.get(row, {}).items() if held.until > at - SUPERSEDED_KEPT_S}
        old[known.version] = Superseded(known.written, at)
        self.superseded[row] = old

    def _intern(self, place: int) -> int:
        """The number of a feature, given to it now if it is new."""
        number = self.interned.get(place)
        if number is None:
            number = self.interned[place] = len(self.interned) + 1
            if number >= len(self.places):
                self.places = np.pad(self.places, (0, max(64, len(self.places))))
            self.places[number] = place
        return number

    def _reserve(self, rows: int) -> None:
        have = len(self.showable)
        if rows > have:
            more = max(rows, 2 * have, 64) - have
            self.showable = np.pad(self.showable, (0, more))
            self.expires = np.pad(self.expires, (0, more), constant_values=np.inf)
            self.features = np.pad(self.features, ((0, more), (0, 0)))
            self.values = np.pad(self.values, ((0, more), (0, 0)))

    def _widen(self, width: int) -> None:
        more = width - self.features.shape[1]
        if more > 0:
            self.features = np.pad(self.features, ((0, 0), (0, more)))
            self.values = np.pad(self.values, ((0, 0), (0, more)))


def _known(put: ItemPut, version: int) -> Known:
    title = put.features.get("title")
    return Known(
        version,
        encode(put),
        title if isinstance(title, str) else None,
        put.tags,
        categories(put.features),
    )


def _read(written: bytes) -> ItemPut:
    fact = decode(written)
    assert isinstance(fact, ItemPut)
    return fact


@lru_cache(maxsize=65536)  # of the items shown lately, and only where somebody learns
def _learnable(written: bytes) -> str:
    put = _read(written)
    return text("i", item_features(put.item, put.features, put.tags))
