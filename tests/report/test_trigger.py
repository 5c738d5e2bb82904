"""A triggered analysis: only units whose slate would have been another one."""

from msgspec.structs import replace

from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine, interaction
from bandstand.events import Decided, ItemPut, Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Variant
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.report import report
from bandstand.store.memory import MemoryLog

from .logs import START, At, earned, experiment, reported, saw

TRIGGERED = Analysis("fixed", units=2, trigger="changed")


def ranked(one: At, **rankings: tuple[str, ...]) -> At:
    at, fact = one
    return at, replace(fact, rankings=rankings)


def test_a_unit_takes_part_from_the_first_slate_on_that_would_have_differed() -> None:
    facts = [
        ranked(saw("same", "control", "u"), control=("a", "b"), treatment=("a", "b")),
        earned("same", "u", at=START + 1),
        ranked(saw("other", "control", "u", at=START + 10), control=("a", "b"), treatment=("b", "a")),
        earned("other", "u", at=START + 11),
        ranked(saw("again", "control", "u", at=START + 20), control=("a", "b"), treatment=("a", "b")),
        earned("again", "u", at=START + 21),
        ranked(saw("never", "treatment", "v"), control=("a",), treatment=("a",)),
    ]
    control, treatment = reported(experiment(analysis=TRIGGERED), facts).variants
    assert (control.units, control.decisions, control.metrics[0].total) == (1, 2, 2.0)
    assert treatment.units == 0


def served(*strategies: str) -> Engine:
    engine = Engine(Model(), MemoryLog())
    engine.commit(definitions(engine.model.state, surfaces={"home": {"n": 3}}), at=START)
    engine.commit([ItemPut(f"i{k}") for k in range(20)], at=START)
    engine.commit([interaction(f"i{k % 4}", "view", user=f"viewer{k}") for k in range(40)], at=START)
    sides = tuple(Variant(name, strategy, 0.5) for name, strategy in zip("ab", strategies, strict=True))
    trial = experiment(analysis=TRIGGERED, variants=sides, start=True)
    engine.commit(recorded(engine.model.state, trial), at=START)
    for k in range(40):
        engine.rank(Request("home", START + k, user=f"u{k}"), decision=f"d{k}", at=START + k)
    return engine


def test_every_variants_slate_is_recorded_and_made_again_and_the_shown_one_is_among_them() -> None:
    engine = served("random", "popular")
    decisions = [entry.fact for entry in engine.log.read(limit=1000) if isinstance(entry.fact, Decided)]
    for fact in decisions:
        shown = fact.rankings[fact.assignments[0].variant]
        assert shown == tuple(pick.item for pick in fact.picks)
        assert set(fact.rankings) == {"a", "b"}
    assert sum(arm.units for arm in report(engine.log, "x").variants) > 30
    assert replay(engine.log).divergences == []


def test_variants_that_show_the_same_have_no_units() -> None:
    assert [arm.units for arm in report(served("popular", "popular").log, "x").variants] == [0, 0]
