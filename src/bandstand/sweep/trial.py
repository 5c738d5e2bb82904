"""One strategy, tried once: what it earned in each of several blocks, which are the units of every comparison."""

from array import array
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandstand.ask import understand
from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.evaluate.learning import Learning, learning, recipe
from bandstand.evaluate.past import WORTH, Past
from bandstand.rank import slate_propensities
from bandstand.simulate.run import play
from bandstand.simulate.scenario import Arm, Scenario
from bandstand.simulate.scenario import read as read_scenario
from bandstand.stats.slate_weights import prefix_weights
from bandstand.store.sql import open_log
from bandstand.strategy import Strategy
from bandstand.sweep.space import Sweep

BLOCKS: Final = 64
"""Of a log's users: enough for an interval, few enough to be kept for every trial."""

_TRIED: Final = "tried"


class Block(NamedTuple):
    """What came in, and for how much: rewards and weights of a log's users, clicks and picks of a world."""

    earned: float
    of: float


class OnLog(msgspec.Struct, frozen=True, tag="log"):
    """A database's decisions up to the one at `head`, the first `share` of them; users fall into `BLOCKS` by a hash."""

    database: str
    head: int
    surface: str
    how: str
    share: float = 1.0


class OnWorld(msgspec.Struct, frozen=True, tag="world"):
    """One world of a scenario: one block."""

    scenario: Scenario
    seed: int


Ground = OnLog | OnWorld


def attempt(strategy: Strategy, ground: Ground) -> list[Block]:
    """What the strategy earns there, block by block; a function of its arguments alone."""
    return [_in_world(strategy, ground)] if isinstance(ground, OnWorld) else _on_log(strategy, ground)


def known(sweep: Sweep, database: str) -> tuple[Strategy, OnLog]:
    """The strategy that is varied and the decisions that it is tried on, as the log knows them."""
    assert sweep.log is not None
    log = open_log(database, readonly=True)
    try:
        head = log.head()
    finally:
        log.close()
    past = _past(database, head, sweep.log.surface)
    strategies = {**past.strategies, **sweep.strategies}
    if sweep.log.how not in ("run", "progressive", "final"):
        raise InputError(f"how == {sweep.log.how!r}, must be run, progressive or final", field="log.how")
    return _named(sweep, strategies), OnLog(database, head, past.place(), sweep.log.how)


def world(sweep: Sweep) -> tuple[Strategy, Scenario]:
    """The strategy that is varied and the scenario that it is tried in."""
    assert sweep.world is not None
    scenario = read_scenario(Path(sweep.folder, sweep.world.scenario))
    if scenario.experiment is not None:
        raise InputError(
            f"scenario {scenario.name!r} has an experiment, which would divide its visitors; take one without",
            field="world.scenario",
        )
    requests = sweep.world.requests or scenario.requests
    scenario = msgspec.structs.replace(scenario, requests=requests, expect=())
    return _named(sweep, {"default": Strategy(), **scenario.strategies, **sweep.strategies}), scenario


def _named(sweep: Sweep, strategies: dict[str, Strategy]) -> Strategy:
    if sweep.strategy not in strategies:
        raise InputError(
            f"strategy {sweep.strategy!r} is not defined; known: {', '.join(sorted(strategies))}", field="strategy"
        )
    return strategies[sweep.strategy]


def _in_world(strategy: Strategy, ground: OnWorld) -> Block:
    strategies = {**ground.scenario.strategies, _TRIED: strategy}
    scenario = msgspec.structs.replace(ground.scenario, strategies=strategies, arms={_TRIED: Arm(_TRIED)})
    trace = play(scenario, _TRIED, Arm(_TRIED), ground.seed)
    return Block(float(trace.clicks.sum()), float(trace.shown.sum()))


def _on_log(strategy: Strategy, ground: OnLog) -> list[Block]:
    past = _past(ground.database, ground.head, ground.surface)
    surface = past.surfaces[ground.surface]
    log = open_log(ground.database, readonly=True)
    how: Learning = msgspec.convert(ground.how, Learning)
    where, above, below = array("q"), array("d"), array("d")
    try:
        for visit in learning(log, past, strategy, how, part=ground.share):
            fact = visit.fact
            seen = past.positions_seen(fact)
            if not seen:
                continue
            earned = past.earned(fact, seen, surface, (WORTH,))
            logged = [pick.propensity for pick in fact.picks]
            prefixes = np.ones(len(logged))
            if how != "run":  # what a run keeps comes as if the strategy had made it
                asked = understand(visit.model.state, fact.request, fact.decision)
                wanted = slate_propensities(visit.model, asked, recipe(strategy), [pick.item for pick in fact.picks])
                prefixes = prefix_weights([wanted], [logged])[0]
            where.append(bits("sweep block", fact.request.user or fact.decision) % BLOCKS)
            above.append(float(prefixes @ earned.picks[0] + prefixes[-1] * earned.whole[0]))
            below.append(float(prefixes.mean()))
    finally:
        log.close()
    sums = [np.bincount(where, weights=values, minlength=BLOCKS) for values in (above, below)]
    return [Block(float(earned), float(of)) for earned, of in zip(*sums, strict=True)]


@lru_cache(maxsize=4)
def _past(database: str, head: int, surface: str | None) -> Past:
    """Read once in each process, however many strategies are tried in it."""
    log = open_log(database, readonly=True)
    try:
        past = Past.read(log, surface, until=head)
    finally:
        log.close()
    past.place()
    return past
