"""What came of a scenario: figures with their spread over the seeds, learning curves, and whether expectations hold."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student

from bandstand.simulate.fitted import Goodness
from bandstand.simulate.grounds import grounds
from bandstand.simulate.measure import edges, measured, mine, stretches
from bandstand.simulate.run import Progress, traces
from bandstand.simulate.scenario import Expectation, Scenario, sides
from bandstand.simulate.trace import Flags, Floats, Trace

_ALPHA: Final = 0.05

Curve = tuple[float | None, ...]


class Figure(msgspec.Struct, frozen=True):
    """A mean over seeds with its 95 % interval, which one seed does not have."""

    mean: float
    low: float | None = None
    high: float | None = None


class Side(msgspec.Struct, frozen=True):
    """An arm or a variant: clicks per pick shown, the share of the ideal lost, and the expected click-through as it
    developed (None where it showed nothing).

    `exploration_cost` is the part of the regret that is due to exploring, None where a policy does not learn or an
    experiment chooses it; `revenue` per slate and `visits` (the share that takes place) where the world has them.
    `learning` is the expected click-through in each stretch of the run, `lost` the clicks lost to the ideal until its
    end, and `explored` those of them that were lost by exploring, each with its interval over the seeds.
    """

    name: str
    click_through: Figure | None
    regret: Figure | None
    curve: Curve
    exploration_cost: Figure | None = None
    revenue: Figure | None = None
    visits: Figure | None = None
    learning: tuple[Figure | None, ...] = ()
    lost: tuple[Figure | None, ...] = ()
    explored: tuple[Figure | None, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """An expectation, what came instead, and whether that is within bounds. No figure is never within."""

    expectation: Expectation
    figure: Figure | None
    ok: bool


class Result(msgspec.Struct, frozen=True):
    """`by_chance` and `ideal` are the curves of slates drawn by chance and of the best possible ones, `starts` the
    visits at which their stretches begin, and `fit` says how good the fitted world is, where there is one."""

    scenario: str
    about: str
    requests: int
    seeds: int
    sides: tuple[Side, ...]
    by_chance: Curve
    ideal: Curve
    expectations: tuple[Judged, ...]
    starts: tuple[int, ...] = ()
    fit: Goodness | None = None

    @property
    def ok(self) -> bool:
        return all(judged.ok for judged in self.expectations)


def simulate(scenario: Scenario, *, n_jobs: int = -1, progress: Progress | None = None) -> Result:
    """Play every arm with every seed, on all cores by default, and judge what comes of it."""
    place = grounds(scenario)
    result = outcome(scenario, traces(scenario, place, n_jobs=n_jobs, progress=progress))
    return result if place.fit is None else msgspec.structs.replace(result, fit=place.fit.goodness)


def outcome(scenario: Scenario, runs: Sequence[Trace]) -> Result:
    first = [run for run in runs if run.arm == runs[0].arm]
    everything = np.ones(scenario.requests, np.bool_)
    return Result(
        scenario=scenario.name,
        about=scenario.about,
        requests=scenario.requests,
        seeds=scenario.seeds,
        sides=tuple(_side(scenario, runs, name) for name in sides(scenario)),
        by_chance=_curve([(run.by_chance, run.shown, everything) for run in first]),
        ideal=_curve([(run.ideal, run.shown, everything) for run in first]),
        expectations=tuple(_judged(scenario, runs, expectation) for expectation in scenario.expect),
        starts=tuple(edges(scenario.requests)),
    )


def label(expectation: Expectation) -> str:
    """What is measured, in words.

    >>> label(Expectation("lift", side="bandit", against="random", over="last 25%", at_least=1.0))
    'lift of bandit over random, last 25%'
    >>> label(Expectation("regret", of="revenue", side="bandit", at_most=0.5))
    'revenue regret of bandit'
    """
    what = f"{expectation.of} " if expectation.of != "clicks" else ""
    verdict = f" '{expectation.verdict}'" if expectation.verdict else ""
    of = f" of {expectation.side}" if expectation.side else ""
    over = f" over {expectation.against}" if expectation.against else ""
    where = f", {expectation.over}" if expectation.over != "all" else ""
    who = ", first visits" if expectation.visits == "first" else ""
    return f"{what}{expectation.metric.replace('_', '-')}{verdict}{of}{over}{where}{who}"


def _judged(scenario: Scenario, runs: Sequence[Trace], expectation: Expectation) -> Judged:
    figure = _figure(scenario, runs, expectation)
    return Judged(expectation, figure, figure is not None and expectation.holds(figure.mean))


def _side(scenario: Scenario, runs: Sequence[Trace], name: str) -> Side:
    own = [(run, mine(scenario, run, name)) for run in runs if _takes_part(scenario, run, name)]

    def figure(metric: str, there: bool = True) -> Figure | None:
        return _figure(scenario, runs, Expectation(metric, side=name)) if there else None  # type: ignore[arg-type]

    return Side(
        name,
        click_through=figure("click_through"),
        regret=figure("regret"),
        curve=_curve([(run.expected, run.shown, mask) for run, mask in own]),
        exploration_cost=figure("exploration_cost"),
        revenue=figure("revenue", scenario.world.purchases is not None),
        visits=figure("visits", scenario.world.churn is not None and scenario.experiment is None),
        learning=_banded([_quotient(*stretches(run.expected, run.shown, mask)) for run, mask in own]),
        lost=_banded([_lost(run, mask) for run, mask in own]),
        explored=_banded([_explored(run, mask) for run, mask in own]),
    )


def _lost(run: Trace, mask: Flags) -> Floats:
    ideal, expected = stretches(run.ideal, run.expected, mask)
    return np.asarray(np.cumsum(ideal - expected), np.float64)


def _explored(run: Trace, mask: Flags) -> Floats:
    """Clicks lost by exploring until the end of each stretch: the visits that were looked at stand for the others."""
    looked = mask & np.isfinite(run.explored)
    cost, ideal_there = stretches(run.explored, run.ideal, looked)
    ideal, _ = stretches(run.ideal, run.shown, mask)
    rates = _quotient(cost, ideal_there)
    rates[np.isnan(rates)] = cost.sum() / ideal_there.sum() if ideal_there.any() else np.nan
    return np.asarray(np.cumsum(rates * ideal), np.float64)


def _quotient(above: Floats, below: Floats) -> Floats:
    found: Floats = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return found


def _banded(curves: Sequence[Floats]) -> tuple[Figure | None, ...]:
    """Point by point a mean over the seeds; None where one of them has none."""
    points = np.array(curves).T
    return tuple(_mean(point.tolist()) if np.isfinite(point).all() else None for point in points)


def _figure(scenario: Scenario, runs: Sequence[Trace], expectation: Expectation) -> Figure | None:
    """None where a run has nothing to measure: no mean over the others would be the one that was asked for."""
    values = _values(scenario, runs, expectation)
    if not values or not np.isfinite(values).all():
        return None
    if expectation.metric in ("significant", "power", "verdict"):
        successes = int(sum(values))
        interval = binomtest(successes, len(values)).proportion_ci(1 - _ALPHA, "wilson")
        return Figure(successes / len(values), float(interval.low), float(interval.high))
    return _mean(values)


def _mean(values: Sequence[float]) -> Figure:
    mean = float(np.mean(values))
    if len(values) < 2:
        return Figure(mean)
    margin = float(student.isf(_ALPHA / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Figure(mean, mean - margin, mean + margin)


def _values(scenario: Scenario, runs: Sequence[Trace], expectation: Expectation) -> list[float]:
    """The metric, seed by seed; not a number where it cannot be computed."""
    side = expectation.side or sides(scenario)[0]
    found = [measured(scenario, run, side, expectation) for run in runs if _takes_part(scenario, run, side)]
    if expectation.metric != "lift":
        return found
    other = expectation.against
    base = [measured(scenario, run, other, expectation) for run in runs if _takes_part(scenario, run, other)]
    return [value / over - 1 if over else np.nan for value, over in zip(found, base, strict=True)]


def _takes_part(scenario: Scenario, run: Trace, side: str) -> bool:
    return scenario.experiment is not None or run.arm == side


def _curve(parts: Sequence[tuple[Floats, Floats, Flags]]) -> Curve:
    """Clicks per pick in each stretch of the run, over all seeds together."""
    sums = [stretches(above, below, mask) for above, below, mask in parts]
    clicks, picks = (np.sum([one[which] for one in sums], axis=0).tolist() for which in (0, 1))
    return tuple(one / of if of else None for one, of in zip(clicks, picks, strict=True))
