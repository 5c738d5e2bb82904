"""Columns as bytes, each in the narrowest form that says exactly the same; they are read where they lie."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]
Columns = dict[str, Column]

_WORD: Final = 8
_INTEGERS: Final = ("i1", "i2", "i4", "i8")


class Packed(NamedTuple):
    """Columns, and what else is to be known `about` them."""

    about: bytes
    columns: Columns


class _Told(msgspec.Struct, frozen=True):
    """How a column of `count` values is kept; one that is `stored` alone stands for all of them."""

    name: str
    kind: str
    count: int
    stored: int


class _Head(msgspec.Struct, frozen=True):
    about: bytes
    columns: tuple[_Told, ...]


def packed(columns: Mapping[str, Column], *, about: bytes = b"") -> bytes:
    """A head, then the columns, each at a multiple of a processor's word."""
    narrow = {name: _narrow(np.ascontiguousarray(column)) for name, column in columns.items()}
    told = (_Told(name, one.dtype.str, len(columns[name]), len(one)) for name, one in narrow.items())
    head = msgspec.msgpack.encode(_Head(about, tuple(told)))
    pieces: list[bytes | memoryview] = [len(head).to_bytes(_WORD, "little"), head, bytes(-len(head) % _WORD)]
    for one in narrow.values():
        pieces += [one.data, bytes(-one.nbytes % _WORD)]
    return b"".join(pieces)


def unpacked(body: bytes) -> Packed:
    """Columns that cannot be written to; ValueError or msgspec.MsgspecError where it was not made by `packed`."""
    start, size = _WORD, int.from_bytes(body[:_WORD], "little")
    head = msgspec.msgpack.decode(memoryview(body)[start : start + size], type=_Head)
    start += size + -size % _WORD
    columns: Columns = {}
    for one in head.columns:
        stored = np.frombuffer(body, one.kind, one.stored, start) if one.stored else np.empty(0, one.kind)
        # A copy of what stands for all, or it would keep the whole body.
        columns[one.name] = stored if one.stored == one.count else np.broadcast_to(stored.copy(), one.count)
        start += stored.nbytes + -stored.nbytes % _WORD
    if start != len(body):
        raise ValueError(f"{len(body)} bytes, its head tells of {start}")
    return Packed(head.about, columns)


def _narrow(column: Column) -> Column:
    """By the bits, for 0.0 and -0.0 are not the same."""
    if not len(column):
        return column
    bits = column.view(f"i{column.itemsize}")
    if (bits == bits[0]).all():
        return column[:1]
    if column.dtype.kind == "i":
        low, high = int(column.min()), int(column.max())
        kind = next(one for one in _INTEGERS if np.iinfo(one).min <= low and high <= np.iinfo(one).max)
        return column.astype(kind)
    if column.dtype.kind == "f":
        for kind in ("i1", "i2", "i4", "f4"):
            with np.errstate(invalid="ignore", over="ignore"):
                short = column.astype(kind)
            if (short.astype(column.dtype).view(bits.dtype) == bits).all():
                return short
    return column
