"""Lines of a file, plain or compressed, numbered from 1."""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Final
from zipfile import BadZipFile

from bandstand.errors import InputError
from bandstand.formats import Refused

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
Readable = BufferedIOBase | IO[bytes]
LONGEST_LINE: Final = 4 * 1024 * 1024  # bytes: a decision among 2,000 described candidates is 1 MB


def lines(path: Path, refused: Refused, *, blanks: bool = False) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, without its end; with `blanks`, which in a table of tabs are empty columns, it keeps
    those around it. InputError where there is no such file.

    A line beyond `LONGEST_LINE` is refused; so is the rest of a compressed file from where it is damaged.
    """
    with _opened(path) as file:
        for number, line in numbered(file, path, refused):
            yield number, line if blanks else line.strip()


def numbered(file: Readable, path: Path, refused: Refused) -> Iterator[tuple[int, bytes]]:
    """The same, with blanks, of an open file, which is `path` to those who are told what was refused."""
    number = 0
    while True:
        number += 1
        try:
            line = file.readline(LONGEST_LINE)
            whole = _skipped_to_end(file, line)
        except (EOFError, OSError, zlib.error, BadZipFile) as error:
            refused.add(path, number, f"the file is damaged from here on ({error}); get a new copy")
            return
        if not line:
            return
        if not whole:
            refused.add(path, number, f"the line is longer than {LONGEST_LINE} bytes; divide it")
        elif (line := line.removeprefix(_BOM) if number == 1 else line).strip():
            yield number, line.rstrip(b"\r\n")


def _opened(path: Path) -> BufferedIOBase:
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP
        return gzip.open(path, "rb") if compressed else path.open("rb")
    except OSError as error:
        raise InputError(f"file '{path}': cannot be read ({error.strerror}); check the path", field="path") from error


def _skipped_to_end(file: Readable, line: bytes) -> bool:
    """Whether `line` is a whole line; if not, the rest of it is read and forgotten."""
    whole = len(line) < LONGEST_LINE or line.endswith(b"\n")
    while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        line = file.readline(LONGEST_LINE)
    return whole
