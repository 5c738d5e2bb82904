"""A scenario small enough for every test run, in which there is something to learn."""

from collections.abc import Callable

import pytest

from bandstand.chance import uniform
from bandstand.events import AnyFact, Decided, Draft, Pick, Request, Rewarded
from bandstand.simulate.items import made
from bandstand.simulate.nature import Nature, Taste
from bandstand.simulate.run import START
from bandstand.simulate.scenario import Scenario, parse
from bandstand.simulate.world import World
from bandstand.store import EventLog

SMALL = {
    "requests": 600,
    "seeds": 2,
    "catalogue": "made",
    "items": 40,
    "publish_every": 50,
    "world": {"users": 50, "attention": 0.2, "tastes": [{"of": "device", "on": "category", "strength": 1.5}]},
    "surfaces": {"home": {"n": 5, "window_s": 300}},
    "strategies": {"default": {"policy": {"kind": "epsilon_greedy", "epsilon": 0.05}, "learning": {"rate": 0.1}}},
    "arms": {"bandit": {}, "random": {"strategy": "random"}},
    "expect": [
        {"metric": "lift", "side": "bandit", "against": "random", "over": "last 50%", "at_least": 0.4},
        {"metric": "regret", "side": "bandit", "over": "last 50%", "at_most": 0.5},
    ],
}


@pytest.fixture
def small() -> Scenario:
    return parse(SMALL, name="small")


KNOWN = Nature(users=400, click_through=0.15, attention=0.8, quality=0.5, tastes=(Taste("device", "category", 1.2),))
SLATE = 4


def record(log: EventLog, *, visits: int, shown: bool = True) -> World:
    """Slates by chance, and what people of a known world did with them."""
    world = World(made(16), KNOWN, seed=1)
    facts: list[AnyFact] = list(world.items)
    for number in range(visits):
        visit = world.visit(number, time=START + 97.0 * number)
        order = sorted(world.items, key=lambda item: uniform("order", number, item.item))
        slate = [item.item for item in order[:SLATE]]
        picks = tuple(Pick(item, position, SLATE / 16, 0.0) for position, item in enumerate(slate))
        request = Request("home", visit.time, visit.utc_offset_s, visit.user, context=visit.context, shown=shown)
        facts.append(Decided(f"d{number}", request, "random", picks, as_of=0))
        facts += [Rewarded(f"d{number}", "click", 1.0, "home", position=at) for at in world.clicks(visit, slate)]
    log.append([Draft(fact, START) for fact in facts])
    return world


@pytest.fixture(scope="session")
def history() -> Callable[..., World]:
    """Fills a log with what people of a known world did."""
    return record
