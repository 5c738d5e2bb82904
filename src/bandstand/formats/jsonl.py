"""JSON lines: a catalogue of products or items, and the log itself, written out and read back."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from bandstand.errors import InputError
from bandstand.events import (
    AnyFact,
    Decided,
    Draft,
    Entry,
    ExperimentMoved,
    ExperimentPut,
    Exposed,
    Feature,
    Features,
    ItemPut,
    Rewarded,
    RulePut,
    StrategyPut,
    SurfacePut,
)
from bandstand.formats import Format, Read, Refused, Target
from bandstand.formats.files import written
from bandstand.formats.lines import lines
from bandstand.state import State

Id = Annotated[str, Meta(min_length=1, max_length=256)]
Time = Annotated[datetime, Meta(tz=True)]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the log, as `write` puts it down."""

    seq: int
    at: float
    fact: AnyFact


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An item, as `PUT /v1/items` takes it."""

    item: Id
    features: Features = {}
    tags: tuple[Id, ...] = ()
    available: bool = True
    expires: Time | float | None = None


class Product(msgspec.Struct, frozen=True):
    """What has a meaning of its own in a shop's product; its further columns become features as they are."""

    id: Id
    current_stock: float | None = None


_RENAMED = {"name": "title", "description": "text", "gender_affinity": "gender"}
_LEFT_OUT = {"id", "current_stock", "where_visible", "link", "image_license"}  # neither describe it nor help to show it

# ValueError: a number out of range, or text that is not UTF-8.
_WRONG = (msgspec.MsgspecError, ValueError, RecursionError, InputError)

_DECISIONS_KNOWN = 100_000
_ROUNDING = 1e-9  # shares of a draw may add to a little more than 1
_line = msgspec.json.Decoder(Line)
_json = msgspec.json.Encoder()


def read(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What a catalogue or an exported log says; which of the two it is shows in its first line."""
    numbered = lines(path, refused)
    first = list(islice(numbered, 1))
    everything = chain(first, numbered)
    if any(_is_entry(text) for _, text in first):
        return _log(path, everything, refused)
    return _catalogue(path, everything, target.now, refused)


def write(entries: Iterable[Entry], path: Path) -> int:
    """Put the entries into a file, compressed where its name ends in `.gz`; how many they were.

    The file is written whole or not at all, and the same entries always give the same bytes.
    """
    return written(path, (_json.encode(Line(*entry)) for entry in entries))


FORMAT = Format("jsonl", "a catalogue, one product or item a line; or the log itself", read, write)


def _is_entry(text: bytes) -> bool:
    try:
        described = msgspec.json.decode(text)
    except _WRONG:
        return False
    return isinstance(described, dict) and "fact" in described


def _log(path: Path, numbered: Iterable[tuple[int, bytes]], refused: Refused) -> Iterator[Read]:
    """Entries without a gap. Decisions name positions of the log, so nothing is read past a line that is missing."""
    expected, state = 1, State()
    shown: dict[str, frozenset[int]] = {}
    for number, text in numbered:
        try:
            line = _line.decode(text)
            if line.seq != expected:
                raise ValueError(f"seq is {line.seq}, must be {expected}")
            _check_defined(state, Entry(line.seq, line.at, line.fact))
            if isinstance(line.fact, Decided):
                _check_probable(line.fact)
            _check_shown(shown, line.fact)
        except _WRONG as error:
            refused.add(path, number, f"{error}; the rest is left out too, for it would lose its place in the log")
            return
        yield Read(number, Entry(line.seq, line.at, line.fact))
        expected += 1


def _check_defined(state: State, entry: Entry) -> None:
    """ValueError where the fact names what no entry above it defines: a log with it could be read by nobody. `state` is
    told of definitions alone."""
    fact = entry.fact
    if isinstance(fact, Decided | Rewarded):
        surface = fact.surface if isinstance(fact, Rewarded) else fact.request.surface
        if surface not in state.surfaces:
            known = ", ".join(sorted(state.surfaces)) or "none"
            raise ValueError(
                f"surface {surface!r} of decision {fact.decision!r} is not defined above, must be one of: {known}; "
                "export the whole log, or put the surface first"
            )
    elif isinstance(fact, SurfacePut | StrategyPut | RulePut | ExperimentPut | ExperimentMoved):
        try:
            state.apply(entry)
        except KeyError as error:
            raise ValueError(
                f"{fact.name!r} ({type(fact).__name__}) names {error}, which is not defined above; export the whole log"
            ) from error


def _check_shown(shown: dict[str, frozenset[int]], fact: AnyFact) -> None:
    """ValueError where something came for a position that its slate does not have: no estimate would hear of it.
    `shown` holds the positions of the latest decisions, this one's too."""
    match fact:
        case Decided():
            shown[fact.decision] = frozenset(pick.position for pick in fact.picks)
            if len(shown) > _DECISIONS_KNOWN:
                del shown[next(iter(shown))]
            return
        case Rewarded():
            named: tuple[int, ...] = () if fact.position is None else (fact.position,)
        case Exposed():
            named = fact.positions or ()
        case _:
            return
    positions = shown.get(fact.decision)
    for position in named:
        if positions is not None and position not in positions:
            known = ", ".join(map(str, sorted(positions))) or "none"
            raise ValueError(
                f"decision {fact.decision!r}: position is {position}, must be one of those it shows: {known}; get the "
                "file as it was exported"
            )


def _check_probable(decided: Decided) -> None:
    """ValueError where something that was shown was not possible, for no estimate could be made of such a log."""
    for pick in decided.picks:
        if not 0.0 < pick.propensity <= 1.0 + _ROUNDING:
            raise ValueError(
                f"decision {decided.decision!r}: the propensity of {pick.item!r} is {pick.propensity}, must be above 0 "
                "and at most 1; get the file as it was exported"
            )


def _catalogue(path: Path, numbered: Iterable[tuple[int, bytes]], now: float, refused: Refused) -> Iterator[Read]:
    for number, text in numbered:
        try:
            fact = _item(msgspec.json.decode(text))
        except _WRONG as error:
            refused.add(path, number, str(error))
        else:
            yield Read(number, Draft(fact, now))


def _item(described: object) -> ItemPut:
    if not isinstance(described, dict) or not described.keys() & {"item", "id"}:
        raise ValueError("it must be an object with an 'item' or an 'id'")
    if "item" not in described:
        return _product(described)
    item = msgspec.convert(described, Item)
    expires = item.expires.timestamp() if isinstance(item.expires, datetime) else item.expires
    return ItemPut(item.item, item.features, item.tags, item.available, expires)


def _product(columns: dict[str, object]) -> ItemPut:
    product = msgspec.convert(columns, Product)
    features = {
        _RENAMED.get(name, name): _feature(name, value)
        for name, value in columns.items()
        if name not in _LEFT_OUT and value is not None
    }
    return ItemPut(product.id, features, available=product.current_stock is None or product.current_stock > 0)


def _feature(name: str, value: object) -> Feature:
    try:
        feature: Feature = msgspec.convert(value, Feature)
    except msgspec.ValidationError as error:
        raise ValueError(f"column '{name}': {error}; leave it out") from error
    return feature
