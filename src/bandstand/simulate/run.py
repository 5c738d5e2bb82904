"""Scenarios played through the engine that serves, with a clock of their own: one run for each arm and seed."""

import heapq
from collections.abc import Callable, Iterable
from math import inf
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from msgspec.structs import replace

from bandstand.chance import token
from bandstand.configuration import recorded
from bandstand.engine import Engine
from bandstand.events import Decided, Request, Rewarded
from bandstand.experiments.definition import Experiment
from bandstand.model import Model
from bandstand.replay import replay
from bandstand.report import report
from bandstand.simulate.scenario import Arm, Scenario, arms, items, opening, sides
from bandstand.simulate.world import Visit, World
from bandstand.store.memory import MemoryLog

Progress = Callable[[int, int | None], None]
"""Told how many runs are done, and of how many."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

START: Final = 1767571200.0
"""When every simulation begins: Monday, 5 January 2026, 0:00 UTC."""
_DAY_S: Final = 86400


class Trace(NamedTuple):
    """What happened in one run, visit by visit, and what the world knows about it.

    `shown` picks and `clicks` on them; `expected` clicks of the slate, of the `ideal` one and of one drawn `by_chance`;
    whether a star was among the picks, whether the visit was its user's `first`, and which `variant` answered (-1:
    none).
    `p_value` is the experiment's, `divergences` the replay's; None where there was none or nobody asks.
    """

    arm: str
    seed: int
    shown: Floats
    clicks: Floats
    expected: Floats
    ideal: Floats
    by_chance: Floats
    star: Flags
    first: Flags
    variant: npt.NDArray[np.int64]
    p_value: float | None
    divergences: int | None


def traces(scenario: Scenario, *, n_jobs: int = -1, progress: Progress | None = None) -> list[Trace]:
    """One trace for each arm and seed, in this order; the same whatever the number of workers (-1: one a core)."""
    runs = [(name, arm, seed) for seed in range(1, scenario.seeds + 1) for name, arm in arms(scenario).items()]
    done: list[Trace] = []
    work = Parallel(n_jobs=min(n_jobs, len(runs)), return_as="generator_unordered")
    for trace in work(delayed(play)(scenario, name, arm, seed) for name, arm, seed in runs):
        done.append(trace)
        if progress is not None:
            progress(len(done), len(runs))
    order = list(arms(scenario))
    return sorted(done, key=lambda trace: (order.index(trace.arm), trace.seed))


def play(scenario: Scenario, name: str, arm: Arm, seed: int) -> Trace:
    """One run. The world, the rankers and the learner draw from chance with keys of their own."""
    world = World(items(scenario), scenario.world, seed=seed)
    engine = Engine(Model(), MemoryLog())
    engine.commit(opening(scenario, arm), at=START)
    if scenario.experiment is not None:
        _begin(engine, _split(scenario.experiment, seed))
    stage = _Stage(scenario, world, engine)
    for number in range(scenario.requests):
        now = START + number * scenario.every_s
        stage.deliver(until=now)
        if arriving := world.arrivals(number):
            engine.commit(arriving, at=now)
        visit = world.visit(number, time=now)
        # The same for every arm, so that arms differ by what they do and not by luck.
        decision = token("simulation", scenario.name, seed, number)
        stage.answered(visit, engine.rank(request(visit, arm, surface=scenario.surface), decision=decision, at=now))
        if (number + 1) % scenario.publish_every == 0:
            engine.model.publish()
        if engine.model.fit_due:
            engine.model.fit()
    stage.deliver(until=inf)
    return stage.trace(name)


def request(visit: Visit, arm: Arm, *, surface: str) -> Request:
    """What the visitor's app sends, but for what the arm hides; where time is hidden it is always midnight."""
    midnight = -int(visit.time % _DAY_S)
    return Request(
        surface=surface,
        time=visit.time,
        utc_offset_s=midnight if "time" in arm.hide else visit.utc_offset_s,
        user=None if "user" in arm.hide else visit.user,
        session=None if "user" in arm.hide else visit.session,
        context={name: value for name, value in visit.context.items() if name not in arm.hide},
    )


class _Stage:
    """One run under way: rewards on their way to the engine, and what has been seen so far."""

    def __init__(self, scenario: Scenario, world: World, engine: Engine) -> None:
        self._scenario = scenario
        self._world = world
        self._engine = engine
        self._variants = [variant.name for variant in scenario.experiment.variants] if scenario.experiment else []
        self._stars = world.stars
        self._coming: list[tuple[float, int, Rewarded]] = []
        self._sent = 0
        self._rows: list[tuple[float, ...]] = []

    def deliver(self, *, until: float) -> None:
        """Commit the rewards that are due, each at its own time."""
        while self._coming and self._coming[0][0] <= until:
            due, _, reward = heapq.heappop(self._coming)
            self._engine.commit([reward], at=due)

    def answered(self, visit: Visit, decided: Decided) -> None:
        """The visitor looks at the slate, and clicks."""
        slate = [pick.item for pick in decided.picks]
        clicked = self._world.clicks(visit, slate)
        for position in clicked:
            due = visit.time + self._world.delay_s(visit, slate[position])
            self._sent += 1
            reward = self._engine.reward(decided.decision, "click", 1.0, position=position)
            heapq.heappush(self._coming, (due, self._sent, reward))
        variants = [self._variants.index(assigned.variant) for assigned in decided.assignments]
        self._rows.append(
            (
                len(slate),
                len(clicked),
                self._world.expected(visit, slate),
                self._world.best(visit, len(slate)),
                self._world.by_chance(visit, len(slate)),
                not self._stars.isdisjoint(slate),
                visit.first,
                variants[0] if variants else -1,
            )
        )

    def trace(self, arm: str) -> Trace:
        shown, clicks, expected, ideal, by_chance, star, first, variant = np.array(self._rows, np.float64).T
        asked = {e.side or sides(self._scenario)[0] for e in self._scenario.expect if e.metric == "divergences"}
        experiment = self._scenario.experiment
        return Trace(
            arm=arm,
            seed=self._world.seed,
            shown=shown,
            clicks=clicks,
            expected=expected,
            ideal=ideal,
            by_chance=by_chance,
            star=star > 0,
            first=first > 0,
            variant=variant.astype(np.int64),
            p_value=None if experiment is None else _p_value(self._engine, experiment.name),
            divergences=replay(self._engine.log).diverged if arm in asked or (experiment and asked) else None,
        )


def _split(experiment: Experiment, seed: int) -> Experiment:
    """The experiment with a salt of the seed's own: the same users, divided anew. It is read once, at the end."""
    once = replace(experiment.analysis, method="fixed")
    return replace(experiment, salt=f"{experiment.salt or experiment.name} {seed}", start=True, analysis=once)


def _begin(engine: Engine, experiment: Experiment) -> None:
    engine.commit(recorded(engine.model.state, experiment), at=START)


def _p_value(engine: Engine, experiment: str) -> float | None:
    """That of the first decision metric's first comparison, None where it cannot be computed."""
    comparisons: Iterable[float | None] = (
        one.p_value for one in report(engine.log, experiment).comparisons if one.role == "decision"
    )
    return next(iter(comparisons), None)
