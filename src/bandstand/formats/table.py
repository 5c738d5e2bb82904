"""Plain tables, as CSV or Parquet: decisions, interactions, items or users, whichever their columns name."""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from bandstand.errors import InputError
from bandstand.events import Entry, Interacted, Rewarded
from bandstand.formats import Format, Read, Refused, Target
from bandstand.formats.choices import chosen
from bandstand.formats.columns import Columns, Row, columns, described, happened
from bandstand.formats.files import cells, written
from bandstand.formats.lines import lines
from bandstand.formats.timeline import Described, Happened, timeline

HEADER = ("user_id", "session_id", "item_id", "event_type", "value", "timestamp", "key")
_SEPARATORS = (",", ";", "\t")
_BATCH = 10_000

Rows = Iterator[Row]


def read_csv(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What the rows say, interactions in the order of their times. InputError where the header does not say what they
    are."""
    meant, rows = opened(path, target, refused)
    yield from said(rows, meant, path, target, refused)


def opened(path: Path, target: Target, refused: Refused) -> tuple[Columns, Rows]:
    """What the columns of a CSV file mean, and its rows. The separator is the one of `,`, `;` and the tab that the
    header has most of."""
    texts = _texts(path, refused)
    first = next(texts, None)
    if first is None:
        raise InputError(f"csv '{path}': it is empty, must begin with a line that names its columns", field="path")
    if first[2]:
        raise InputError(f"csv '{path}': the line that names its columns cannot be read: {first[2]}", field="path")
    separator = max(_SEPARATORS, key=first[1].count)
    (header,) = csv.reader([first[1]], delimiter=separator)
    meant = columns(header, target.columns, where=f"csv '{path}'")
    return meant, _csv_rows(texts, header, separator)


def read_parquet(path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """The same of a Parquet file, some thousand rows at a time; rows count from 1. InputError where pyarrow is missing
    or cannot read the file."""
    file = _parquet(path)
    meant = columns(file.schema_arrow.names, target.columns, where=f"parquet '{path}'")
    yield from said(_parquet_rows(path, file, refused), meant, path, target, refused)


def write_csv(entries: Iterable[Entry], path: Path) -> int:
    """Put what people did into a table that `read_csv` reads, compressed where its name ends in `.gz`; how many rows.

    Interactions and rewards, which are interactions to whoever reads them again; nothing else of the log.
    """
    facts = ((entry, entry.fact) for entry in entries)
    did = (_cells(entry, fact) for entry, fact in facts if isinstance(fact, Interacted | Rewarded) and fact.item)
    return written(path, map(cells, chain([HEADER], did))) - 1


_TAKES = frozenset({"columns", "likes_from"})
CSV = Format(
    "csv", "a table of decisions, interactions, items or users, with a header", read_csv, write_csv, takes=_TAKES
)
PARQUET = Format("parquet", "the same as a Parquet file (needs bandstand[parquet])", read_parquet, takes=_TAKES)


def said(rows: Rows, meant: Columns, path: Path, target: Target, refused: Refused) -> Iterator[Read]:
    """What the rows say, by the kind of the table."""
    if meant.kind == "decisions":
        yield from chosen(rows, meant, path, target, refused)
    elif meant.kind == "interactions":
        yield from timeline(target, (), deeds(rows, meant, path, target, refused))
    else:
        yield from timeline(target, descriptions(rows, meant, path, refused), ())


def deeds(rows: Rows, meant: Columns, path: Path, target: Target, refused: Refused) -> Iterator[Happened]:
    """What the rows of a table of interactions say that somebody did."""
    for row in rows:
        try:
            yield happened(row.sound(), meant, target, row.line)
        except ValueError as error:
            refused.add(path, row.line, str(error))


def descriptions(rows: Rows, meant: Columns, path: Path, refused: Refused) -> Iterator[Described]:
    """What the rows of a table of items or users say of them."""
    for row in rows:
        try:
            yield described(row.sound(), meant, row.line)
        except ValueError as error:
            refused.add(path, row.line, str(error))


def _texts(path: Path, refused: Refused) -> Iterator[tuple[int, str, str]]:
    """The lines with their numbers, and what is wrong with each as text, if anything."""
    for line, body in lines(path, refused, blanks=True):
        try:
            text, fault = body.decode(), ""
        except UnicodeDecodeError as error:
            text, fault = body.decode(errors="replace"), f"{error}; convert the file to UTF-8"
        if "\0" in text:
            text, fault = text.replace("\0", ""), fault or "it holds a NUL character; remove it"
        yield line, text, fault


def _csv_rows(texts: Iterator[tuple[int, str, str]], header: list[str], separator: str) -> Rows:
    """The cells of each row by column. A cell in quotes may hold line ends; a row counts as its last line."""
    read: list[tuple[int, str, str]] = []

    def fed() -> Iterator[str]:
        for one in texts:
            read.append(one)
            yield f"{one[1]}\n"

    table = csv.reader(fed(), delimiter=separator, strict=True)
    while True:
        read.clear()
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            for line, text, _ in (read[0], *read[1:][-1:]):
                yield Row(line, dict(zip(header, text.split(separator), strict=False)), f"{error}; correct its quotes")
            continue
        fault = next((fault for _, _, fault in read if fault), "")
        if not fault and len(cells) != len(header):
            fault = f"it has {len(cells)} cells, must have {len(header)} as the header; complete or quote them"
        yield Row(read[-1][0], dict(zip(header, cells, strict=False)), fault)


def _parquet(path: Path) -> Any:
    try:
        # Only whoever reads such files needs the library; it weighs 50 MB.
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError(
            "format 'parquet': needs pyarrow, which is not installed; pip install 'bandstand[parquet]'", field="format"
        ) from error
    try:
        return parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise InputError(f"parquet '{path}': cannot be read ({error}); get a new copy", field="path") from error


def _parquet_rows(path: Path, file: Any, refused: Refused) -> Rows:
    number = 0
    batches = file.iter_batches(batch_size=_BATCH)
    while True:
        try:
            batch = next(batches, None)
        except OSError as error:
            refused.add(path, number + 1, f"the file is damaged from here on ({error}); get a new copy")
            return
        if batch is None:
            return
        for row in batch.to_pylist():
            number += 1
            yield Row(number, row)


def _cells(entry: Entry, fact: Interacted | Rewarded) -> tuple[str, ...]:
    time = entry.at if fact.time is None else fact.time
    cells = (fact.user, fact.session, fact.item, fact.name, repr(fact.value), repr(time), f"{entry.seq}@{entry.at!r}")
    return tuple(cell or "" for cell in cells)
