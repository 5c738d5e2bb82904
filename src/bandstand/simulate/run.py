"""Scenarios played through the engine that serves, with a clock of their own: one run for each arm and seed."""

import heapq
from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Final, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from msgspec.structs import replace

from bandstand.ask import understand
from bandstand.chance import token
from bandstand.configuration import recorded
from bandstand.engine import Engine
from bandstand.events import AnyFact, Decided, Request
from bandstand.experiments.definition import Experiment
from bandstand.model import Model
from bandstand.policy.explore import EpsilonGreedy
from bandstand.rank import slate
from bandstand.recipe import outside
from bandstand.replay import replay
from bandstand.report import report
from bandstand.simulate.grounds import Grounds, grounds
from bandstand.simulate.people import Visit
from bandstand.simulate.scenario import Arm, Scenario, arms, opening, sides
from bandstand.simulate.trace import Finding, Trace
from bandstand.simulate.world import World
from bandstand.store.memory import MemoryLog

Progress = Callable[[int, int | None], None]
"""Told how many runs are done, and of how many."""

START: Final = 1767571200.0
"""When every simulation begins: Monday, 5 January 2026, 0:00 UTC."""
_DAY_S: Final = 86400
_LOOKS: Final = 8
"""Of so many visits one is asked what a policy that does not explore would have shown: to ask takes as long as to
answer."""
_GREEDY: Final = EpsilonGreedy(epsilon=0.0)


def traces(
    scenario: Scenario, place: Grounds | None = None, *, n_jobs: int = -1, progress: Progress | None = None
) -> list[Trace]:
    """One trace for each arm and seed, in this order; the same whatever the number of workers (-1: one a core)."""
    runs = [(name, arm, seed) for seed in range(1, scenario.seeds + 1) for name, arm in arms(scenario).items()]
    place = place or grounds(scenario)  # read and fitted once, not by every run
    done: list[Trace] = []
    work = Parallel(n_jobs=min(n_jobs, len(runs)), return_as="generator_unordered")
    for trace in work(delayed(play)(scenario, name, arm, seed, place) for name, arm, seed in runs):
        done.append(trace)
        if progress is not None:
            progress(len(done), len(runs))
    order = list(arms(scenario))
    return sorted(done, key=lambda trace: (order.index(trace.arm), trace.seed))


def play(scenario: Scenario, name: str, arm: Arm, seed: int, place: Grounds | None = None) -> Trace:
    """One run. The world, the rankers and the learner draw from chance with keys of their own."""
    world = (place or grounds(scenario)).world(seed)
    engine = Engine(Model(), MemoryLog())
    engine.commit(opening(scenario, arm), at=START)
    if scenario.experiment is not None:
        engine.commit(recorded(engine.model.state, _split(scenario.experiment, seed)), at=START)
    stage = _Stage(scenario, world, engine)
    for number in range(scenario.requests):
        now = START + number * scenario.every_s
        stage.deliver(until=now)
        if arriving := world.arrivals(number):
            engine.commit(arriving, at=now)
        visit = world.visit(number, time=now)
        if world.comes(visit):
            # The same for every arm, so that arms differ by what they do and not by luck.
            stage.visited(visit, arm, decision=token("simulation", scenario.name, seed, number))
        else:
            stage.missed(visit)
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
        context={name: value for name, value in visit.context.items() if not {name, "context"} & {*arm.hide}},
    )


class _Row(NamedTuple):
    """A visit, as the trace tells it."""

    shown: float = 0.0
    clicks: float = 0.0
    expected: float = 0.0
    ideal: float = 0.0
    by_chance: float = 0.0
    revenue: float = 0.0
    expected_revenue: float = 0.0
    ideal_revenue: float = 0.0
    explored: float = nan
    person: bool = True
    came: bool = False
    first: bool = False
    star: bool = False
    pushed: bool = False
    variant: int = -1


_FLAGS: Final = ("person", "came", "first", "star", "pushed")


