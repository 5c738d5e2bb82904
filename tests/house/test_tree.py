"""What holds for every file of the project, whoever wrote it."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 400

GENERATED = re.compile(
    r"^(\.git|\.venv|build|dist|bandstand-data|__pycache__|\..*_cache|\.hypothesis|.*\.(egg-info|so))$"
)
ELSEWHERE = re.compile(
    r"pypi\.(org|python)|pythonhosted\.|npmjs\.|(index-url|find-links)[ =]"  # a registry: pip knows its own
    r"|(?<![\w.$}/:-])/(home|root|Users|mnt|opt|work)/\w"  # a place on somebody's machine
)


def files(folder: Path) -> Iterator[Path]:
    """The project's own files: what a clone has, found without git, so that an unpacked archive will do."""
    for path in sorted(folder.iterdir()):
        if GENERATED.match(path.name):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def test_no_source_file_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files(ROOT / "src")
        if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    named = []
    for path in files(ROOT):
        if path.suffix == ".gz" or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if ELSEWHERE.search(line):
                named.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert named == []
