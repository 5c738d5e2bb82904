"""A table of choices: each row an item that was shown, with its probability; rows of one decision follow each other."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec

from bandstand.chance import bits
from bandstand.events import Decided, Draft, Features, Inline, ItemPut, Pick, Request, Rewarded, Scalar, decode
from bandstand.features import context_features
from bandstand.formats import Read, Refused, Target
from bandstand.formats.columns import Columns, Row, checked, feature, identity, is_nothing, number, seconds
from bandstand.formats.opening import Opening
from bandstand.state import State
from bandstand.strategy import LONGEST_SLATE

SURFACE = LOGGER = "imported"
_LAST_POSITION = 10_000
_ITEM, _CONTEXT = "item.", "context."
_PROBABLE = "must be above 0 and at most 1: how likely the logger was to show this item; correct it"


class Choice(msgspec.Struct, frozen=True):
    """A row: an item at a position, and all that is said of the decision."""

    decision: str
    request: Request
    position: int
    item: str
    propensity: float
    features: Features
    rewards: dict[str, float]


def chosen(rows: Iterable[Row], meant: Columns, path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """Decisions in the order of the table, each with what it earned; before them the items that the log does not know.

    A decision with a bad row is left out whole, for its propensities belong together; so is one beside which rows were
    lost, as where the file is damaged, for they may have been its own.
    """
    opening, known = Opening(target), _items(target)
    lost = False
    for of, together in groupby(rows, key=lambda row: _shared(row, meant)):
        found, wrong, line, told, so_far = list[Choice](), "", 0, refused.count, refused.count
        beside, alone = lost, isinstance(of, int)
        for row in together:
            line = row.line
            try:
                if not wrong:
                    found.append(_choice(row.sound(), meant, target, line, len(found)))
                    _fits(found)
            except ValueError as error:
                wrong = f"{error}; its decision is left out"
                refused.add(path, line, wrong)
                told += 1
            so_far = refused.count
        lost = refused.count > so_far
        if (beside or so_far > told or lost) and not alone and not wrong:
            wrong = f"decision {of!r} stands beside rows that were lost, and may lack them; it is left out"
            refused.add(path, line, wrong)
        if not wrong:
            yield from (Read(line, draft) for draft in _said(found, known, target, opening))


def _shared(row: Row, meant: Columns) -> str | int:
    """What rows of one decision share; a row without it stands for itself."""
    found = row.cells.get(meant.of["decision"]) if "decision" in meant.of else None
    return row.line if is_nothing(found) else str(found)


def _choice(row: Mapping[str, object], meant: Columns, target: Target, line: int, place: int) -> Choice:
    item = identity(row, meant, "item")
    if item is None:
        raise ValueError("it names no item; there must be one")
    propensity = _propensity(row.get(meant.of["propensity"]))
    others = {name: feature(row[name]) for name in meant.others if not is_nothing(row.get(name))}
    surface = identity(row, meant, "surface") or SURFACE
    time = seconds(row.get(meant.of["time"]), now=target.now) if "time" in meant.of else target.now
    context = {name.removeprefix(_CONTEXT): one for name, one in others.items() if not name.startswith(_ITEM)}
    decision = identity(row, meant, "decision") or f"{surface}-{bits(*map(str, row.values())):016x}-{line}"
    given = row.get(meant.of["candidates"]) if "candidates" in meant.of else None
    return Choice(
        decision,
        Request(
            surface,
            time,
            user=identity(row, meant, "user"),
            session=identity(row, meant, "session"),
            context={name: _scalar(name, one) for name, one in context.items()},
            candidates=None if is_nothing(given) else tuple(_candidates(given)),
        ),
        _position(row, meant, place),
        item,
        propensity,
        {name.removeprefix(_ITEM): one for name, one in others.items() if name.startswith(_ITEM)},
        {
            name: _earned(row[column], column)
            for name, column in meant.rewards.items()
            if not _is_empty(row.get(column))
        },
    )


def _propensity(given: object) -> float:
    """ValueError for what is no probability of something that happened."""
    if is_nothing(given):
        raise ValueError(f"propensity is {'missing' if _is_empty(given) else given}, {_PROBABLE}")
    found = number(given, "propensity")
    if not 0.0 < found <= 1.0:
        raise ValueError(f"propensity is {found}, {_PROBABLE}")
    return found


def _earned(given: object, column: str) -> float:
    """ValueError for what is no number. An empty cell says that nothing came; what is no number says nothing."""
    try:
        return number(given, column)
    except ValueError as error:
        raise ValueError(f"{error}; leave it empty where nothing came") from error


def _fits(found: list[Choice]) -> None:
    """ValueError where the last row does not fit those above it."""
    *above, last = found
    if len(found) > LONGEST_SLATE:
        raise ValueError(f"it is row {len(found)} of its decision, which must have at most {LONGEST_SLATE}; divide it")
    if any(one.item == last.item for one in above):
        raise ValueError(f"item {last.item!r} is there twice, must be once in a decision")
    if any(one.position == last.position for one in above):
        raise ValueError(f"position {last.position} is there twice, must be once in a decision")
    named = last.request.candidates
    if named is not None and last.item not in {one.item if isinstance(one, Inline) else one for one in named}:
        raise ValueError(f"item is {last.item!r}, must be one of the candidates")


def _said(found: list[Choice], known: dict[str, Features], target: Target, opening: Opening) -> Iterator[Draft]:
    first = found[0].request
    placed = sorted(found, key=attrgetter("position"))
    picks = tuple(
        Pick(one.item, one.position, one.propensity, score=0.0, features=known.get(one.item, {}) | one.features)
        for one in placed
    )
    request = msgspec.structs.replace(first, n=len(picks), first_position=picks[0].position)
    decided = Decided(
        found[0].decision,
        request,
        LOGGER,
        picks,
        as_of=0,
        teaches=(target.teaches,),
        user=_NOBODY,
        context=context_features(request),
        imported=True,
    )
    yield from opening.before(decided, request.time)
    names = [one for one in request.candidates or () if isinstance(one, str)]
    for item in dict.fromkeys((*names, *(pick.item for pick in picks))):
        if item not in known and not (request.candidates and item not in names):
            known[item] = next((pick.features or {} for pick in picks if pick.item == item), {})
            yield Draft(ItemPut(item, known[item]), request.time)
    yield Draft(decided, request.time)
    for one in placed:
        for name, value in one.rewards.items():
            if value:
                yield Draft(_reward(decided, one, name, value), request.time)


def _reward(decided: Decided, choice: Choice, name: str, value: float) -> Rewarded:
    request = decided.request
    who = (choice.item, request.user, request.session)
    key = f"{name} {choice.position}"
    return Rewarded(decided.decision, name, value, request.surface, choice.position, *who, request.time, key)


def _position(row: Mapping[str, object], meant: Columns, place: int) -> int:
    """As the row says, or else the row's place in its decision."""
    given = row.get(meant.of["position"]) if "position" in meant.of else None
    if is_nothing(given):
        return place
    found = number(given, "position")
    if not found.is_integer() or not 0 <= found <= _LAST_POSITION:
        raise ValueError(f"position is {given}, must be a whole number from 0 to {_LAST_POSITION}")
    return int(found)


