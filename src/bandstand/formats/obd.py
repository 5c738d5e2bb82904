"""The Open Bandit Dataset: a shop's logged decisions, one shown item a row, with their true propensities.

Y. Saito, S. Aihara, M. Matsutani, Y. Narita (2020), "Open Bandit Dataset and Pipeline", arXiv:2008.07146.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from bandstand import data
from bandstand.configuration import raw
from bandstand.errors import ConflictError, InputError
from bandstand.events import (
    AnyFact,
    Decided,
    Draft,
    Features,
    ItemPut,
    Pick,
    Request,
    Rewarded,
    Scalar,
    StrategyPut,
    SurfacePut,
)
from bandstand.features import context_features
from bandstand.formats import Format, Read, Refused, Target
from bandstand.formats.columns import number
from bandstand.formats.lines import lines
from bandstand.policy.baseline import Fixed, Random
from bandstand.state import State
from bandstand.store import EventLog, entries
from bandstand.strategy import Strategy, Surface

WINDOW_S = 600.0
_ITEMS = "item_context.csv"
# How often Bernoulli Thompson sampling shows each item, for the campaigns for which that ships.
_BTS_SHARES = {"men": "obd/action_dist_bts_men.csv"}
_FIRST_ROW = 2  # the line after the header


class Part(NamedTuple):
    """One campaign's rows from one logging policy, as the dataset's folders name them."""

    logger: str
    campaign: str
    rows: Path
    items: Path

    @property
    def surface(self) -> str:
        return f"obd-{self.campaign}"


class Shop(NamedTuple):
    """What all rows of a part have in common."""

    part: Part
    teaches: str
    items: dict[str, Features]
    candidates: tuple[str, ...]
    visitor: dict[str, float]


class Impression(msgspec.Struct, frozen=True):
    """The columns of a row that every campaign has; `position` counts from 1."""

    timestamp: Annotated[datetime, Meta(tz=True)]
    item_id: int
    position: Annotated[int, Meta(ge=1, le=100)]
    click: Literal[0, 1]
    propensity_score: Annotated[float, Meta(gt=0.0, le=1.0)]


_MUST = {
    "timestamp": "a time with its zone, as 2019-11-24 00:00:10+00:00",
    "item_id": "a whole number",
    "position": "a whole number from 1 to 100",
    "click": "0 or 1",
    "propensity_score": "above 0 and at most 1: how likely the logger was to show this item",
}


def read(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What a folder such as `random/men` says, or the file of rows in it.

    First come the surface, the strategies and the items, then a decision a row, in the file's order, and a reward for
    each click. ConflictError where the log has already passed the time of the first row.
    """
    part = located(path)
    shop = _shop(part, target.teaches, refused)
    _check_columns(part.rows, _MUST)
    begun = False
    for line, columns in _table(part.rows, refused):
        try:
            row = _impression(columns)
            decided = _decided(shop, row, columns, line)
        except ValueError as error:
            refused.add(part.rows, line, str(error))
            continue
        at = row.timestamp.timestamp()
        if not begun:
            begun = True
            yield from (Read(line, Draft(fact, at)) for fact in _opening(shop, target, at))
        yield Read(line, Draft(decided, at))
        if row.click:
            yield Read(line, Draft(_click(decided), at))


def _impression(columns: Mapping[str, str]) -> Impression:
    """The row. ValueError names the column, what it holds and what it must."""
    try:
        return msgspec.convert(columns, Impression, strict=False)
    except msgspec.ValidationError as error:
        name = str(error).rpartition("$.")[2].rstrip("`")
        raise ValueError(f"{name} is {columns[name]!r:.40}, must be {_MUST[name]}; correct it") from error


def located(path: Path) -> Part:
    """The part of the dataset at `path`; InputError where there is none."""
    if path.is_dir():
        found = [path / f"{path.name}{suffix}" for suffix in (".csv", ".csv.gz")]
        rows = next((file for file in found if file.exists()), None)
    else:
        rows = path if path.exists() else None
    items = path / _ITEMS if path.is_dir() else path.parent / _ITEMS
    if rows is None or not items.exists():
        raise InputError(
            f"obd '{path}': must be a folder such as 'random/men' with 'men.csv' or 'men.csv.gz' and '{_ITEMS}', "
            "or the file of rows in it",
            field="path",
        )
    folder = rows.resolve().parent
    return Part(folder.parent.name, folder.name, rows, items)


def fixed_policy(path: Path, campaign: str) -> Fixed:
    """The policy of a table `item_id,pos0,pos1,…`: how often each item is shown at each position."""
    table = {
        item_name(campaign, columns.pop("item_id")): [float(share) for share in columns.values()]
        for _, columns in _table(path, Refused())
    }
    return Fixed(table)


def item_name(campaign: str, item_id: object) -> str:
    """The item's id here: each campaign counts its own items from 0."""
    return f"{campaign}-{item_id}"


FORMAT = Format("obd", "a folder of the Open Bandit Dataset, such as random/men", read)


