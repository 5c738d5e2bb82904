"""A scenario small enough for every test run, in which there is something to learn."""

import pytest

from bandstand.simulate.scenario import Scenario, parse

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
