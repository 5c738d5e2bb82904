"""The steward as users have it: `bandstand serve` on a file, a process for each look, a receiver of hooks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandstand.events import Draft, ExperimentMoved, ExperimentPut
from bandstand.experiments.definition import Variant
from bandstand.store import EventLog, entries
from bandstand.store.sql import open_log

from ..faults.server import Server, wait_until
from ..report.logs import DAY, START, experiment, log_of
from .receiver import SECRET, Receiver, receiving
from .test_run import BETTER, CLICKS, ORDERS, RAIL, RULE, WORSE, made, moves

pytestmark = pytest.mark.slow


def kept(database: str, log: EventLog) -> None:
    file = open_log(database)
    file.append([Draft(entry.fact, entry.at) for entry in entries(made(log))])
    file.close()


def server(folder: Path, receiver: Receiver, **settings: Any) -> Server:
    lines = [f"{name} = {json.dumps(value)}" for name, value in ({"steward_every_s": 1.0} | settings).items()]
    hooks = f'[hooks]\nurls = ["{receiver.url}"]'
    secret = {"BANDSTAND_HOOKS_SECRET": SECRET}
    return Server(folder, settings="\n".join([*lines, hooks]), environment=secret)


def stage(running: Server) -> str:
    found: str = running.ask("GET", "/v1/experiments/x")[1]["stage"]
    return found


def test_harm_is_stopped_by_the_first_look_and_a_signed_hook_says_so(tmp_path: Path) -> None:
    with receiving() as receiver:
        one = server(tmp_path / "s", receiver, steward_every_s=3600.0)
        one.folder.mkdir(exist_ok=True)
        kept(one.database, log_of(experiment(ORDERS, RAIL, analysis=RULE), WORSE))
        one.start()
        wait_until(lambda: bool(_lookers(one)), within_s=60, what=one.tail)
        one.stop()
        wait_until(lambda: not one.pids(), within_s=5, what=lambda: "a look goes on without its server")
        one.start()
        try:
            wait_until(lambda: stage(one) == "stopped", within_s=60, what=one.tail)
            receiver.wait(lambda: receiver.named("stopped"))
            told = one.ask("GET", "/v1/experiments/x")[1]
            metrics = one.ask("GET", "/metrics")[1]
            assert one.ask("GET", "/health/ready")[1]["failing"] == {}
        finally:
            one.stop()
    assert told["why"] == receiver.named("stopped")[0]["why"]
    assert 'bandstand_steward_total{result="done",what="look"} 1.0' in metrics
    assert 'bandstand_steward_total{result="done",what="stop"} 1.0' in metrics
    assert "Traceback" not in one.tail()


def test_healthy_experiment_goes_on_and_a_look_that_is_killed_is_tried_again(tmp_path: Path) -> None:
    with receiving() as receiver:
        one = server(tmp_path / "s", receiver)
        one.folder.mkdir(exist_ok=True)
        kept(one.database, log_of(experiment(CLICKS, RAIL, analysis=RULE), BETTER))
        one.start()
        one.stock()
        try:
            wait_until(lambda: bool(_lookers(one)), within_s=60, what=one.tail)
            for pid in _lookers(one):
                assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
                os.kill(pid, 9)
            wait_until(lambda: "steward" in _failing(one), within_s=30, what=one.tail)
            assert one.ask("POST", "/v1/rank", {"surface": "home", "user": "new"})[0] == 200
            wait_until(lambda: "steward" not in _failing(one), within_s=90, what=one.tail)
            receiver.wait(lambda: receiver.named("verdict"))
            assert stage(one) == "running"
        finally:
            one.stop()
    assert [event["outcome"] for event in receiver.named("verdict")] == ["ship"]
    assert receiver.named("stopped") == receiver.named("shipped") == []


def test_command_does_the_same_once_without_a_server(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/log.db"
    kept(database, log_of(experiment(CLICKS, analysis=RULE, automatic="ship"), BETTER))

    def told(*arguments: str) -> Any:
        command = [sys.executable, "-m", "bandstand", "steward", "--json", *arguments]
        secret = os.environ | {"BANDSTAND_DATABASE": database, "BANDSTAND_HOOKS_SECRET": SECRET}
        done = subprocess.run(command, cwd=tmp_path, env=secret, capture_output=True, check=True)
        return json.loads(done.stdout)

    with receiving() as receiver:
        (tmp_path / "bandstand.toml").write_text(f'[hooks]\nurls = ["{receiver.url}"]')
        (look,) = told("--dry-run")
        assert (look["outcome"], look["act"]["act"], receiver.events) == ("ship", "ship", [])
        assert told() == [look]
        assert told() == []
    log = open_log(database, readonly=True)
    assert [one.to for one in moves(log)] == ["running", "shipped"]
    assert [(event["event"], event["winner"]) for event in receiver.events] == [("shipped", "treatment")]


def test_ship_that_has_to_wait_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/log.db"
    tunes = (Variant("control", weight=0.5), Variant("treatment", weight=0.5, parameters={"candidates": 50}))
    waits = log_of(experiment(CLICKS, analysis=RULE, automatic="ship", variants=tunes), BETTER)
    ranks = experiment(CLICKS, name="y", layer="y")
    put = ExperimentPut("y", msgspec.Raw(msgspec.json.encode(ranks)))
    waits.append([Draft(put, START + 2 * DAY), Draft(ExperimentMoved("y", "running"), START + 2 * DAY)])
    kept(database, waits)
    command = [sys.executable, "-m", "bandstand", "steward", "--database", database]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "'y' compares strategies there" in done.stderr
    log = open_log(database, readonly=True)
    assert [(one.name, one.to) for one in moves(log)] == [("x", "running"), ("y", "running")]


def _lookers(one: Server) -> list[int]:
    def steward(pid: int) -> bool:
        try:
            return b"steward" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False

    return [pid for pid in one.pids() if steward(pid)]


def _failing(one: Server) -> dict[str, str]:
    found: dict[str, str] = one.ask("GET", "/health/ready")[1]["failing"]
    return found
