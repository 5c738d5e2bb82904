"""Sweeps: the same result whoever does the work and however often it was stopped, and a winner judged elsewhere."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from bandstand.chance import uniform
from bandstand.cli import bandstand
from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.errors import BandstandError, InputError
from bandstand.events import ItemPut, Request
from bandstand.model import Model
from bandstand.store.sql import open_log
from bandstand.strategy import Strategy
from bandstand.sweep import run
from bandstand.sweep.page import page
from bandstand.sweep.result import Swept, difference, value
from bandstand.sweep.run import swept
from bandstand.sweep.space import AS_IT_IS, Sweep, candidates, parse, read
from bandstand.sweep.trial import Block

NOON = 1_795_000_000.0
ITEMS = ("a", "b", "c", "d")
SCENARIO = """
requests = 40
items = 10
catalogue = "made"
seeds = 2
publish_every = 20
[world]
users = 20
"""
BOLD = {"policy": {"kind": "epsilon_greedy", "epsilon": 0.9}, "learning": {"bits": 10, "rate": 0.5}}
ON_LOG = {"strategy": "bold", "strategies": {"bold": BOLD}, "vary": {"policy.epsilon": [0.05, 0.5]}, "log": {}}
IN_WORLD = {"vary": {"policy.epsilon": [0.05, 0.9]}, "world": {"scenario": "small.toml", "seeds": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario, and a log in which "a" is liked by 9 in 10 and the rest by 1, shown by chance."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "small.toml").write_text(SCENARIO)
    log = open_log(f"sqlite:///{folder}/log.db")
    engine = Engine(Model(), log)
    surfaces = {"home": {"n": 1, "window_s": 5.0, "strategy": "random"}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces), at=NOON)
    engine.commit([ItemPut(item, {"name": item}) for item in ITEMS], at=NOON)
    for number in range(500):
        at = NOON + 10 * number
        request = Request("home", at, user=f"u{number % 97}", candidates=ITEMS)
        (pick,) = engine.rank(request, decision=f"d{number}", at=at).picks
        if uniform("liked", number, pick.item) < (0.9 if pick.item == "a" else 0.1):
            engine.commit([engine.reward(f"d{number}", "click", 1.0, position=0)], at=at + 1)
    log.close()
    return folder


def made(folder: Path, fields: dict[str, Any], **more: Any) -> Sweep:
    return parse({**fields, **more}, name="made", folder=folder)


def found(folder: Path, fields: dict[str, Any], trials: Path, **how: Any) -> Swept:
    more = {name: how.pop(name) for name in ("vary", "search", "about") if name in how}
    return swept(made(folder, fields, **more), trials=trials, database=f"sqlite:///{folder}/log.db", **how)


def test_on_a_log_the_one_that_uses_what_it_learns_wins_and_is_judged_by_other_users(
    folder: Path, tmp_path: Path
) -> None:
    result = found(folder, ON_LOG, tmp_path / "t", n_jobs=1)
    assert [one.name for one in result.tried] == ["policy.epsilon=0.05", "policy.epsilon=0.5", AS_IT_IS]
    best, _, as_it_is = result.tried
    assert result.best == best.name
    assert best.value is not None
    assert best.value > 0.45
    assert best.over is not None
    assert best.over.low > 0
    assert as_it_is.over is None
    assert result.judged.value not in (None, best.value)
    assert "each asked before it learned from it, on surface 'home'" in result.asked


@pytest.mark.parametrize("how", ["run", "progressive", "final"])
def test_every_question_has_an_answer(folder: Path, tmp_path: Path, how: str) -> None:
    result = found(folder, ON_LOG | {"log": {"how": how}}, tmp_path / "t", n_jobs=1)
    assert all(one.value is not None for one in result.tried)


@pytest.mark.parametrize("fields", [ON_LOG, IN_WORLD])
def test_the_result_does_not_depend_on_the_number_of_workers(
    folder: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    alone = found(folder, fields, tmp_path / "alone", n_jobs=1)
    assert found(folder, fields, tmp_path / "two", n_jobs=2) == alone
    worlds = [one.share for one in alone.tried]
    assert worlds == [1.0] * len(alone.tried)


def test_what_was_tried_is_not_tried_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(folder, IN_WORLD, tmp_path / "t", n_jobs=1)
    lines = (tmp_path / "t").read_bytes().splitlines(keepends=True)
    # Killed in the middle of a line: what came before it counts.
    (tmp_path / "t").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    tried = []
    real = run.attempt
    monkeypatch.setattr(run, "attempt", lambda *trial: tried.append(trial) or real(*trial))
    assert found(folder, IN_WORLD, tmp_path / "t", n_jobs=1) == whole
    assert len(tried) == len(lines) - 3
    assert found(folder, IN_WORLD, tmp_path / "t", n_jobs=1) == whole
    assert len(tried) == len(lines) - 3


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    file, trials = folder / "killed.toml", tmp_path / "t"
    file.write_text('[vary]\n"policy.epsilon" = [0.05, 0.5]\n[world]\nscenario = "small.toml"\nseeds = 2\n', "utf-8")
    command = [sys.executable, "-m", "bandstand", "sweep", str(file), "--jobs", "1", "--json", "--trials", str(trials)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not trials.exists() or trials.read_bytes().count(b"\n") < 2):
            pass
        os.kill(process.pid, signal.SIGKILL)
    before = trials.read_bytes()
    assert before.count(b"\n") >= 2
    again = CliRunner().invoke(bandstand, command[3:], catch_exceptions=False)
    assert again.exit_code == 0
    assert trials.read_bytes().startswith(before[: before.rindex(b"\n")])
    assert msgspec.json.decode(again.stdout, type=Swept) == swept(read(file), trials=tmp_path / "anew", n_jobs=1)


@pytest.fixture(scope="module")
def dask() -> Iterator[str]:
    """A cluster of two workers, each a process of its own."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install bandstand[dask]")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.mark.slow
