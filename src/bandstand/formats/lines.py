"""Lines of a file, plain or compressed, numbered from 1."""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Final

from bandstand.errors import InputError
from bandstand.formats import Refused

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
LONGEST_LINE: Final = 4 * 1024 * 1024  # bytes: a decision among 2,000 described candidates is 1 MB


def lines(path: Path, refused: Refused) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, without its end. InputError where there is no such file.

    A line beyond `LONGEST_LINE` is refused; so is the rest of a compressed file from where it is damaged.
    """
    number = 0
    with _opened(path) as file:
        while True:
            number += 1
            try:
                line = file.readline(LONGEST_LINE)
                whole = _skipped_to_end(file, line)
            except (EOFError, OSError, zlib.error) as error:
                refused.add(path, number, f"the file is damaged from here on ({error}); get a new copy")
                return
            if not line:
                return
            if not whole:
                refused.add(path, number, f"the line is longer than {LONGEST_LINE} bytes; divide it")
            elif text := (line.removeprefix(_BOM) if number == 1 else line).strip():
                yield number, text


def _opened(path: Path) -> BufferedIOBase:
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP
        return gzip.open(path, "rb") if compressed else path.open("rb")
    except OSError as error:
        raise InputError(f"file '{path}': cannot be read ({error.strerror}); check the path", field="path") from error


def _skipped_to_end(file: BufferedIOBase, line: bytes) -> bool:
    """Whether `line` is a whole line; if not, the rest of it is read and forgotten."""
    whole = len(line) < LONGEST_LINE or line.endswith(b"\n")
    while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        line = file.readline(LONGEST_LINE)
    return whole
