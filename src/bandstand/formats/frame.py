"""A data frame of a notebook, read as a table is: of pandas, polars or Arrow, or arrays by their columns' names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bandstand.errors import InputError
from bandstand.formats import Read, Refused, Target
from bandstand.formats.columns import Row, columns
from bandstand.formats.table import Rows, said
from bandstand.formats.transfer import Imported, stored
from bandstand.store import EventLog

_NAME = Path("data frame")
_BATCH = 10_000


def import_frame(
    log: EventLog,
    frame: Any,
    *,
    now: float,
    teaches: str = "default",
    columns: Mapping[str, str] | None = None,
    likes_from: float | None = None,
) -> Imported:
    """Append what the rows of a data frame say, which count from 1: decisions with their propensities, interactions,
    items or users, as its columns tell. Bad rows are left out and reported.

    `frame` is anything that gives an Arrow stream (polars, pyarrow, DuckDB; needs pyarrow) or that holds its columns by
    name (pandas, a dict of lists or of NumPy arrays). A reward that is NaN is refused; where nothing came it is 0, None
    or `pandas.NA`. `columns`, `teaches`, `likes_from` and `now` are those of `bandstand import`. InputError for columns
    that do not say what the rows are.

    >>> from bandstand.store.memory import MemoryLog
    >>> shown = {
    ...     "decision": ["d1", "d1", "d2"],
    ...     "position": [0, 1, 0],
    ...     "item": ["tea", "milk", "milk"],
    ...     "propensity": [0.5, 1.0, 0.0],
    ...     "reward_click": [1, 0, 1],
    ...     "device": ["mobile", "mobile", "desktop"],
    ... }
    >>> log = MemoryLog()
    >>> imported = import_frame(log, shown, now=1_795_000_000.0)
    >>> [(pick.item, pick.propensity) for pick in log.find("decided/d1").fact.picks]
    [('tea', 0.5), ('milk', 1.0)]
    >>> [refusal.reason[:49] for refusal in imported.refused.first]
    ['propensity is 0.0, must be above 0 and at most 1:']
    """
    names, rows = _opened(frame)
    target = Target(log, now, teaches, columns or {}, likes_from)
    return stored(log, _NAME, lambda refused: _read(names, rows, target, refused))


def _read(names: list[str], rows: Rows, target: Target, refused: Refused) -> Iterator[Read]:
    return said(rows, columns(names, target.columns, where="data frame"), _NAME, target, refused)


def _opened(frame: Any) -> tuple[list[str], Rows]:
    """The names of the columns, and the rows; a batch of them is held at a time."""
    # As a stream, pandas would say None of what is no number, so a broken reward would be one that never came.
    if not hasattr(frame, "iloc") and hasattr(frame, "__arrow_c_stream__") and (stream := _stream(frame)) is not None:
        return list(stream.schema.names), _arrow_rows(stream)
    names = list(frame) if isinstance(frame, Mapping) else list(getattr(frame, "columns", ()))
    if not names:
        raise InputError(
            f"data frame: is a {type(frame).__name__}, must be a data frame or a dict of columns", field="frame"
        )
    held = {str(name): frame[name] for name in names}
    lengths = {name: len(column) for name, column in held.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"data frame: its columns have {lengths} rows, must have the same number", field="frame")
    return list(held), _rows(held, next(iter(lengths.values())))


def _stream(frame: Any) -> Any:
    """The frame as a stream of Arrow batches; None where pyarrow is not installed."""
    try:
        import pyarrow  # only whoever has such frames needs it; it weighs 50 MB
    except ImportError:
        return None
    return pyarrow.RecordBatchReader.from_stream(frame)


def _arrow_rows(stream: Any) -> Rows:
    number = 0
    for batch in stream:
        for start in range(0, batch.num_rows, _BATCH):
            for row in batch.slice(start, _BATCH).to_pylist():
                number += 1
                yield Row(number, row)


def _rows(held: Mapping[str, Any], length: int) -> Rows:
    for start in range(0, length, _BATCH):
        part = {name: _plain(column[start : start + _BATCH]) for name, column in held.items()}
        for at, cells in enumerate(zip(*part.values(), strict=True), start=start + 1):
            yield Row(at, dict(zip(part, cells, strict=True)))


def _plain(column: Any) -> list[object]:
    """A part of a column as Python's own values."""
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    return [_own(value) for value in values]


def _own(value: Any) -> object:
    """As Python has it: pandas' times as such, and what it holds for missing as None, but for what is no number."""
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
