"""What is installed: the pins are complete, and the wheel brings the data with its licences."""

import re
import shutil
import subprocess
import sys
import tomllib
import venv
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DATA = ROOT / "src" / "bandstand" / "data"


def pins() -> dict[str, str]:
    """The exact version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if not line.startswith("#")]
    assert [line for line in entries if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in entries)}


def test_every_declared_dependency_is_pinned_within_its_range() -> None:
    pinned = pins()
    declared = list(chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))
    for requirement in map(Requirement, declared):
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


@pytest.mark.slow
def test_the_wheel_brings_the_data_with_its_licences_and_works_when_installed(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy, for a build leaves its traces beside the source
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)

    where = "from bandstand import data; from bandstand.native import native; assert native; print(data.path('.'))"
    answer = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True, cwd=tmp_path)
    installed = Path(answer.stdout.strip())
    assert installed.is_relative_to(tmp_path / "venv")
    shipped = [file.relative_to(DATA) for file in DATA.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert sum(name.name == "LICENSE" for name in shipped) == 2
    for name in shipped:
        assert (installed / name).read_bytes() == (DATA / name).read_bytes()
    assert (tmp_path / "venv" / "bin" / "bandstand").exists()
    licences = list(installed.parents[1].glob("bandstand-*.dist-info/licenses/**/LICENSE"))
    assert len(licences) == 3  # ours, the catalogue's, the Open Bandit Dataset's
