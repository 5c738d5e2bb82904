"""What was tried so far, kept in a file as it comes, so that a sweep that was killed goes on where it was."""

import os
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Self

import msgspec

from bandstand.errors import InputError
from bandstand.strategy import Strategy
from bandstand.sweep.trial import Block, Ground


class _Line(msgspec.Struct, frozen=True):
    key: str
    blocks: list[Block]


def key(strategy: Strategy, ground: Ground) -> str:
    """What tells a trial from every other: all that its outcome depends on, this release included."""
    what = msgspec.json.encode((strategy, ground, version("bandstand")), order="deterministic")
    return sha256(what).hexdigest()[:32]


class Kept:
    """Outcomes by key. Each one is on the disk before the next is waited for; a last line cut short is done without."""

    def __init__(self, path: Path) -> None:
        self._found: dict[str, list[Block]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise InputError(f"trials '{path}': cannot be written ({error.strerror}); name another file") from error
        try:
            self._file.truncate(self._read(path))
        except InputError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self, path: Path) -> int:
        """How many bytes of the file are whole lines."""
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                read = msgspec.json.decode(line, type=_Line)
            except msgspec.MsgspecError as error:
                raise InputError(f"trials '{path}': {error}; start --anew") from error
            self._found[read.key] = read.blocks
            whole += len(line)
        return whole

    def get(self, key: str) -> list[Block] | None:
        return self._found.get(key)

    def put(self, key: str, blocks: list[Block]) -> None:
        self._found[key] = blocks
        self._file.write(msgspec.json.encode(_Line(key, blocks)) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