def _scalar(name: str, value: object) -> Scalar:
    if not isinstance(value, str | bool | int | float):
        raise ValueError(f"column {name!r} holds a list, must hold a number or a text")
    return value


def _candidates(given: object) -> Iterator[str | Inline]:
    """Of `a|b`, a list of ids, or a list (also as JSON) of objects with `item` and features."""
    if isinstance(given, str):
        given = _listed(given) if given.lstrip().startswith("[") else given.split("|")
    for one in given if isinstance(given, list | tuple) else (given,):
        if isinstance(one, dict):
            described = {str(name): feature(value) for name, value in one.items() if not is_nothing(value)}
            yield Inline(checked(str(described.pop("item", "")), "candidate"), described)
        else:
            yield checked(str(one), "candidate")


def _listed(given: str) -> list[object]:
    try:
        return msgspec.json.decode(given, type=list[object])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"candidates is {given[:40]!r}, must be a|b or a list in JSON ({error})") from error


def _is_empty(value: object) -> bool:
    """Whether there is nothing in the cell; what says that it is no number is something."""
    return value is None or value == ""


def _items(target: Target) -> dict[str, Features]:
    """The items that the log describes."""
    found: dict[str, Features] = {}
    after = 0
    while page := target.log.scan(("itemput",), after=after):
        for after, _, _, body in page:  # noqa: B007 - the last one tells where to go on
            fact = decode(body)
            if isinstance(fact, ItemPut):
                found[fact.item] = fact.features
    return found


_STATE = State()
_NOBODY = _STATE.person(None, _STATE.history(None, None))
