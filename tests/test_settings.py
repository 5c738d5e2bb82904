"""Where settings come from, which one wins, and what a wrong one says."""

from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.settings import Hooks, Settings, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bandstand.toml"


def test_defaults_hold_where_nothing_is_set(file: Path) -> None:
    assert read({}, file=file, environ={}) == Settings()


def test_command_line_wins_over_environment_over_file(file: Path) -> None:
    file.write_text('port = 1\nhost = "a"\ndatabase = "sqlite:///file.db"')
    found = read({"port": 3, "host": None}, file=file, environ={"BANDSTAND_PORT": "2", "BANDSTAND_HOST": "b"})
    assert (found.port, found.host, found.database) == (3, "b", "sqlite:///file.db")


@pytest.mark.parametrize(
    ("text", "environ", "overrides", "where", "what"),
    [
        ("prot = 1", {}, {}, "bandstand.toml", "prot: unknown field; known: host, port, workers"),
        ("port = 70000", {}, {}, "bandstand.toml", "port == 70000, must be int <= 65535"),
        ("port = 2026-01-01", {}, {}, "bandstand.toml", 'port == "2026-01-01", must be int'),
        ("port =", {}, {}, "bandstand.toml", "TOML"),
        ("", {"BANDSTAND_PORT": "many"}, {}, "the environment", 'port == "many", must be int'),
        ("", {}, {"role": "boss"}, "the command line", 'role == "boss" is not known; known: all, api, learn'),
    ],
)
def test_a_wrong_setting_says_where_it_was_set(
    file: Path, text: str, environ: dict[str, str], overrides: dict[str, object], where: str, what: str
) -> None:
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read(overrides, file=file, environ=environ)
    assert where in str(error.value)
    assert what in str(error.value)


def test_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 9")
    assert read({}, environ={"BANDSTAND_CONFIG": str(tmp_path / "other.toml")}).port == 9


def test_file_that_the_environment_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml: there is no such file; BANDSTAND_CONFIG names it"):
        read({}, environ={"BANDSTAND_CONFIG": str(tmp_path / "nowhere.toml")})


def test_hooks_are_a_table_whose_secret_may_come_from_the_environment(file: Path) -> None:
    file.write_text('[hooks]\nurls = ["https://a/b"]\nsecret = "file"')
    assert read({}, file=file, environ={}).hooks == Hooks(("https://a/b",), "file")
    assert read({}, file=file, environ={"BANDSTAND_HOOKS_SECRET": "env"}).hooks == Hooks(("https://a/b",), "env")
    for wrong in ('urls = ["ftp://a"]', 'urls = ["https://"]', "retries = -1", "timeout_s = 0", 'url = "https://a"'):
        file.write_text(f"[hooks]\n{wrong}")
        with pytest.raises(InputError, match=r"bandstand.toml: hooks\.(url|retries|timeout_s)"):
            read({}, file=file, environ={})
