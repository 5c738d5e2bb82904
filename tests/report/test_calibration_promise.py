"""How often the promise of a report holds what simulated worlds truly give."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Final, NamedTuple

import numpy as np
import pytest
from scipy.stats import binom

from bandstand.chance import bits
from bandstand.configuration import definitions, recorded
from bandstand.engine import Engine
from bandstand.events import ExperimentMoved, Request
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.model import Model
from bandstand.report import report
from bandstand.report.result import Promise, Range
from bandstand.simulate.items import made
from bandstand.simulate.nature import Nature
from bandstand.simulate.run import START
from bandstand.simulate.world import World
from bandstand.store.memory import MemoryLog

WORLDS: Final = 100
VISITS: Final = 1_000  # in the week before, and in that of the experiment
LIMIT: Final = 0.93  # of intervals that say 95 %
LEAST: Final = 1e-3  # the chance that a right one fails this
HELD: Final = ("value", "difference", "lift", "measured", "kept")
_ITEMS, _USERS, _WEEK_S, _SURVEYED = 8, 2_000, 7 * 86_400, 4_000
_FLOOR = 0.3  # of the logger's draws are uniform


class Kind(NamedTuple):
    """Slates of `n` items, of which random ones of ten would have this share of clicks a pick."""

    n: int
    clicked: float


KINDS: Final = (Kind(1, 0.2), Kind(3, 0.2))


class Outcome(NamedTuple):
    """The promise for the challenger, and what it truly earns beside the control."""

    promise: Promise
    truth: float
    control: float


Shares = dict[str, list[float]]


@pytest.mark.calibration
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_promised_intervals_hold_what_worlds_truly_give(kind: Kind) -> None:
    found = held([outcome(kind, seed) for seed in range(1, WORLDS + 1)])
    promised = found.pop("promised")
    figures = " | ".join(f"{found[name] / promised:.2f}" for name in HELD)
    print(f"| {kind.n} | {kind.clicked:.0%} | {promised} of {WORLDS} | {figures} |")  # the table of docs/experiments.md
    assert promised >= WORLDS // 2
    for name in HELD:
        assert found[name] >= binom.ppf(LEAST, promised, LIMIT), name


def outcome(kind: Kind, seed: int) -> Outcome:
    """One world: a week of so many visits under a logger that explores, then a week of an A/B test of logger and
    challenger. Both weeks have the same people and hours."""
    world = World(made(_ITEMS), Nature(users=_USERS, click_through=kind.clicked), seed=seed)
    chance = np.random.default_rng(bits("promise", kind.n, str(kind.clicked), seed))
    logger, challenger = _shares(world, chance, floor=_FLOOR), _shares(world, chance, floor=0.0)
    strategies = {"logger": _fixed(logger), "challenger": _fixed(challenger)}
    engine = Engine(Model(), MemoryLog())
    surfaces = {"home": {"n": kind.n, "window_s": 1, "strategy": "logger"}}
    engine.commit(definitions(engine.model.state, surfaces=surfaces, strategies=strategies), at=START)
    engine.commit(world.arrivals(0), at=START)
    engine.commit(recorded(engine.model.state, _experiment(seed)), at=START)
    items = tuple(item.item for item in world.items)
    for number in range(2 * VISITS):
        now = START + number * _WEEK_S / VISITS
        if number == VISITS:
            engine.commit([ExperimentMoved("x", "running")], at=now)
        visit = world.visit(number, time=now)
        request = Request("home", now, user=visit.user, context=visit.context, candidates=items)
        decided = engine.rank(request, decision=f"{seed}-{number}", at=now)
        clicked = world.clicks(visit, [pick.item for pick in decided.picks])
        engine.commit([engine.reward(decided.decision, "click", 1.0, position=at) for at in clicked], at=now)
    found = report(engine.log, "x", promise=True).promised
    assert found is not None
    assert found.rows, found.reason
    clicks = _clicks(world, kind.n)
    return Outcome(found.rows[1], _worth(clicks, challenger, kind.n), _worth(clicks, logger, kind.n))


def held(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How many were promised at all (and not withheld), how many intervals held the truth, and how many were called
    kept."""
    found: Counter[str] = Counter()
    for one in outcomes:
        value, difference, lift = one.promise.value, one.promise.difference, one.promise.lift
        assert difference is not None
        assert lift is not None
        if value.promised is None:
            continue
        gap = one.truth - one.control
        found["promised"] += 1
        found["value"] += _holds(value.promised, one.truth)
        found["difference"] += _holds(difference.promised, gap)
        found["lift"] += _holds(lift.promised, gap / one.control)
        found["measured"] += _holds(value.measured, one.truth)
        found["kept"] += value.came == "kept"
    return found


def _holds(found: Range | None, truth: float) -> bool:
    return found is not None and found.low <= truth <= found.high


def _experiment(seed: int) -> Experiment:
    variants = (Variant("control", "logger", 0.5), Variant("challenger", "challenger", 0.5))
    once = Analysis("fixed", units=VISITS)  # or a promise is called by a sequence, which calls nearly all kept
    return Experiment(
        "x", "home", variants, salt=f"promise {seed}", metrics=(Metric("clicks", "click"),), analysis=once
    )


def _shares(world: World, chance: np.random.Generator, *, floor: float) -> Shares:
    """Drawn by chance, some of them uniform."""
    drawn = (1 - floor) * chance.dirichlet(np.ones(_ITEMS)) + floor / _ITEMS
    return {item.item: [float(share)] for item, share in zip(world.items, drawn, strict=True)}


def _fixed(shares: Shares) -> dict[str, object]:
    return {"generators": {}, "policy": {"kind": "fixed", "table": shares}}


def _clicks(world: World, n: int) -> dict[tuple[str, int], float]:
    """How often people as they come through a week click an item at a position."""
    visits = [world.visit(at, time=START + at * _WEEK_S / _SURVEYED) for at in range(_SURVEYED)]
    return {
        (item.item, at): float(np.mean([world.click_probability(visit, item.item, at) for visit in visits]))
        for item in world.items
        for at in range(n)
    }


def _worth(clicks: dict[tuple[str, int], float], shares: Shares, n: int) -> float:
    """Clicks per slate: over every slate there is, each as likely as it is."""
    return sum(
        _likely(slate, shares) * sum(clicks[item, at] for at, item in enumerate(slate))
        for slate in permutations(shares, n)
    )


def _likely(slate: Sequence[str], shares: Shares) -> float:
    left, found = 1.0, 1.0
    for item in slate:
        found *= shares[item][0] / left
        left -= shares[item][0]
    return found
