"""Replay finds every decision again, and no other, whatever the server lagged behind and whatever changed meanwhile."""

import runpy
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bandstand import ask
from bandstand.errors import StoreError
from bandstand.events import AnyFact, Decided, Draft, Entry, Pick, Request, Rewarded, StrategyPut
from bandstand.features import context_features
from bandstand.formats.transfer import import_
from bandstand.replay import MOST_DIVERGENCES, Replayed, Stops, replay, revisited
from bandstand.store.memory import MemoryLog

GOLDEN = Path(__file__).parent / "golden"
MAKE = runpy.run_path(str(GOLDEN / "make.py"))
ERASED = "u13"


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    """The history of the golden files as the code of today makes it."""
    made = MemoryLog()
    MAKE["history"](made)
    return made


def everything(log: MemoryLog) -> list[Entry]:
    return log.read(limit=log.head())


def decisions(log: MemoryLog) -> list[Decided]:
    return [entry.fact for entry in everything(log) if isinstance(entry.fact, Decided)]


def golden(name: str) -> MemoryLog:
    log = MemoryLog()
    imported = import_(log, "jsonl", [GOLDEN / f"{name}.jsonl.gz"], now=0.0)
    assert imported.refused.count == 0
    return log


def changed(log: MemoryLog, change: Callable[[AnyFact], AnyFact]) -> MemoryLog:
    copy = MemoryLog()
    copy.append([Draft(change(entry.fact), entry.at) for entry in everything(log)])
    return copy


def diverged(replayed: Replayed) -> set[str]:
    return {divergence.decision for divergence in replayed.divergences}


def test_every_decision_of_a_lagging_server_is_made_again(log: MemoryLog) -> None:
    lags = [entry.seq - entry.fact.as_of for entry in everything(log) if isinstance(entry.fact, Decided)]
    assert max(lags) > 3
    assert any(fact.weights_as_of < fact.as_of - 20 for fact in decisions(log))
    replayed = replay(log)
    assert replayed.divergences == []
    assert replayed.diverged == 0
    assert replayed.decisions == 250 - replayed.skipped["user erased"]


def test_golden_history_replays_without_a_divergence() -> None:
    replayed = replay(golden("history"))
    assert replayed.divergences == []
    assert replayed.decisions > 200


def test_forged_decisions_of_the_doctored_history_are_found_and_no_others() -> None:
    replayed = replay(golden("doctored"))
    assert {one.decision: one.field for one in replayed.divergences} == {
        decision: field for decision, (field, _) in MAKE["FORGED"].items()
    }
    assert replayed.diverged == 3