class _Stage:
    """One run under way: rewards on their way to the engine, and what has been seen so far."""

    def __init__(self, scenario: Scenario, world: World, engine: Engine) -> None:
        self._scenario = scenario
        self._world = world
        self._engine = engine
        self._stars = world.stars
        self._coming: list[tuple[float, int, AnyFact]] = []
        self._sent = 0
        self._rows: list[_Row] = []

    def deliver(self, *, until: float) -> None:
        """Commit the rewards that are due, each at its own time."""
        while self._coming and self._coming[0][0] <= until:
            due, _, reward = heapq.heappop(self._coming)
            self._engine.commit([reward], at=due)

    def missed(self, visit: Visit) -> None:
        """Somebody stayed away."""
        self._rows.append(_Row(first=visit.first))

    def visited(self, visit: Visit, arm: Arm, *, decision: str) -> None:
        """The visitor gets a slate, looks at it, clicks and buys, and remembers it."""
        asked = request(visit, arm, surface=self._scenario.surface)
        unexplored = None if visit.number % _LOOKS else self._unexplored(asked, arm, decision)
        decided = self._engine.rank(asked, decision=decision, at=visit.time)
        shown = [pick.item for pick in decided.picks]
        clicked = self._world.clicks(visit, shown)
        revenue = 0.0
        for position in clicked:
            self._send(decided, "click", 1.0, position, visit.time + self._world.delay_s(visit, shown[position]))
        for bought in self._world.purchases(visit, shown, clicked):
            revenue += bought.amount
            self._send(decided, "purchase", bought.amount, bought.position, visit.time + bought.after_s)
        self._rows.append(
            _Row(person=False)
            if visit.bot
            else self._row(visit, decided, clicks=len(clicked), revenue=revenue, unexplored=unexplored)
        )
        self._world.remember(visit, shown, clicked)

    def trace(self, arm: str) -> Trace:
        columns = dict(zip(_Row._fields, np.array(self._rows, np.float64).T, strict=True))
        asked = {e.side or sides(self._scenario)[0] for e in self._scenario.expect if e.metric == "divergences"}
        experiment = self._scenario.experiment
        return Trace(
            arm=arm,
            seed=self._world.seed,
            **{name: column for name, column in columns.items() if name not in (*_FLAGS, "variant")},
            **{name: columns[name] > 0 for name in _FLAGS},
            variant=columns["variant"].astype(np.int64),
            finding=None if experiment is None else _finding(self._engine, experiment.name),
            divergences=replay(self._engine.log).diverged if arm in asked or (experiment and asked) else None,
        )

    def _send(self, decided: Decided, name: str, value: float, position: int, due: float) -> None:
        self._sent += 1
        reward = self._engine.reward(decided.decision, name, value, position=position)
        heapq.heappush(self._coming, (due, self._sent, reward))

    def _row(
        self, visit: Visit, decided: Decided, *, clicks: int, revenue: float, unexplored: Sequence[str] | None
    ) -> _Row:
        world, shown = self._world, [pick.item for pick in decided.picks]
        expected = world.expected(visit, shown)
        sold = world.nature.purchases is not None
        variants = [sides(self._scenario).index(assigned.variant) for assigned in decided.assignments]
        return _Row(
            shown=len(shown),
            clicks=clicks,
            expected=expected,
            ideal=world.best(visit, len(shown)),
            by_chance=world.by_chance(visit, len(shown)),
            revenue=revenue,
            expected_revenue=world.expected(visit, shown, "revenue") if sold else 0.0,
            ideal_revenue=world.best(visit, len(shown), "revenue") if sold else 0.0,
            explored=nan if unexplored is None else world.expected(visit, unexplored) - expected,
            came=True,
            first=visit.first,
            star=not self._stars.isdisjoint(shown),
            pushed=world.pushed in shown,
            variant=variants[0] if variants else -1,
        )

    def _unexplored(self, asked: Request, arm: Arm, decision: str) -> list[str] | None:
        """What the arm's strategy would show now if it did not explore; None where it has learned nothing to go by, or
        an experiment chooses the strategy."""
        model = self._engine.model
        recipe = outside(model.state, arm.strategy)
        if self._scenario.experiment is not None or not recipe.learns:
            return None
        greedy = recipe._replace(strategy=replace(recipe.strategy, policy=_GREEDY))
        return [pick.item for pick in slate(model, understand(model.state, asked, decision), greedy).picks]


def _split(experiment: Experiment, seed: int) -> Experiment:
    """The experiment with a salt of the seed's own: the same users, divided anew."""
    return replace(experiment, salt=f"{experiment.salt or experiment.name} {seed}", start=True)


def _finding(engine: Engine, experiment: str) -> Finding:
    found = report(engine.log, experiment)
    deciding = [one for one in found.comparisons if one.role == "decision"]
    sure = next((one for one in deciding[:1] if one.significant), None)
    better = None if sure is None else sure.variant if sure.better_by > 0 else sure.control
    return Finding(deciding[0].p_value if deciding else None, better, found.verdict.outcome)
