"""`bandstand serve` says what forbids to serve, in one sentence, before anything runs."""

import socket
import sys
from pathlib import Path

import pytest

from bandstand.cli import main


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("port = 99999", "bandstand.toml: port == 99999, must be int <= 65535"),
        ("[strategies.default.diversity]\nmmr = 1", "strategy 'default': diversity.mmr == 1, must be float < 1.0"),
        ("[strategies.x]\ngenerators = { foo = 1 }", "strategy 'x': generator 'foo' is not defined; known: collab"),
        ("[surfaces.home]\nslots = 3", "surface 'home': slots: unknown field; known: strategy, n, rewards, window_s"),
        ("workers = 2", "workers == 2, must be 1 on SQLite: one process writes the file; use --database postgresql"),
    ],
)
def test_settings_that_cannot_be_served_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: str, says: str
) -> None:
    (tmp_path / "bandstand.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bandstand", "serve"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"bandstand: {says}")
    assert [each.name for each in tmp_path.iterdir()] == ["bandstand.toml"]


def test_a_port_that_is_taken_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["bandstand", "serve", "--port", str(port)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"bandstand: 127.0.0.1:{port}: cannot listen there (Address already in")
    assert list(tmp_path.iterdir()) == []