def test_changed_feature_code_diverges_exactly_where_the_feature_was_used(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_tv(request: Request) -> dict[str, float]:
        return {name: value for name, value in context_features(request).items() if name != "device=tv"}

    monkeypatch.setattr(ask, "context_features", without_tv)
    replayed = replay(log)
    with_tv = {
        fact.decision for fact in decisions(log) if fact.context.get("device=tv") and fact.request.user != ERASED
    }
    assert diverged(replayed) == with_tv
    assert {one.field for one in replayed.divergences} == {"context.device=tv"}
    assert replayed.divergences[0].old == "1.0"
    assert replayed.divergences[0].new == "nothing"


def test_changed_exploration_diverges_exactly_where_that_strategy_chose(log: MemoryLog) -> None:
    def bolder(fact: AnyFact) -> AnyFact:
        if isinstance(fact, StrategyPut) and fact.name == "bold":
            return StrategyPut("bold", msgspec.Raw(bytes(fact.definition).replace(b"0.3", b"0.5")))
        return fact

    found = diverged(replay(changed(log, bolder)))
    kept = [fact for fact in decisions(log) if fact.request.user != ERASED]
    mixed = {fact.decision for fact in kept if fact.rankings}
    # ε matters where scores differ: before its first lesson a strategy scores every item 0, and all share alike.
    alone = {
        fact.decision
        for fact in kept
        if fact.strategy == "bold" and not fact.rankings and any(pick.score for pick in fact.picks)
    }
    assert found - mixed == alone
    assert len(found & mixed) > 10


def test_first_differing_field_is_reported_with_its_place(log: MemoryLog) -> None:
    def relabelled(fact: AnyFact) -> AnyFact:
        if isinstance(fact, Decided) and fact.decision == "d61":
            picks = tuple(msgspec.structs.replace(pick, sources=()) for pick in fact.picks)
            return msgspec.structs.replace(fact, picks=picks, fallback=True)
        return fact

    # What it taught differs too, but not what was decided before that.
    first = replay(changed(log, relabelled)).divergences[0]
    assert (first.decision, first.field, first.old, first.new) == ("d61", "fallback", "true", "false")


def test_rounding_is_no_divergence(log: MemoryLog) -> None:
    def rounded(fact: AnyFact) -> AnyFact:
        if isinstance(fact, Decided):
            return msgspec.structs.replace(fact, picks=tuple(map(_nudged, fact.picks)))
        return fact

    assert replay(changed(log, rounded)).divergences == []


def _nudged(pick: Pick) -> Pick:
    return msgspec.structs.replace(pick, propensity=pick.propensity * (1 - 1e-10), score=pick.score + 1e-3)


def test_divergences_beyond_the_first_hundred_are_counted_only(log: MemoryLog) -> None:
    replayed = replay(changed(log, _renamed))
    assert replayed.diverged == replayed.decisions
    assert len(replayed.divergences) == MOST_DIVERGENCES


def _renamed(fact: AnyFact) -> AnyFact:
    return msgspec.structs.replace(fact, strategy="other") if isinstance(fact, Decided) else fact


def test_request_that_is_refused_today_is_a_divergence(log: MemoryLog) -> None:
    def unknown(fact: AnyFact) -> AnyFact:
        if isinstance(fact, Decided) and fact.decision == "d249":
            return msgspec.structs.replace(fact, request=msgspec.structs.replace(fact.request, n=101))
        return fact

    (only,) = replay(changed(log, unknown)).divergences
    assert (only.decision, only.field) == ("d249", "request")
    assert "n == 101" in only.new


def test_imported_decisions_are_counted_and_left_out(log: MemoryLog) -> None:
    def elsewhere(fact: AnyFact) -> AnyFact:
        return msgspec.structs.replace(fact, imported=True) if isinstance(fact, Decided) else fact

    replayed = replay(changed(log, elsewhere))
    assert (replayed.decisions, replayed.skipped) == (0, {"imported": 250})


def test_facts_of_a_surface_that_the_log_does_not_define_are_folded_over(log: MemoryLog) -> None:
    def elsewhere(fact: AnyFact) -> AnyFact:
        match fact:
            case Decided():
                return msgspec.structs.replace(fact, request=msgspec.structs.replace(fact.request, surface="nowhere"))
            case Rewarded():
                return msgspec.structs.replace(fact, surface="nowhere")
            case _:
                return fact

    replayed = replay(changed(log, elsewhere))
    assert replayed.diverged == replayed.decisions > 0
    assert "'nowhere'" in replayed.divergences[0].new


def test_decision_that_had_read_itself_is_refused(log: MemoryLog) -> None:
    entries = everything(log)
    torn = MemoryLog()
    torn.append([Draft(entry.fact, entry.at) for entry in entries if not isinstance(entry.fact, StrategyPut)])
    with pytest.raises(StoreError, match="the log is not whole"):
        replay(torn)


def test_model_is_revisited_as_each_server_had_it(log: MemoryLog) -> None:
    stops = Stops()
    for entry in everything(log):
        if isinstance(entry.fact, Decided):
            stops.add(as_of=entry.fact.as_of, weights_as_of=entry.fact.weights_as_of, seq=entry.seq)
    for model, seq, fact in revisited(log, stops):
        assert model.state.seq == fact.as_of < seq
        assert model.published.seq == fact.weights_as_of


def test_progress_tells_decisions_done_and_of_how_many(log: MemoryLog) -> None:
    told: list[tuple[int, int | None]] = []
    replay(log, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 250) for done in range(1, 251)]


def test_empty_log_has_nothing_to_replay() -> None:
    assert replay(MemoryLog()) == Replayed(0, 0, [], {})
