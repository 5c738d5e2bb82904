"""What the columns of a table mean: by their names, or as the caller says; and what a row of it then says."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from bandstand.errors import InputError
from bandstand.events import Feature, Features, Interacted, ItemPut, UserPut
from bandstand.formats import Target
from bandstand.formats.timeline import Described, Happened, key

Role = Literal[
    "user",
    "session",
    "item",
    "time",
    "name",
    "value",
    "key",
    "decision",
    "propensity",
    "position",
    "surface",
    "candidates",
    "reward",
]
Kind = Literal["interactions", "items", "users", "decisions"]

# In lower case and without what stands between words; of several columns that fit, the one named first here.
NAMES: dict[Role, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "visitor", "visitorid", "customer", "customerid", "reviewerid"),
    "session": ("session", "sessionid"),
    "item": ("item", "itemid", "iid", "product", "productid", "sku", "movie", "movieid", "asin", "articleid"),
    "time": ("time", "timestamp", "ts", "datetime", "date", "eventtime", "unixreviewtime", "createdat"),
    "name": ("eventtype", "eventname", "event", "action", "behavior", "type"),
    "value": ("value", "eventvalue", "rating", "score", "overall"),
    "key": ("key", "eventid"),
    "decision": ("decision", "decisionid", "requestid", "impressionid", "slateid", "rankingid"),
    "propensity": ("propensity", "propensityscore", "pscore", "actionprob", "actionprobability"),
    "position": ("position", "slot"),
    "surface": ("surface", "placement"),
    "candidates": ("candidates", "actions", "actionset"),
    "reward": ("reward", "click", "clicked"),
}
_OF_INTERACTIONS: tuple[Role, ...] = ("user", "session", "item", "time", "name", "value", "key")
_OF_DECISIONS: tuple[Role, ...] = (
    *("user", "session", "item", "time"),
    *("decision", "propensity", "position", "surface", "candidates"),
)
_ACTIONS = ("action", "actionid", "arm", "armid")
_REWARD = re.compile(r"reward[.:_](.+)", re.IGNORECASE)
TITLES = ("title", "name", "itemname", "itemtitle", "movietitle", "productname", "producttitle")
LONGEST_ID = 256
A_DAY_S = 86400.0
_SEPARATORS = re.compile(r"[^a-z0-9]")
_NOTHING = ("", "nan", "null", "none", "na", "n/a")
# Beyond these, seconds since the epoch are after the year 5138: the number counts milliseconds, or less.
_FINER = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


class Columns(NamedTuple):
    """The column of each role, those of each reward by its name, and those that describe."""

    kind: Kind
    of: Mapping[Role, str]
    others: tuple[str, ...]
    rated: bool
    rewards: Mapping[str, str] = MappingProxyType({})


class Row(NamedTuple):
    """A line of a table by its columns. One with a fault lacks some, or has others than it should."""

    line: int
    cells: Mapping[str, object]
    fault: str = ""

    def sound(self) -> Mapping[str, object]:
        """The cells. ValueError where they are not what the line said."""
        if self.fault:
            raise ValueError(self.fault)
        return self.cells


def columns(header: Iterable[str], given: Mapping[str, str], *, where: str) -> Columns:
    """What the columns mean. InputError where a role or a column is not known, or where neither users nor items are
    named."""
    names = list(header)
    of: dict[Role, str] = {}
    rewards: dict[str, str] = {}
    for role, column in given.items():
        if column not in names:
            raise InputError(f"{where}: there is no column {column!r}; there is: {', '.join(names)}", field="map")
        if (reward := _REWARD.fullmatch(role)) is not None:
            rewards[reward[1]] = column
        elif role == "reward":
            rewards["reward"] = column
        elif role not in NAMES:
            raise InputError(f"map {role}={column}: role is not known; known: {', '.join(NAMES)}", field="map")
        else:
            of[role] = column
    free = {_plain(name): name for name in reversed(names) if name not in of.values()}
    for role, known in NAMES.items():
        found = next((free[name] for name in known if name in free), None)
        if role not in of and found is not None:
            of[role] = found
    if "propensity" in of:
        return _decisions(names, of, rewards, free, where)
    told = rewards or any(_plain(name) in NAMES["reward"] or _REWARD.fullmatch(name) for name in names)
    if "decision" in of and (told or not of.keys() & {"user", "session"}):
        raise InputError(
            f"{where}: column {of['decision']!r} tells of decisions, and none tells how likely each was; say which "
            f"does with --map propensity=COLUMN, or leave {of['decision']!r} out",
            field="map",
        )
    of = {role: column for role, column in of.items() if role in _OF_INTERACTIONS}
    if "item" in of and of.keys() & {"user", "session"}:
        kind: Kind = "interactions"
    elif "item" in of or "user" in of:
        kind = "items" if "item" in of else "users"
        of = {kind_role: of[kind_role] for kind_role in of if kind_role in ("item", "user")}
    else:
        raise InputError(
            f"{where}: its columns ({', '.join(names):.200}) name neither items nor users; say which do with "
            "--map item=COLUMN,user=COLUMN",
            field="map",
        )
    others = tuple(name for name in names if name and name not in of.values())
    return Columns(kind, of, others, rated="rating" in _plain(of.get("value", "")))


def _decisions(
    names: list[str], of: dict[Role, str], rewards: dict[str, str], free: Mapping[str, str], where: str
) -> Columns:
    """What the columns of a table with propensities mean. InputError where none names the item that was shown."""
    item = of.get("item") or next((free[name] for name in _ACTIONS if name in free), None)
    if item is None:
        raise InputError(f"{where}: no column names the item that was shown; say which does with --map item=COLUMN")
    plain = {_plain(name): name for name in names}
    found = {name: plain[name] for name in NAMES["reward"] if name in plain}
    found |= {match[1]: name for name in names if (match := _REWARD.fullmatch(name)) is not None}
    # What came of a decision must never be taken for what was known before, so these are rewards, named or not.
    rewards |= {name: column for name, column in found.items() if column not in rewards.values()}
    of = {role: column for role, column in of.items() if role in _OF_DECISIONS} | {"item": item}
    taken = {*of.values(), *rewards.values()}
    return Columns("decisions", of, tuple(name for name in names if name and name not in taken), False, rewards)


def happened(row: Mapping[str, object], meant: Columns, target: Target, line: int) -> Happened:
    """What the row says that somebody did. ValueError where it does not."""
    user, session = identity(row, meant, "user"), identity(row, meant, "session")
    item = identity(row, meant, "item")
    if item is None or (user is None and session is None):
        raise ValueError("it names no item, or nobody; both must be there")
    time = None
    if "time" in meant.of:
        time = seconds(row.get(meant.of["time"]), now=target.now)
    given = row.get(meant.of["value"]) if "value" in meant.of else None
    value = 1.0 if given in (None, "") and not meant.rated else number(given, "value")
    name = str(row.get(meant.of["name"]) or "") if "name" in meant.of else ""
    return did(
        target,
        line,
        user=user,
        session=session,
        item=item,
        name=name or ("rating" if meant.rated else "interaction"),
        value=value,
        time=time,
        own_key=identity(row, meant, "key"),
    )


def did(
    target: Target,
    line: int,
    *,
    user: str | None,
    item: str,
    name: str,
    value: float,
    time: float | None,
    session: str | None = None,
    own_key: str | None = None,
) -> Happened:
    """The fact; a value below the one from which a rating says that it was liked becomes how far it is below."""
    if target.likes_from is not None and value < target.likes_from:
        value -= target.likes_from
    fact = Interacted(item, name, user=user, session=session, value=value, time=time)
    unique = key(fact, line=line) if own_key is None else f"import/{own_key}"
    return Happened(line, msgspec.structs.replace(fact, key=unique))


def described(row: Mapping[str, object], meant: Columns, line: int) -> Described:
    """What the row says of an item or a user. ValueError where it does not."""
    role: Role = "item" if meant.kind == "items" else "user"
    id_ = identity(row, meant, role)
    if id_ is None:
        raise ValueError(f"it names no {role}; there must be one")
    features = {feature_name(name): feature(row[name]) for name in meant.others if not is_nothing(row.get(name))}
    title = next((name for name in features if _plain(name) in TITLES), None)
    if title is not None and role == "item":
        features["title"] = str(features.pop(title))
    return Described(line, ItemPut(id_, features) if role == "item" else UserPut(id_, features))


def identity(row: Mapping[str, object], meant: Columns, role: Role) -> str | None:
    """The id in this role, None where there is none. ValueError for one that nobody could ask for."""
    found = row.get(meant.of[role]) if role in meant.of else None
    if found is None or found == "" or found != found:  # the last is a NaN, for which some tables have it
        return None
    if isinstance(found, float) and found.is_integer():
        found = int(found)  # where some are missing, whole numbers are kept as fractions
    return checked(str(found), role)


def checked(id_: str, role: str) -> str:
    """The id. ValueError where it is too long, blank, or holds what no database keeps."""
    if not id_.strip() or len(id_) > LONGEST_ID or "\0" in id_:
        raise ValueError(f"{role} {id_[:40]!r} must have from 1 to {LONGEST_ID} characters, and no NUL")
    return id_


def seconds(value: object, *, now: float) -> float:
    """Seconds since the epoch: of a number in these, or in milli-, micro- or nanoseconds, or of a date; one without a
    time zone is taken as UTC. ValueError for what is none, and for the future."""
    if isinstance(value, datetime):
        found = (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    else:
        try:
            found = number(value, "time")
        except ValueError:
            return seconds(_date(value), now=now)
        found /= next((unit for least, unit in _FINER if found >= least), 1.0)
    if found > now + A_DAY_S:
        raise ValueError(f"time is {value}, which is in the future; correct it")
    return found


def _date(value: object) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError as error:
        message = f"time is {str(value)[:40]!r}, must be seconds since the epoch or a date as 2026-11-21T12:00:00Z"
        raise ValueError(message) from error


def number(value: object, what: str) -> float:
    """ValueError where it is none that is finite."""
    try:
        found = float(value) if isinstance(value, str | int | float | Decimal) else float("nan")
    except (ValueError, OverflowError):
        found = float("nan")
    if not isfinite(found):
        raise ValueError(f"{what} is {str(value)[:40]!r}, must be a finite number")
    return found


def feature(value: object) -> Feature:
    """A cell as a feature: numbers as numbers, `a|b` as a list. ValueError for what is none of these, nor text."""
    match value:
        case bool() | int():
            return value
        case float() | Decimal():
            return number(value, "a feature")
        case str():
            if "|" in value:
                return [part for part in (piece.strip() for piece in value.split("|")) if part]
            return _number_or_text(value)
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return [part if isinstance(part, str) else number(part, "a feature") for part in value]
        case _:
            raise ValueError(f"{str(value)[:40]!r} is neither number, text nor list; leave its column out")


def feature_name(column: str) -> str:
    """As it is written, but for capitals throughout."""
    return column.lower() if column.isupper() else column


def is_nothing(value: object) -> bool:
    """Whether the cell is empty."""
    if isinstance(value, float):
        return value != value
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def tidy(features: Mapping[str, Feature | None]) -> Features:
    """The features that are there."""
    return {name: value for name, value in features.items() if value is not None and value not in ("", [])}


def _number_or_text(value: str) -> float | str:
    try:
        found = float(value)
    except ValueError:
        return value
    return found if isfinite(found) else value


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())
