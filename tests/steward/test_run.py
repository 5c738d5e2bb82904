"""A server's steward on a real log: it stops, ships and sets weights by the rule that was written down, and no more."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from bandstand.chance import bits
from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.events import Decided, Draft, ExperimentMoved, ExperimentPut, ItemRemoved, Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Variant
from bandstand.experiments.lifecycle import reweighed, weights
from bandstand.experiments.metrics import Metric
from bandstand.live import Live
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.settings import Hooks
from bandstand.steward.looks import looks
from bandstand.steward.run import Steward
from bandstand.steward.wishes import Look
from bandstand.store import EventLog, entries
from bandstand.store.lead import Lead
from bandstand.store.memory import MemoryLog, MemorySnapshots

from ..report.logs import CLICKS, DAY, START, At, earned, experiment, log_of, saw, users
from .receiver import SECRET, receiving

ORDERS = Metric("orders", "order")
RAIL = Metric("rail", "click", role="guardrail")
RULE = Analysis(units=800)
Counts = Counter[tuple[str, str]]


def drawn(name: str, mean: float, size: int = 400) -> np.ndarray:
    return np.random.default_rng(bits(name)).poisson(mean, size).astype(float)


SAME = users("control", drawn("control", 2.0)) + users("treatment", drawn("alike", 2.0))
WORSE = users("control", drawn("control", 2.0)) + users("treatment", drawn("worse", 1.2))
BETTER = users("control", drawn("control", 2.0)) + users("treatment", drawn("better", 2.7))
LOPSIDED = BETTER + users("treatment", drawn("more", 2.7, 900))[800:]


def made(log: EventLog) -> EventLog:
    """The same log behind the definitions that every server records."""
    whole = MemoryLog()
    engine = Engine(Model(), whole)
    engine.commit(definitions(engine.model.state), at=START - 2)
    whole.append([Draft(entry.fact, entry.at) for entry in entries(log)])
    return whole


def stewarded(
    log: EventLog,
    *,
    now: float = START + 2 * DAY,
    seconds: float = 0.0,
    hooks: Hooks | None = None,
    rounds: int = 1,
    first: Iterable[Any] = (),
) -> tuple[Live, Counts]:
    """A server that is up for as long as its steward needs to look so often."""
    counts: Counts = Counter()
    failing = list(first)

    async def run() -> Live:
        engine = Engine(Model(learning=False), log)
        engine.catch_up()
        live = Live(engine, MemorySnapshots(), alone=True, clock=lambda: now)

        async def look() -> list[Look]:
            if failing:
                raise failing.pop(0)
            return await asyncio.to_thread(looks, log)

        lead = Lead("memory://", purpose="steward")
        steward = Steward(live, lead, look, every_s=0.01, hooks=hooks or Hooks())
        await live.start()
        await steward.start(asyncio.Lock(), lambda what, result: counts.update([(what, result)]))
        trials = live.engine.model.state.trials
        while counts["look", "done"] < rounds and any(trial.stage == "running" for trial in trials.values()):
            await asyncio.sleep(0.01)
        await asyncio.sleep(seconds)
        await steward.stop()
        await live.stop()
        return live

    return asyncio.run(run()), counts


def moves(log: EventLog) -> list[ExperimentMoved]:
    return [entry.fact for entry in entries(log) if isinstance(entry.fact, ExperimentMoved)]


def test_harmed_guardrail_stops_the_experiment_within_one_look_and_the_log_says_why() -> None:
    log = made(log_of(experiment(ORDERS, RAIL, analysis=RULE), WORSE))
    live, counts = stewarded(log)
    trial = live.engine.model.state.trials["x"]
    assert (trial.stage, counts["stop", "done"]) == ("stopped", 1)
    assert moves(log)[-1].why == trial.why
    assert (trial.why or "").startswith("Guardrail rail fell with 'treatment': -")
    decided = live.engine.decide(Request("home", START + 2 * DAY, user="new"), decision="d")
    assert decided.assignments == ()


@pytest.mark.parametrize("automatic", ["nothing", "harm"])
@pytest.mark.parametrize("facts", [SAME, BETTER], ids=["same", "better"])
def test_healthy_experiment_goes_on(automatic: Any, facts: list[At]) -> None:
    log = made(log_of(experiment(CLICKS, RAIL, analysis=RULE, automatic=automatic), facts))
    live, counts = stewarded(log, rounds=2)
    assert live.engine.model.state.trials["x"].stage == "running"
    assert counts == {("look", "done"): counts["look", "done"]}


def test_harm_stops_nothing_where_the_definition_says_nothing() -> None:
    live, _ = stewarded(made(log_of(experiment(ORDERS, RAIL, analysis=RULE, automatic="nothing"), WORSE)))
    assert live.engine.model.state.trials["x"].stage == "running"


def test_winner_ships_by_the_rule_where_the_definition_says_so() -> None:
    log = made(log_of(experiment(CLICKS, analysis=RULE, automatic="ship"), BETTER))
    live, counts = stewarded(log)
    trial = live.engine.model.state.trials["x"]
    assert (trial.stage, counts["ship", "done"], moves(log)[-1].winner) == ("shipped", 1, "treatment")
    assert live.engine.model.state.surfaces["home"].strategy == "default"
    assert (trial.why or "").startswith("Ship 'treatment': 'treatment' is ahead of 'control' on clicks")


def test_loser_is_stopped_by_the_rule_where_the_definition_says_so() -> None:
    for automatic, stage in (("harm", "running"), ("stop", "stopped"), ("ship", "stopped")):
        live, _ = stewarded(made(log_of(experiment(CLICKS, analysis=RULE, automatic=automatic), WORSE)))
        assert live.engine.model.state.trials["x"].stage == stage


def test_what_ran_as_long_as_was_planned_is_stopped_where_the_definition_says_so() -> None:
    for days, automatic, stage in ((0.5, "stop", "stopped"), (0.5, "harm", "running"), (9.0, "stop", "running")):
        definition = experiment(CLICKS, analysis=RULE, automatic=automatic, duration_days=days)
        live, _ = stewarded(made(log_of(definition, SAME)))
        trial = live.engine.model.state.trials["x"]
        assert trial.stage == stage
        assert (stage == "stopped") == ("its 0.5 days are over" in (trial.why or ""))


def test_broken_experiment_never_ships() -> None:
    live, counts = stewarded(made(log_of(experiment(CLICKS, analysis=RULE, automatic="ship"), LOPSIDED)), rounds=2)
    assert live.engine.model.state.trials["x"].stage == "running"
    assert counts["ship", "done"] == 0


def test_two_servers_that_see_the_same_harm_stop_it_once() -> None:
    log = made(log_of(experiment(ORDERS, RAIL, analysis=RULE), WORSE))
    seen = looks(log)

    async def run() -> Counts:
        counts: Counts = Counter()
        both = []
        for _ in range(2):
            engine = Engine(Model(learning=False), log)
            engine.catch_up()
            both.append(Live(engine, MemorySnapshots(), alone=True))  # neither hears of what the other writes

        async def look() -> list[Look]:
            return seen

        lead = Lead("memory://", purpose="steward")
        stewards = [Steward(live, lead, look, every_s=0.01, hooks=Hooks()) for live in both]
        for steward in stewards:
            await steward.start(asyncio.Lock(), lambda what, result: counts.update([(what, result)]))
        await asyncio.sleep(0.2)
        for steward, live in zip(stewards, both, strict=True):
            await steward.stop()
            await live.stop()
        return counts

    assert asyncio.run(run())["stop", "done"] == 1
    assert [one.to for one in moves(log)] == ["running", "stopped"]


def test_failing_looks_are_tried_again_and_serving_does_not_notice() -> None:
    log = made(log_of(experiment(ORDERS, RAIL, analysis=RULE), WORSE))
    live, counts = stewarded(log, first=[OSError("no more processes"), ValueError("garbage")])
    assert live.engine.model.state.trials["x"].stage == "stopped"
    assert (counts["look", "failed"], live.failing) == (2, {})


def test_hooks_are_told_what_was_found_and_what_was_done() -> None:
    log = made(log_of(experiment(ORDERS, RAIL, analysis=RULE), WORSE, end=START + 2 * DAY))
    with receiving(refusals=1) as receiver:
        hooks = Hooks((receiver.url,), SECRET, retries=3)
        stewarded(log, hooks=hooks, seconds=2.5)
    (verdict,), (stopped,) = receiver.named("verdict"), receiver.named("stopped")
    assert (verdict["outcome"], verdict["why"][:25]) == ("stop", "Stop, keep 'control': Gua")
    (entry,) = [entry for entry in entries(log) if entry.fact == moves(log)[-1]]
    assert (stopped["id"], stopped["seq"], stopped["at"]) == (f"{entry.seq}-stopped", entry.seq, entry.at)
    assert stopped["why"] == moves(log)[-1].why
    assert len({event["id"] for event in receiver.events}) == len(receiver.events) == 2


def test_hooks_hear_at_a_start_what_may_not_have_been_told_before_and_what_broke() -> None:
    lately = log_of(experiment(CLICKS, analysis=RULE), LOPSIDED, end=START + 2 * DAY - 1)
    lately.append([Draft(ExperimentPut("y", lately.read(limit=1)[0].fact.definition), START + 2 * DAY - 1)])  # type: ignore[union-attr]
    lately.append([Draft(ExperimentMoved("y", "archived"), START + 2 * DAY - 1)])
    with receiving() as receiver:
        stewarded(made(lately), hooks=Hooks((receiver.url,), SECRET), seconds=1.5)
    told = [(event["event"], event["experiment"]) for event in receiver.events]
    assert sorted(told) == [("archived", "y"), ("health", "x"), ("verdict", "x")]
    assert "sample ratio" in receiver.named("health")[0]["failing"][0]


HALVES = (Variant("control", "random", 0.5), Variant("treatment", "random", 0.5))
ADAPTIVE = experiment(
    CLICKS, variants=HALVES, allocation="adaptive", sticky=True, floor=0.1, reweigh_hours=1.0, analysis=RULE
)


def visited(engine: Engine, day: str, *, at: float, visits: int) -> None:
    """Visits of the surface by the serving code itself; in the treatment people like what they see twice as often."""
    for k in range(visits):
        request = Request("home", at + k, user=f"{day}-{k}")
        decided = engine.rank(request, decision=f"{day}-{k}", at=at + k)
        (assigned,) = decided.assignments
        rate = 0.6 if assigned.variant == "treatment" else 0.3
        if np.random.default_rng(bits(day, str(k))).random() < rate:
            engine.commit([engine.reward(decided.decision, "click", 1.0, position=0)], at=at + k + 0.5)


def test_weights_move_to_the_better_variant_down_to_the_floor_and_history_replays(shop: Engine, noon: float) -> None:
    put = ExperimentPut("x", msgspec.Raw(msgspec.json.encode(ADAPTIVE)))
    shop.commit([put, ExperimentMoved("x", "running", left="draft")], at=noon)
    had: dict[str, str] = {}
    for number in range(2):
        visited(shop, f"day{number}", at=noon + 7200 * number, visits=300)
        for old in range(number):  # whoever was here before sees the variant of that day
            for k in range(0, 300, 7):
                again = shop.decide(Request("home", noon + 7200 * number + 900, user=f"day{old}-{k}"), decision="d")
                assert had[f"day{old}-{k}"] == again.assignments[0].variant
        had |= {
            entry.fact.request.user or "": entry.fact.assignments[0].variant
            for entry in entries(shop.log)
            if isinstance(entry.fact, Decided)
        }
        shop.commit([ItemRemoved("nobody")], at=noon + 7200 * number + 3601)  # time passes
        _, counts = stewarded(shop.log, now=noon + 7200 * number + 3602)
        shop.catch_up()
        assert counts["reweigh", "done"] == (number == 0)  # later on nothing moves any more
    trial = shop.model.state.trials["x"]
    assert weights(trial.definition) == [0.1, 0.9]
    assert trial.phase == 1
    drawn_after = [entry.fact for entry in entries(shop.log) if isinstance(entry.fact, Decided)][300:]
    assert {fact.assignments[0].phase for fact in drawn_after} == {1}
    shares = np.mean([fact.assignments[0].variant == "treatment" for fact in drawn_after])
    assert 0.84 < shares < 0.96  # 300 draws at 0.9: ± 3.5 standard errors
    found = replay(shop.log)
    assert (found.decisions, found.diverged) == (600, 0)


def test_weights_are_not_set_anew_before_it_is_time_nor_where_health_fails() -> None:
    for definition, facts in (
        (replace(ADAPTIVE, reweigh_hours=25.0), BETTER),
        (replace(ADAPTIVE, floor=0.4), LOPSIDED),
    ):
        log = made(log_of(definition, facts))
        _, counts = stewarded(log, rounds=2)
        assert counts["reweigh", "done"] == 0


def test_alarm_holds_where_weights_have_changed_and_where_all_that_changed_is_the_day() -> None:
    """On a good day the treatment has few users and on a bad one many: in sum it looks harmful, and it is not."""
    uneven = reweighed(ADAPTIVE, [0.8, 0.2])
    before = replace(uneven, metrics=(ORDERS, RAIL), reweigh_hours=99.0)
    after = msgspec.Raw(msgspec.json.encode(reweighed(before, [0.2, 0.8])))
    for loss, stage in ((0.0, "running"), (1.2, "stopped")):
        good = came("good", "control", 4.0, 960) + came("good", "treatment", 4.0 - loss, 240)
        bad = came("bad", "control", 1.5, 240, phase=1) + came("bad", "treatment", 1.5 - loss, 960, phase=1)
        whole = log_of(before, [])
        log = MemoryLog()
        log.append([Draft(entry.fact, entry.at) for entry in entries(whole)][:2])
        log.append([Draft(fact, at) for at, fact in good])
        log.append([Draft(ExperimentPut("x", after, phase=1), START + DAY / 2)])
        log.append([Draft(fact, at) for at, fact in bad])
        live, _ = stewarded(made(log))
        assert live.engine.model.state.trials["x"].stage == stage


def came(day: str, variant: str, mean: float, size: int, *, phase: int = 0) -> list[At]:
    facts: list[At] = []
    for k, value in enumerate(drawn(f"{day} {variant}", max(mean, 0.1), size)):
        who, at = f"{day}-{variant}-{k}", START + phase * DAY * 0.6
        seen_at, seen = saw(who, variant, who, at=at)
        assigned = tuple(replace(one, phase=phase) for one in seen.assignments)  # type: ignore[union-attr]
        facts += [(seen_at, replace(seen, assignments=assigned)), earned(who, who, value=float(value), at=at + 1)]
    return facts
