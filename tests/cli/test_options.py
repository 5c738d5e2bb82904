"""What several commands share: how to call this program again."""

import sys
from pathlib import Path

import pytest

from bandstand.cli.options import called


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "bandstand"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_that_the_shell_finds_is_called_by_its_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", str(program.parent))
    assert called() == "bandstand"


def test_a_program_off_the_path_or_behind_another_is_called_by_its_own_path(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "bandstand"
    other.write_bytes(program.read_bytes())
    other.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    for elsewhere in ("/nowhere", str(tmp_path)):
        monkeypatch.setenv("PATH", elsewhere)
        assert called() == str(program)


def test_a_module_is_called_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/bandstand/__main__.py", "demo"])
    assert called() == f"{sys.executable} -m bandstand"