def test_a_dask_cluster_of_two_workers_finds_the_same(folder: Path, tmp_path: Path, dask: str) -> None:
    alone = found(folder, IN_WORLD, tmp_path / "alone", n_jobs=1)
    assert found(folder, IN_WORLD, tmp_path / "cluster", cluster=dask) == alone


def test_the_page_needs_nothing_from_elsewhere_and_shows_trials_rounds_and_what_to_write_down(
    folder: Path, tmp_path: Path
) -> None:
    vary = {"policy.epsilon": [0.05, 0.3, 0.9], "policy.kind": ["epsilon_greedy", "softmax"]}
    search = {"kind": "halving", "keep": 0.5, "rounds": 2}
    whole = page(found(folder, ON_LOG, tmp_path / "t", n_jobs=1, vary=vary, search=search, about="<b>&</b>"))
    assert not re.search(r"<script|<link|<img|@import|src=|url\((?!#)", whole)
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in whole
    titles = re.findall("<h3>(.*?)</h3>", whole)
    assert titles == ["Against the strategy as it is", "Round by round", "By policy.epsilon", "By policy.kind"]
    assert whole.count("<svg") == 4
    assert "[strategies.bold]\npolicy.epsilon = 0.05" in whole
    assert whole.count("<tr><td>") == 7
    assert "On what it was not chosen by" in whole


