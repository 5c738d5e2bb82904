import builtins
import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from bandstand.accuracy import Accuracy
from bandstand.accuracy.figures import Figure, Row
from bandstand.accuracy.plot import plot
from bandstand.accuracy.render import render
from bandstand.chance import bits, uniform
from bandstand.cli import bandstand
from bandstand.errors import InputError
from bandstand.events import Draft, Interacted, ItemPut
from bandstand.store.sql import open_log

NOON = 1_795_000_000.0
METRICS = ("ndcg", "hit_rate", "precision", "recall", "map", "mrr", "auc")


def a_row(name: str, kind: str = "generator", settings: str = "", **fields: object) -> Row:
    found = {
        metric: Figure(value, value - 0.01, value + 0.01)
        for metric, value in ((metric, 0.1 + 0.8 * uniform(name, metric)) for metric in METRICS)
    }
    rest = dict.fromkeys(("coverage", "novelty", "diversity", "popularity", "gini"), 0.5)
    return Row(
        **{"name": name, "kind": kind, "settings": settings, "metrics": found, "behind": None, "silent": 0.25}
        | rest
        | fields
    )


COMPARED = Accuracy(
    question="What <people> liked next",
    k=10,
    alpha=0.05,
    lists=10_000,
    people=943,
    items=1682,
    left_out={"could not be shown": 12},
    notes=("10,000 of 20,000 likes were judged",),
    rows=(
        a_row("default", "setting", "chosen: generators.collaborative=9 or candidates=50"),
        a_row("collaborative", behind=Figure(0.01, -0.002, 0.03)),
        a_row("default", "strategy", behind=Figure(0.02, 0.01, 0.03)),
        a_row("content", behind=Figure(0.1, 0.05, 0.2), diversity=None, novelty=None),
    ),
    tried=(a_row("default", "setting", "candidates=50"),),
)


def printed(compared: Accuracy) -> str:
    out = StringIO()
    Console(file=out, width=80).print(render(compared))
    return out.getvalue()


def test_table_fits_80_columns_with_every_figure_whole() -> None:
    text = printed(COMPARED)
    assert max(map(len, text.splitlines())) <= 80
    for row in COMPARED.rows:
        for name in METRICS:
            assert f"{row.metrics[name].value:.3f}".removeprefix("0") in text
    assert "…" not in text
    assert "10,000 lists of 10 for 943 people" in text
    assert "left out: 12 that could not be shown" in " ".join(text.split())


def test_only_those_that_may_be_as_good_as_the_best_are_marked() -> None:
    marked = [line.split()[0] for line in printed(COMPARED).splitlines() if "~ " in line and "after" not in line]
    assert marked == ["collaborative"]


@pytest.mark.parametrize(
    "suffix", [".svg", pytest.param(".png", marks=pytest.mark.slow), pytest.param(".html", marks=pytest.mark.slow)]
)
def test_picture_is_written_as_its_name_says_and_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    plot(COMPARED, tmp_path / f"a{suffix}")
    body = (tmp_path / f"a{suffix}").read_bytes()
    match suffix:
        case ".svg":
            assert ElementTree.fromstring(body).tag.endswith("svg")
        case ".png":
            assert body.startswith(b"\x89PNG")
        case ".html":
            assert b"What &lt;people&gt; liked next" in body
            assert b"<svg" in body
            assert b"collaborative" in body
    if suffix != ".png":
        plot(COMPARED, tmp_path / f"b{suffix}")
        assert (tmp_path / f"b{suffix}").read_bytes() == body


def test_picture_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"plot '.*a.jpg': must end in one of .svg, .png, .html"):
        plot(COMPARED, tmp_path / "a.jpg")
    with pytest.raises(InputError, match="there is no folder"):
        plot(COMPARED, tmp_path / "no" / "a.svg")
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"needs matplotlib, which is not installed; pip install 'bandstand\[plots\]'"):
        plot(COMPARED, tmp_path / "a.svg")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('log')}/log.db"
    log = open_log(url)
    log.append([Draft(ItemPut(f"i{n}"), NOON) for n in range(20)])
    likes = [Interacted(f"i{bits('item', n) % 20}", "like", user=f"u{bits('user', n) % 9}") for n in range(90)]
    log.append([Draft(like, NOON + n) for n, like in enumerate(likes)])
    log.close()
    return url


def called(*arguments: str) -> object:
    return CliRunner().invoke(bandstand, ["evaluate", *arguments])


def test_command_prints_a_table_or_json_and_draws(database: str, tmp_path: Path) -> None:
    table = called("--ranking", "--database", database)
    assert table.exit_code == 0, table.output
    assert "nDCG" in table.stdout
    as_json = called(
        "--ranking", "--json", "--folds", "3", "--k", "5", "--plot", f"{tmp_path}/a.svg", "--database", database
    )
    found = msgspec.json.decode(as_json.stdout, type=Accuracy)
    assert (found.k, found.people) == (5, 9)
    assert json.loads(as_json.stdout)["rows"][0]["metrics"]["ndcg"].keys() == {"value", "low", "high"}
    assert (tmp_path / "a.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--k", "5", "--strategy", "default"], "--k: goes with --ranking only"),
        (["--ranking", "--surface", "home"], "--surface: does not go with --ranking"),
        ([], "log: it holds no decision, must hold some; serve some, or `bandstand import`"),
        (["--ranking", "--k", "0"], "k == 0, must be from 1 to 100"),
        (["--ranking", "--generator", "magic"], "generator 'magic' is not known"),
        (["--ranking", "--plot", "a.bmp"], "must end in one of"),
        (["--ranking", "--vary", "x"], "vary 'x': must be NAME=VALUE,VALUE"),
    ],
)
def test_wrong_call_says_what_is_wrong(database: str, arguments: list[str], words: str) -> None:
    result = called(*arguments, "--database", database)
    assert isinstance(result.exception, Exception)
    assert words in str(result.exception)
