"""State as bytes: msgpack of plain data, structs and NumPy arrays. No code is ever run from a snapshot."""

from typing import Any, TypeVar, get_origin

import msgspec
import numpy as np

T = TypeVar("T")


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(f"{type(value).__name__} cannot be written to a snapshot")


def _array(kind: type, value: Any) -> object:
    if (get_origin(kind) or kind) is np.ndarray:
        dtype, shape, body = value
        return np.frombuffer(body, np.dtype(dtype)).reshape(shape).copy()
    raise TypeError(f"{kind} cannot be read from a snapshot")


def pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def unpack(body: bytes, kind: type[T]) -> T:
    """The value that `pack` wrote; raises msgspec.ValidationError where it is of another shape."""
    return msgspec.msgpack.decode(body, type=kind, dec_hook=_array)
