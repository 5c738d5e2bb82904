"""RecBole's atomic files: tables of tabs whose header says the type of each column, as `item_id:token`.

W. X. Zhao et al. (2021), "RecBole: towards a unified, comprehensive and efficient framework for recommendation
algorithms", CIKM; the types are those of its documentation.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from bandstand.errors import InputError
from bandstand.events import Feature
from bandstand.formats import Format, Read, Refused, Target
from bandstand.formats.columns import Columns, columns, described, happened, number
from bandstand.formats.lines import lines
from bandstand.formats.timeline import Described, Happened, timeline

TYPES = ("token", "token_seq", "float", "float_seq")
# A sequence of tokens with such a word in its name is prose.
_PROSE = ("title", "name", "text", "description")


class Atomic(NamedTuple):
    """A file, the type of each of its columns, and what they mean."""

    path: Path
    types: Mapping[str, str]
    meant: Columns


def read(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What the `.inter` file says, in the order of its times, after the `.item` and the `.user` file beside it.
    InputError where there is none of them, or a header says no types."""
    files = _files(path, target)
    about = chain.from_iterable(_described(files[suffix], refused) for suffix in (".item", ".user") if suffix in files)
    did = _happened(files[".inter"], target, refused) if ".inter" in files else iter(())
    yield from timeline(target, about, did)


FORMAT = Format(
    "recbole",
    "RecBole's atomic files: a folder with .inter, .item and .user, or one of them",
    read,
    takes=frozenset({"columns", "likes_from"}),
)


def _located(path: Path) -> dict[str, Path]:
    files = sorted(path.iterdir()) if path.is_dir() else sorted(path.parent.glob(f"{path.stem}.*"))
    found: dict[str, Path] = {}
    for file in files:
        if file.suffix in (".inter", ".item", ".user"):
            if file.suffix in found:
                raise InputError(
                    f"recbole '{path}': has two files '*{file.suffix}'; name one of them: those of the same name are "
                    "read with it",
                    field="path",
                )
            found[file.suffix] = file
    if not found:
        raise InputError(f"recbole '{path}': must be a folder with '*.inter', '*.item' or '*.user'", field="path")
    return found


def _files(path: Path, target: Target) -> dict[str, Atomic]:
    """By suffix; a column that the caller names must be in one of them."""
    located = _located(path)
    types = {suffix: _typed(file) for suffix, file in located.items()}
    for role, column in target.columns.items():
        if not any(column in one for one in types.values()):
            raise InputError(f"map {role}={column}: no file of recbole '{path}' has this column", field="map")
    files = {}
    for suffix, file in located.items():
        given = {role: column for role, column in target.columns.items() if column in types[suffix]}
        files[suffix] = Atomic(file, types[suffix], columns(types[suffix], given, where=f"recbole '{file}'"))
    return files


def _described(file: Atomic, refused: Refused) -> Iterator[Described]:
    for line, row in _rows(file, refused):
        try:
            yield described(row, file.meant, line)
        except ValueError as error:
            refused.add(file.path, line, str(error))


def _happened(file: Atomic, target: Target, refused: Refused) -> Iterator[Happened]:
    for line, row in _rows(file, refused):
        try:
            yield happened(row, file.meant, target, line)
        except ValueError as error:
            refused.add(file.path, line, str(error))


def _typed(path: Path) -> dict[str, str]:
    """The type of each column, as the first line says. InputError where it does not."""
    _, header = next(lines(path, Refused(), blanks=True), (0, b""))
    types = {}
    for cell in header.decode(errors="replace").split("\t"):
        name, _, kind = cell.strip().partition(":")
        if kind not in TYPES:
            raise InputError(
                f"recbole '{path}': column {cell[:40]!r} says no type, must end in one of {', '.join(TYPES)} as in "
                "item_id:token",
                field="path",
            )
        types[name] = kind
    return types


def _rows(file: Atomic, refused: Refused) -> Iterator[tuple[int, dict[str, object]]]:
    """The cells of each line by column, as their types say."""
    for line, body in islice(lines(file.path, refused, blanks=True), 1, None):
        cells = body.split(b"\t")
        if len(cells) != len(file.types):
            refused.add(file.path, line, f"it has {len(cells)} cells, must have {len(file.types)} as the header")
            continue
        row: dict[str, object] = {}
        try:
            for (name, kind), cell in zip(file.types.items(), cells, strict=True):
                row[name] = _cell(cell.decode(), kind, name)
        except UnicodeDecodeError as error:
            refused.add(file.path, line, f"{error}; convert the file to UTF-8")
        except ValueError as error:
            refused.add(file.path, line, str(error))
        else:
            yield line, row


def _cell(cell: str, kind: str, name: str) -> Feature | None:
    if not cell:
        return None
    match kind:
        case "float":
            return number(cell, name)
        case "float_seq":
            return [number(part, name) for part in cell.split(" ") if part]
        case "token_seq" if not any(word in name.lower() for word in _PROSE):
            return [part for part in cell.split(" ") if part]
        case _:
            return cell
