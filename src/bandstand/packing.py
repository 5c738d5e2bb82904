"""State as bytes: msgpack of plain data, structs and NumPy arrays. No code is ever run from a snapshot.

Arrays are larger than what was ever written to them: pages of zeros are left out, and take no memory when read.
"""

from typing import Any, TypeVar, get_origin

import msgspec
import numpy as np

T = TypeVar("T")


_PAGE = 4096


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        octets = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        whole = len(octets) // _PAGE * _PAGE
        pages = octets[:whole].reshape(-1, _PAGE)
        used = pages.view(np.uint64).any(axis=1)
        written = pages[used].tobytes(), octets[whole:].tobytes()
        return value.dtype.str, value.shape, np.packbits(used).tobytes(), *written
    raise TypeError(f"{type(value).__name__} cannot be written to a snapshot")


def _array(kind: type, value: Any) -> object:
    if (get_origin(kind) or kind) is np.ndarray:
        dtype, shape, used, pages, rest = value
        array = np.zeros(shape, dtype)
        octets = array.reshape(-1).view(np.uint8)
        whole = len(octets) - len(rest)
        places = np.flatnonzero(np.unpackbits(np.frombuffer(used, np.uint8), count=whole // _PAGE))
        octets[:whole].reshape(-1, _PAGE)[places] = np.frombuffer(pages, np.uint8).reshape(-1, _PAGE)
        octets[whole:] = np.frombuffer(rest, np.uint8)
        return array
    raise TypeError(f"{kind} cannot be read from a snapshot")


def pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def unpack(body: bytes | memoryview, kind: type[T]) -> T:
    """The value that `pack` wrote; raises msgspec.ValidationError where it is of another shape."""
    return msgspec.msgpack.decode(body, type=kind, dec_hook=_array)
