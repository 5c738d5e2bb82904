"""Data sets as Amazon Personalize takes them: interactions, items and users, each a CSV file with names in capitals.

"Custom datasets and schemas", Amazon Personalize Developer Guide.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from bandstand.errors import InputError
from bandstand.events import Entry, Feature, Features, Interacted, ItemPut, ItemRemoved, Rewarded, UserPut
from bandstand.formats import Format, Read, Refused, Target
from bandstand.formats.files import cells, written
from bandstand.formats.table import deeds, descriptions, opened
from bandstand.formats.timeline import Described, Happened, timeline

# They neither describe an item or a user nor say what somebody did.
_APART = {"CREATION_TIMESTAMP", "IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE"}
_DID = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE")


def read(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What a folder of such files says, whatever their names, or a single one. InputError where there is none."""
    files = sorted(one for one in path.rglob("*.csv*") if one.is_file()) if path.is_dir() else [path]
    if not files:
        raise InputError(f"aws-personalize '{path}': holds no .csv file; name the folder that does", field="path")
    described: list[Iterator[Described]] = []
    did: list[Iterator[Happened]] = []
    for file in files:
        meant, rows = opened(file, target, refused)
        meant = meant._replace(others=tuple(name for name in meant.others if name.upper() not in _APART))
        if meant.kind == "decisions":
            raise InputError(f"aws-personalize '{file}': is a table of decisions; read it as csv", field="path")
        if meant.kind == "interactions":
            did.append(deeds(rows, meant, file, target, refused))
        else:
            described.append(descriptions(rows, meant, file, refused))
    yield from timeline(target, chain.from_iterable(described), chain.from_iterable(did))


def write(entries: Iterable[Entry], path: Path) -> int:
    """Put what people did into a new folder, with what is known of items and users in the end; how many things done.

    A reward is one where it names the item; a session without a user is a user. Times are whole seconds, for that is
    what the service takes.
    """
    if path.exists():
        raise InputError(f"aws-personalize '{path}': is there already; name a new folder", field="path")
    partial = path.with_name(f"{path.name}.partial")
    items: dict[str, Features] = {}
    users: dict[str, Features] = {}
    try:
        partial.mkdir(parents=True)
        did = _did(entries, items, users)
        count = written(partial / "interactions.csv", map(cells, chain([_DID], did)))
        written(partial / "items.csv", map(cells, _described("ITEM_ID", items)))
        written(partial / "users.csv", map(cells, _described("USER_ID", users)))
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"folder '{path}': cannot be written ({error.strerror}); check it", field="path") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return count - 1


FORMAT = Format(
    "aws-personalize",
    "a folder of CSV files as Amazon Personalize takes them: interactions, items, users",
    read,
    write,
    takes=frozenset({"columns", "likes_from"}),
)


def _did(
    entries: Iterable[Entry], items: dict[str, Features], users: dict[str, Features]
) -> Iterator[tuple[object, ...]]:
    """What people did; on the way it is noted what is said of items and users."""
    for entry in entries:
        match entry.fact:
            case ItemPut() as fact:
                items[fact.item] = fact.features | ({"tags": list(fact.tags)} if fact.tags else {})
            case ItemRemoved() as fact:
                items.pop(fact.item, None)
            case UserPut() as fact:
                users[fact.user] = fact.features
            case Interacted() | Rewarded() as fact if fact.item is not None and (who := fact.user or fact.session):
                yield who, fact.item, int(entry.at if fact.time is None else fact.time), fact.name, repr(fact.value)
            case _:
                pass


def _described(id_: str, known: Mapping[str, Features]) -> Iterator[tuple[str, ...]]:
    names = list(dict.fromkeys(chain.from_iterable(known.values())))
    yield id_, *names
    for one, features in known.items():
        yield one, *(_cell(features.get(name)) for name in names)


def _cell(value: Feature | None) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return "|".join(map(str, value))
        case float():
            return repr(value)
        case _:
            return str(value)
