"""The default interval holds the truth as often as it says, where nobody knows the largest weight."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom

from bandstand.chance import bits
from bandstand.evaluate.scored import Scored
from bandstand.evaluate.uncertainty import Doubt, bracketed

LIMIT = 0.93  # of intervals that say 95 %
LEAST = 1e-3  # the chance that a right one fails this


class World(NamedTuple):
    logging: np.ndarray
    target: np.ndarray


UNIFORM, NINTH = np.full(10, 0.1), np.full(9, 0.003)
WORLDS = {
    "mild": World(UNIFORM, np.r_[0.25, 0.25, np.full(8, 0.0625)]),  # weights up to 2.5
    "heavy": World(np.r_[0.757, np.full(9, 0.027)], np.r_[NINTH, 0.973]),  # up to 36
}


@pytest.mark.calibration
@pytest.mark.parametrize("n", [500, 2000, 20_000])
@pytest.mark.parametrize("rate", [0.31, 0.13, 0.02])
@pytest.mark.parametrize("visits", [1, 10])
@pytest.mark.parametrize("name", WORLDS)
def test_default_interval_covers_without_a_known_largest_weight(name: str, visits: int, rate: float, n: int) -> None:
    world, repeats = WORLDS[name], 400
    chance = np.random.default_rng(bits("default interval", name, visits, str(rate), n))
    rates = rate * (0.5 + np.arange(10) / 10)
    truth = float(world.target @ rates)
    held, normal, width = 0, 0, 0.0
    for _ in range(repeats):
        shown = chance.choice(10, size=n, p=world.logging)
        weights = world.target[shown] / world.logging[shown]
        users = np.arange(n) % (n // visits)
        # Who comes often likes more than another, or less, of everything: their decisions hang together.
        keen = chance.choice([0.5, 1.5], size=n // visits)[users] if visits > 1 else 1.0
        rewards = (chance.random(n) < rates[shown] * keen).astype(np.float64)
        scored = Scored((weights * rewards,), (weights,), weights, rewards)
        doubt = Doubt(users if visits > 1 else None, 0.05, math.inf, (0.0, 1.0))
        found = bracketed(scored, doubt, "auto")
        held += found.figure.low <= truth <= found.figure.high
        normal += found.how.startswith("normal")
        width += found.figure.high - found.figure.low
    figures = f"{held / repeats:.3f} | {normal / repeats:.0%} | {width / repeats / truth:.2f}"
    print(f"| {name} | {visits} | {rate:g} | {n:,} | {figures} |")  # the table of docs/offline.md, with -s
    assert held >= binom.ppf(LEAST, repeats, LIMIT)