def _opening(shop: Shop, target: Target, at: float) -> Iterator[AnyFact]:
    """What must be known before the rows can be."""
    clock, known = _surveyed(target.log)
    if clock > at:
        raise ConflictError(
            f"obd '{shop.part.rows}': begins at {_iso(at)}, but the log has reached {_iso(clock)} and its clock "
            "never goes back; import into a database of its own"
        )
    campaign = shop.part.campaign
    strategies = {shop.teaches: Strategy(), "random": Strategy(generators={}, policy=Random())}
    if campaign in _BTS_SHARES:
        shares = fixed_policy(data.path(_BTS_SHARES[campaign]), campaign)
        strategies["bts"] = Strategy(generators={}, policy=shares)
    for name, strategy in strategies.items():
        if name not in known:
            yield StrategyPut(name, raw(strategy))
    yield SurfacePut(shop.part.surface, raw(Surface(strategy=shop.teaches, n=1, window_s=WINDOW_S)))
    yield from (ItemPut(item, features) for item, features in shop.items.items())


def _surveyed(log: EventLog) -> tuple[float, set[str]]:
    """What time it is in the log, and which strategies it defines."""
    clock, known = float("-inf"), set[str]()
    for entry in entries(log):
        clock = max(clock, entry.at)
        if isinstance(entry.fact, StrategyPut):
            known.add(entry.fact.name)
    return clock, known


def _decided(shop: Shop, row: Impression, columns: Mapping[str, str], number: int) -> Decided:
    """The row as a decision that was made elsewhere."""
    part = shop.part
    item = item_name(part.campaign, row.item_id)
    if item not in shop.items:
        raise ValueError(f"item_id is {row.item_id}, which {part.items.name} does not describe")
    offset = row.timestamp.utcoffset()
    request = Request(
        part.surface,
        row.timestamp.timestamp(),
        utc_offset_s=int(offset.total_seconds()) if offset is not None else 0,
        n=1,
        context=_context(columns),
        candidates=shop.candidates,
        first_position=row.position - 1,
    )
    pick = Pick(item, row.position - 1, row.propensity_score, score=0.0, features=shop.items[item])
    return Decided(
        decision=f"{part.surface}-{part.logger}-{number - _FIRST_ROW}",
        request=request,
        strategy=part.logger,
        picks=(pick,),
        as_of=0,
        teaches=(shop.teaches,),
        user=shop.visitor,
        context=context_features(request),
        imported=True,
    )


def _context(columns: Mapping[str, str]) -> dict[str, Scalar]:
    """What is known of the visitor: the hashed features, and the affinities that are not 0. There are no user ids."""
    out: dict[str, Scalar] = {}
    for name, value in columns.items():
        if name.startswith("user_feature_") and value:
            out[name] = value
        elif name.startswith("user-item_affinity_") and (affinity := number(value or 0, name)):
            out[name] = affinity
    return out


def _click(decided: Decided) -> Rewarded:
    (pick,) = decided.picks
    return Rewarded(
        decided.decision,
        "click",
        1.0,
        decided.request.surface,
        position=pick.position,
        item=pick.item,
        key="click",
    )


def _check_columns(path: Path, needed: Iterable[str]) -> None:
    """InputError where the file has not all of them."""
    header = next((_cells(text) for _, text in lines(path, Refused())), [])
    if lacking := [name for name in needed if name not in header]:
        raise InputError(
            f"obd '{path}': has no column {', '.join(lacking)}; there is: {', '.join(header) or 'nothing'}; get the "
            "file as the dataset has it",
            field="path",
        )


def _shop(part: Part, teaches: str, refused: Refused) -> Shop:
    items = _items(part, refused)
    nobody = State()
    return Shop(part, teaches, items, tuple(items), visitor=nobody.person(None, nobody.history(None, None)))


def _items(part: Part, refused: Refused) -> dict[str, Features]:
    found: dict[str, Features] = {}
    for _, columns in _table(part.items, refused):
        item = item_name(part.campaign, columns.pop("item_id", None))
        found[item] = {name: _number_or_text(value) for name, value in columns.items() if name and value}
    return found


def _number_or_text(value: str) -> float | str:
    try:
        number = float(value)
    except ValueError:
        return value
    return number if isfinite(number) else value


def _table(path: Path, refused: Refused) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file by column name, with their line numbers."""
    numbered = lines(path, refused)
    header = next((_cells(text) for _, text in numbered), [])
    for line, text in numbered:
        try:
            cells = _cells(text)
        except (ValueError, csv.Error) as error:
            refused.add(path, line, f"{error}; correct it")
            continue
        if len(cells) == len(header):
            yield line, dict(zip(header, cells, strict=True))
        else:
            refused.add(path, line, f"it has {len(cells)} cells, must have {len(header)} as the header; complete it")


def _cells(text: bytes) -> list[str]:
    (cells,) = csv.reader([text.decode()], strict=True)
    return cells


def _iso(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"
