"""Files that are written whole or not at all."""

import csv
import gzip
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase, StringIO
from pathlib import Path

from bandstand.errors import InputError


@contextmanager
def created(path: Path) -> Iterator[BufferedIOBase]:
    """A file to write into, compressed where the name ends in `.gz`; it takes the place of what was there once all is
    written. The same bytes always give the same file. InputError where it cannot be written."""
    if not path.name or (path.exists() and not path.is_file()):
        raise InputError(f"file '{path}': is no file, which would be replaced; name one", field="path")
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield packed
            else:
                yield file
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"file '{path}': cannot be written ({error.strerror}); check it", field="path") from error
    finally:
        partial.unlink(missing_ok=True)


def written(path: Path, lines: Iterable[bytes]) -> int:
    """Put the lines into a file; how many."""
    count = 0
    with created(path) as file:
        for line in lines:
            file.write(line + b"\n")
            count += 1
    return count


def cells(row: Iterable[object]) -> bytes:
    """A row of a CSV file."""
    text = StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue().encode()
