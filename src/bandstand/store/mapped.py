"""Arrays that all processes of a machine read from the same pages of memory, through files named by what they hold."""

import logging
import os
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

_log = logging.getLogger(__name__)
_Number = TypeVar("_Number", bound=np.generic)

# Processes that want the same array ask for it within a second or two of each other.
_KEPT_S = 10.0


def folder() -> Path:
    """This user's own folder for such files, made where there is none."""
    found = Path(tempfile.gettempdir(), f"bandstand-{os.getuid()}")
    found.mkdir(mode=0o700, exist_ok=True)
    if found.stat().st_uid != os.getuid():
        raise OSError(f"folder '{found}' is somebody else's")
    return found


def mapped(array: npt.NDArray[_Number], within: Path | None = None) -> npt.NDArray[_Number]:
    """The same array, read-only, mapped from the file that every process maps that asks for it here.

    What the file holds is compared first, so that one that is cut short or damaged is replaced. Where there can be no
    file, the array itself.
    """
    try:
        file = (within or folder()) / f"{sha256(array.tobytes()).hexdigest()}.array"
        shared = _read(file, array)
        if shared is None:
            _write(file, array)
            shared = _read(file, array)
        return array if shared is None else shared
    except OSError as error:
        _log.warning("weights are not shared with other processes: %s", error)
        return array


def _read(file: Path, array: npt.NDArray[_Number]) -> npt.NDArray[_Number] | None:
    """The array in the file; None where it is not this one."""
    try:
        os.utime(file)  # it is wanted
        found = np.asarray(np.memmap(file, array.dtype, "r", shape=array.shape))
    except (FileNotFoundError, ValueError):  # the latter: it is too short
        return None
    # As numbers without a meaning, for NaN is not equal to itself.
    return found if np.array_equal(found.view(np.uint8), array.view(np.uint8)) else None


def _write(file: Path, array: npt.NDArray[_Number]) -> None:
    """All of it under its name, or nothing; what nobody wanted for a while goes. Who has that mapped keeps it."""
    begun = file.with_suffix(f".{os.getpid()}")
    try:
        array.tofile(begun)
        begun.replace(file)
    finally:
        begun.unlink(missing_ok=True)
    before = time.time() - _KEPT_S
    for old in file.parent.iterdir():
        try:
            if old.stat().st_mtime < before:
                old.unlink()
        except FileNotFoundError:  # another process was faster
            pass
