"""Weights in memory that processes have in common."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bandstand.follow import shared
from bandstand.model import Published
from bandstand.policy.linear import Weights
from bandstand.store import mapped as module
from bandstand.store.mapped import mapped

TABLE = np.random.default_rng(20261121).random(1 << 18, np.float32)

HOLD = """
import sys
from pathlib import Path
import numpy as np
from bandstand.store.mapped import mapped
held = mapped(np.random.default_rng(20261121).random(1 << 18, np.float32), Path(sys.argv[1]))
print(float(held.sum()), flush=True)
sys.stdin.read()
"""


def only(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def memory_kb(file: Path) -> dict[str, int]:
    """What the system says of this process' mapping of the file."""
    found: dict[str, int] = {}
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if "-" in name.split(" ")[0]:
            inside = line.endswith(str(file))
        elif inside and rest.endswith("kB"):
            found[name] = found.get(name, 0) + int(rest.split()[0])
    return found


def test_array_comes_back_as_it_was_and_cannot_be_written_to(tmp_path: Path) -> None:
    array = np.array([1.0, np.nan, -0.0, np.inf], np.float32)
    found = mapped(array, tmp_path)
    np.testing.assert_array_equal(found, array)
    assert not found.flags.writeable


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="this system does not tell who shares memory")
def test_two_processes_have_the_same_pages(tmp_path: Path) -> None:
    held = mapped(TABLE, tmp_path)
    total = float(held.sum())
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert float(other.stdout.readline()) == total
        kb = memory_kb(only(tmp_path))
        other.communicate("")
    assert kb["Shared_Clean"] + kb["Shared_Dirty"] == held.nbytes // 1024
    assert kb["Private_Clean"] + kb["Private_Dirty"] == 0


def test_asking_again_maps_the_same_file(tmp_path: Path) -> None:
    mapped(TABLE, tmp_path)
    written = only(tmp_path).stat().st_ino
    mapped(TABLE.copy(), tmp_path)
    assert only(tmp_path).stat().st_ino == written


@pytest.mark.parametrize("damage", [lambda body: body[:-5], lambda body: b"", lambda body: b"\1" + body[1:]])
def test_file_that_was_cut_short_or_damaged_is_replaced(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    mapped(TABLE, tmp_path)
    file = only(tmp_path)
    body = file.read_bytes()
    file.unlink()
    file.write_bytes(damage(body))
    np.testing.assert_array_equal(mapped(TABLE, tmp_path), TABLE)
    assert file.read_bytes() == body


def test_what_nobody_wanted_for_a_while_goes_and_stays_where_it_is_in_use(tmp_path: Path) -> None:
    held = mapped(TABLE, tmp_path)
    old = only(tmp_path)
    os.utime(old, (0, 0))
    mapped(TABLE * 2, tmp_path)
    assert not old.exists()
    np.testing.assert_array_equal(held, TABLE)


def test_without_a_place_for_files_the_array_itself_serves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nowhere = tmp_path / "missing" / "too"
    assert mapped(TABLE, nowhere) is TABLE
    assert "not shared" in caplog.text


def test_published_weights_are_shared_under_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "folder", lambda: tmp_path)
    published = Published(7, 1.0, {"default": Weights(18, 3, TABLE)}, {})
    again = shared(published)
    assert (again.seq, again.origin, again.weights["default"].learned) == (7, 1.0, 3)
    np.testing.assert_array_equal(again.weights["default"].table, TABLE)
    assert only(tmp_path).stat().st_size == TABLE.nbytes