def test_a_page_is_written_where_it_is_asked_for(folder: Path, tmp_path: Path) -> None:
    file = folder / "paged.toml"
    file.write_text('strategy = "default"\n[vary]\n"policy.epsilon" = [0.9]\n[log]\n', "utf-8")
    options = ["--database", f"sqlite:///{folder}/log.db", "--jobs", "1", "--trials", str(tmp_path / "t"), "--html"]
    done = CliRunner().invoke(bandstand, ["sweep", str(file), *options, str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    assert "Against the strategy as it is" in (tmp_path / "page.html").read_text()
    nowhere = CliRunner().invoke(bandstand, ["sweep", str(file), *options, str(tmp_path / "no" / "page.html")])
    assert "there is no folder" in str(nowhere.exception)


def test_halving_lets_the_better_ones_see_everything(folder: Path, tmp_path: Path) -> None:
    fields = ON_LOG | {"vary": {"policy.epsilon": [0.05, 0.5, 0.7, 1.0]}, "search": {"kind": "halving", "keep": 0.5}}
    result = found(folder, fields, tmp_path / "t", n_jobs=1)
    shares = {one.name: one.share for one in result.tried}
    assert result.best == "policy.epsilon=0.05"
    assert shares[AS_IT_IS] == shares[result.best] == 1.0
    assert shares["policy.epsilon=1.0"] == 0.25


def test_a_random_search_covers_its_ranges_evenly_and_repeats_by_its_seed(folder: Path) -> None:
    vary = {"policy.epsilon": {"low": 0.01, "high": 1.0, "log": True}, "candidates": [50, 100, 200, 400]}
    fields = ON_LOG | {"vary": vary, "search": {"kind": "random", "trials": 16}}
    on = candidates(made(folder, fields), Strategy())
    assert len(on) == 17
    chosen = [one.settings["candidates"] for one in on[1:]]
    assert [chosen.count(one) for one in (50, 100, 200, 400)] == [4, 4, 4, 4]
    below = [one for one in on[1:] if float(one.settings["policy.epsilon"] or 0) < 0.1]
    assert len(below) == 8
    assert candidates(made(folder, fields), Strategy()) == on
    assert candidates(made(folder, fields, search={"kind": "random", "trials": 16, "seed": 2}), Strategy()) != on


@pytest.mark.parametrize("trials", [1, 3, 5])
def test_a_random_search_may_have_any_number_of_trials(folder: Path, trials: int) -> None:
    fields = ON_LOG | {"vary": {"policy.epsilon": {"low": 0.01, "high": 1.0}}}
    few, more = (
        candidates(made(folder, fields, search={"kind": "random", "trials": n}), Strategy()) for n in (trials, 8)
    )
    assert len(few) == 1 + trials
    assert more[: len(few)] == few  # more of them are these and others


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"log": {}}, "vary: missing; say which settings to try"),
        ({"vary": {}, "log": {}}, "vary: empty, must name one setting at least"),
        ({"vary": {"candidates": [1]}}, "log and world: one of them says"),
        ({**IN_WORLD, "log": {}}, "log and world: one of them says"),
        ({"vary": {"candidates": [1, 1]}, "log": {}}, r"vary.candidates: \[1, 1\], must be different values"),
        ({"vary": {"candidates": {"low": 9, "high": 1}}, "log": {}}, "vary.candidates: from 9 to 1, must be finite"),
        ({"vary": {"candidates": {"low": 1, "high": 9}}, "log": {}}, "a range has no end of values; list some"),
        ({"vary": {"policy": [1], "policy.epsilon": [1]}, "log": {}}, "'policy.epsilon' is part of 'policy'"),
        ({"vary": {"candidate": [1]}, "log": {}}, "strategy 'default' with candidate=1: Object contains unknown field"),
        ({"vary": {"policy.epsilon": [7]}, "log": {}}, "strategy 'default' with policy.epsilon=7: Expected `float` <="),
        ({**ON_LOG, "strategy": "none"}, "strategy 'none' is not defined; known: bold, default, popular, random"),
        ({**ON_LOG, "log": {"how": "guess"}}, "how == 'guess', must be run, progressive or final"),
        ({**ON_LOG, "log": {"surface": "cart"}}, "surface 'cart': the log has no decisions on it"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    folder: Path, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(BandstandError, match=message):
        found(folder, fields, tmp_path / "t", n_jobs=1)


@pytest.mark.parametrize("address", ["nonsense://", "nonsense://a:1", "tcp://", "tcp://a:b", "host", ""])
def test_an_address_of_no_cluster_is_refused_without_a_trace(folder: Path, tmp_path: Path, address: str) -> None:
    code = "import sys; from bandstand.sweep.workers import workers; workers(n_jobs=1, cluster=sys.argv[1]).__enter__()"
    ended = subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, timeout=60)
    last = ended.stderr.strip().splitlines()[-1]
    assert f"cluster {address!r}: no Dask scheduler answers there" in last
    assert "Exception ignored" not in ended.stderr


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        found(folder, ON_LOG, tmp_path / "t", cluster="tcp://127.0.0.1:1")


def test_no_process_at_all_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="jobs == 0, must be a number of processes"):
        found(folder, ON_LOG, tmp_path / "t", n_jobs=0)


def test_trials_that_cannot_be_read_or_written_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("nonsense\n")
    with pytest.raises(InputError, match="start --anew"):
        found(folder, ON_LOG, tmp_path / "t", n_jobs=1)
    with pytest.raises(InputError, match="cannot be written"):
        found(folder, ON_LOG, folder, n_jobs=1)


def test_differences_are_paired() -> None:
    one = [Block(10.0 + k + (k % 2), 10.0) for k in range(8)]
    other = [Block(10.0 + k, 10.0) for k in range(8)]
    told = difference(one, other, alpha=0.05)
    assert told is not None
    assert told.value == pytest.approx(0.05)
    assert 0 < told.low < told.high < 0.1  # the blocks' own spread, which is ten times as large, takes no part
    assert difference(one[:1], other[:1], alpha=0.05) is None
    assert difference(one, one, alpha=0.05) is None
    assert value([Block(0.0, 0.0)]) is None


def test_the_table_and_what_to_write_down(folder: Path, tmp_path: Path) -> None:
    file = folder / "told.toml"
    file.write_text('[vary]\n"policy.epsilon" = [0.05, 0.9]\n[log]\n', "utf-8")
    options = ["--database", f"sqlite:///{folder}/log.db", "--jobs", "1", "--trials", str(tmp_path / "t")]
    told = CliRunner().invoke(bandstand, ["sweep", str(file), *options], catch_exceptions=False, env={"COLUMNS": "80"})
    assert told.exit_code == 0
    assert "as it is" in told.stdout
    assert all(len(line) <= 80 for line in told.stdout.splitlines())
