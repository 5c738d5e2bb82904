import gzip
from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.formats import Refused
from bandstand.formats.lines import LONGEST_LINE, lines


def test_plain_and_compressed_files_read_alike_whatever_their_name(tmp_path: Path) -> None:
    text = "\ufefffirst\r\n\n  \nlast".encode()
    (tmp_path / "plain.gz").write_bytes(text)
    (tmp_path / "compressed").write_bytes(gzip.compress(text))
    for name in ("plain.gz", "compressed"):
        assert list(lines(tmp_path / name, Refused())) == [(1, b"first"), (4, b"last")]


def test_line_that_is_too_long_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    refused = Refused()
    path.write_bytes(b"a\n" + b"x" * (2 * LONGEST_LINE + 1) + b"\nb\n" + b"y" * LONGEST_LINE + b"\nc")
    assert list(lines(path, refused)) == [(1, b"a"), (3, b"b"), (5, b"c")]
    assert [one.line for one in refused.first] == [2, 4]


def test_longest_line_that_is_allowed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (LONGEST_LINE - 1) + b"\n" + b"y" * (LONGEST_LINE - 1))
    assert [len(text) for _, text in lines(path, Refused())] == [LONGEST_LINE - 1, LONGEST_LINE - 1]


@pytest.mark.parametrize("damage", [lambda body: body[:-20], lambda body: body[:40] + b"\0" * 8 + body[48:]])
def test_damaged_archive_is_read_up_to_the_damage(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(damage(gzip.compress(b"".join(b"line %d\n" % (n * n) for n in range(3000)))))
    refused = Refused()
    read = list(lines(path, refused))
    (only,) = refused.first
    assert only.line == len(read) + 1
    assert "damaged from here on" in only.reason


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file '.*nowhere': cannot be read \(No such file or directory\)"):
        list(lines(tmp_path / "nowhere", Refused()))


def test_only_the_first_reasons_are_kept(tmp_path: Path) -> None:
    refused = Refused(keep=2)
    for number in range(5):
        refused.add(tmp_path, number, "why")
    assert (refused.count, len(refused.first)) == (5, 2)
