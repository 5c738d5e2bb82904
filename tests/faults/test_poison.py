"""What would poison a model: refused where it comes in, or harmless; the scores of a probe stay to the last bit."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.events import Decided, ItemPut, Request
from bandstand.formats.transfer import export, import_
from bandstand.model import Model, Published, fold
from bandstand.store import entries
from bandstand.store.memory import MemoryLog

from .conftest import Saw, Serving
from .server import Server
from .traffic import Traffic
from .verdict import assert_same, judge

NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e7", "null", '"1"']
AWKWARD = ["a|b c:9", "|", "new\nline", "tab\t", "\r\n0 |u x:1e30", "a:inf", "'", " ", "\u2028", "x" * 256]
_STEPS = 40


@pytest.mark.faults
def test_numbers_that_are_none_are_refused_and_awkward_ids_are_only_ids(serving: Serving, saw: Saw) -> None:
    server = serving()
    server.start()
    server.stock()
    with Traffic(server.port, seed="poison").running() as traffic:
        slate = server.ask("POST", "/v1/rank", {"surface": "home", "user": "u"})[1]
        refused = [given(server, slate["decision"], number) for number in NUMBERS]
        for name in AWKWARD:
            rewarded(server, name)
        server.wait_learned()
    server.stop()
    judged = judge(server.database, traffic.acknowledged)
    saw("judged", judged)
    saw("refused", refused)
    assert set(refused) == {400}
    assert traffic.surprises == []
    assert judged.learned > 0


def given(server: Server, decision: str, number: str) -> int:
    """The status of a reward of so much, written as no encoder would."""
    body = f'{{"decision": "{decision}", "name": "click", "position": 0, "value": {number}}}'
    return server.send("POST", "/v1/rewards", body.encode())[0]


def rewarded(server: Server, name: str) -> None:
    """Use the name for all that has one: an item, a feature, a user, a key; and reward what was shown."""
    item = {"item": name, "features": {"category": name, "text": name}}
    assert server.ask("PUT", "/v1/items", [item])[0] == 200
    status, slate = server.ask(
        "POST", "/v1/rank", {"surface": "home", "user": name, "candidates": [name], "context": {"device": name}}
    )
    assert (status, [pick["item"] for pick in slate["picks"]]) == (200, [name])
    reward = {"decision": slate["decision"], "name": "click", "value": 1, "item": name, "key": name}
    assert server.ask("POST", "/v1/rewards", reward)[0] == 202


@pytest.mark.parametrize("propensity", ["5e-324", "1e-300", "1.0"])
def test_extreme_propensities_of_an_imported_log_leave_the_weights_as_they_were(
    tmp_path: Path, propensity: str
) -> None:
    """Learning is a regression on what was shown: it does not divide by the probability of showing it."""
    honest = history()
    imported = MemoryLog()
    assert import_(imported, "jsonl", [exported(honest, tmp_path, propensity)], now=0.0).stored == honest.head()
    poisoned = [
        pick.propensity for entry in entries(imported) if isinstance(entry.fact, Decided) for pick in entry.fact.picks
    ]
    assert set(poisoned) == {float(propensity)}
    assert_same(weights(imported), weights(honest))


@pytest.mark.parametrize("propensity", ["NaN", "1e999", "-1e999", "null", '"1"', "1e300", "1.001", "0.0", "-0.5"])
def test_propensities_that_are_none_do_not_get_into_a_log(tmp_path: Path, propensity: str) -> None:
    imported = MemoryLog()
    assert import_(imported, "jsonl", [exported(history(), tmp_path, propensity)], now=0.0).refused.count == 1
    assert not any(isinstance(entry.fact, Decided) for entry in entries(imported))


def test_items_of_awkward_names_leave_the_weights_of_all_others_as_they_were() -> None:
    assert_same(weights(history(AWKWARD)), weights(history([f"plain {k}" for k in range(len(AWKWARD))])))


def history(names: Sequence[str] = ()) -> MemoryLog:
    """Decisions among twelve items, some rewarded, and windows that have closed; the named items are never shown."""
    log = MemoryLog()
    engine = Engine(Model(learning=False), log)
    engine.commit(definitions(engine.model.state, strategies={"default": {"learning": {"bits": 12}}}), at=0.0)
    engine.commit([ItemPut(f"i{k}", {"category": f"c{k % 3}"}) for k in range(12)], at=0.0)
    engine.commit([ItemPut(name, {"category": "c1"}, available=False) for name in names], at=0.0)
    for step in range(_STEPS):
        decided = engine.rank(Request("home", float(step), user="u"), decision=f"d{step}", at=1000.0 * step)
        engine.commit([engine.reward(decided.decision, "click", step % 3, position=0)], at=1000.0 * step)
    return log


def exported(log: MemoryLog, folder: Path, propensity: str) -> Path:
    """The log as a file in which every pick has this propensity."""
    path = folder / "log.jsonl"
    export(log, "jsonl", path)
    text, found = re.subn(r'("propensity":)[^,}]+', rf"\g<1>{propensity}", path.read_text("utf-8"))
    assert found > _STEPS
    path.write_text(text, "utf-8")
    return path


def weights(log: MemoryLog) -> Published:
    model = fold(Model(), entries(log))
    assert model.learned > _STEPS
    return model.publish()
