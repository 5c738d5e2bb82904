"""The whole product in one file: rank, reward, learn, experiment, replay. Read this first."""

from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine, interaction
from bandstand.events import ItemPut, Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.report import report
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0
TASTE = {"mobile": "news", "desktop": "films"}


def shop() -> Engine:
    """A server's engine with two dozen items of three kinds."""
    engine = Engine(Model(), MemoryLog())
    engine.commit(definitions(engine.model.state, surfaces={"home": {"n": 3, "window_s": 60}}), at=NOON)
    kinds = ("news", "films", "music")
    engine.commit([ItemPut(f"i{k}", {"category": kinds[k % 3], "price": k}) for k in range(24)], at=NOON)
    return engine


def visit(engine: Engine, k: int) -> tuple[int, int]:
    """One visitor asks, sees, and clicks what suits the device; how many clicks out of how many items."""
    device = ("mobile", "desktop")[k % 2]
    now = NOON + 10 * k
    request = Request("home", now, user=f"u{k % 40}", context={"device": device})
    decided = engine.rank(request, decision=f"d{k}", at=now)
    liked = [pick for pick in decided.picks if _category(engine, pick.item) == TASTE[device]]
    engine.commit([engine.reward(decided.decision, "click", 1.0, item=pick.item) for pick in liked], at=now + 1)
    engine.model.publish()
    return len(liked), len(decided.picks)


def _category(engine: Engine, item: str) -> object:
    catalogue = engine.model.state.catalogue
    return catalogue.known[catalogue.rows[item]].put.features["category"]


def test_bandit_learns_what_suits_the_context() -> None:
    engine = shop()
    for k in range(400):
        visit(engine, k)
    last = [visit(engine, k) for k in range(400, 600)]
    # One item of three suits, and ε = 0.05 shows one slot of twenty at random.
    assert sum(clicks for clicks, _ in last) > 0.85 * sum(shown for _, shown in last)


def test_a_click_changes_the_next_slate() -> None:
    engine = shop()
    for user in ("a", "b", "c", "d"):
        for item in ("i3", "i17"):
            engine.commit([interaction(item, "view", user=user)], at=NOON)
    engine.commit([interaction("i3", "view", user="new")], at=NOON)
    decided = engine.decide(Request("home", NOON, user="new", n=24), decision="d")
    (partner,) = [pick for pick in decided.picks if pick.item == "i17"]
    assert "collaborative" in [source.name for source in partner.sources]


def test_experiment_reports_that_the_bandit_beats_chance_and_every_decision_can_be_made_again() -> None:
    engine = shop()
    experiment = Experiment(
        name="bandit",
        surface="home",
        start=True,
        variants=(Variant("control", "random", 0.5), Variant("bandit", "default", 0.5)),
        analysis=Analysis("fixed", units=40),
    )
    engine.commit(recorded(engine.model.state, experiment), at=NOON)
    for k in range(600):
        visit(engine, k)
    result = report(engine.log, "bandit")
    (comparison,) = result.comparisons
    assert comparison.low > 0
    assert comparison.p_value < 0.001
    replayed = replay(engine.log)
    assert replayed.decisions == 600
    assert replayed.divergences == []
