"""What came of a scenario: figures with their spread over the seeds, learning curves, and whether expectations hold."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from scipy.stats import t as student

from bandstand.simulate.run import Flags, Progress, Trace, traces
from bandstand.simulate.scenario import Expectation, Scenario, sides, span

POINTS: Final = 40
"""Of a learning curve."""
_ALPHA: Final = 0.05

Curve = tuple[float | None, ...]


class Figure(msgspec.Struct, frozen=True):
    """A mean over seeds with its 95 % interval, which one seed does not have."""

    mean: float
    low: float | None = None
    high: float | None = None


class Side(msgspec.Struct, frozen=True):
    """An arm or a variant: clicks per pick shown, the share of the ideal lost, and the expected click-through as it
    developed (None where it showed nothing)."""

    name: str
    click_through: Figure | None
    regret: Figure | None
    curve: Curve


class Judged(msgspec.Struct, frozen=True):
    """An expectation, what came instead, and whether that is within bounds. No figure is never within."""

    expectation: Expectation
    figure: Figure | None
    ok: bool


class Result(msgspec.Struct, frozen=True):
    """`by_chance` and `ideal` are the curves of slates drawn by chance and of the best possible ones."""

    scenario: str
    about: str
    requests: int
    seeds: int
    sides: tuple[Side, ...]
    by_chance: Curve
    ideal: Curve
    expectations: tuple[Judged, ...]

    @property
    def ok(self) -> bool:
        return all(judged.ok for judged in self.expectations)


def simulate(scenario: Scenario, *, n_jobs: int = -1, progress: Progress | None = None) -> Result:
    """Play every arm with every seed, on all cores by default, and judge what comes of it."""
    return outcome(scenario, traces(scenario, n_jobs=n_jobs, progress=progress))


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
    )


def label(expectation: Expectation) -> str:
    """What is measured, in words.

    >>> label(Expectation("lift", side="bandit", against="random", over="last 25%", at_least=1.0))
    'lift of bandit over random, last 25%'
    """
    of = f" of {expectation.side}" if expectation.side else ""
    over = f" over {expectation.against}" if expectation.against else ""
    where = f", {expectation.over}" if expectation.over != "all" else ""
    who = ", first visits" if expectation.visits == "first" else ""
    return f"{expectation.metric.replace('_', '-')}{of}{over}{where}{who}"


def _judged(scenario: Scenario, runs: Sequence[Trace], expectation: Expectation) -> Judged:
    figure = _figure(scenario, runs, expectation)
    return Judged(expectation, figure, figure is not None and expectation.holds(figure.mean))


def _side(scenario: Scenario, runs: Sequence[Trace], name: str) -> Side:
    mine = [(run, _of_side(scenario, run, name)) for run in runs if _takes_part(scenario, run, name)]
    return Side(
        name,
        click_through=_figure(scenario, runs, Expectation("click_through", side=name)),
        regret=_figure(scenario, runs, Expectation("regret", side=name)),
        curve=_curve([(run.expected, run.shown, mask) for run, mask in mine]),
    )


def _figure(scenario: Scenario, runs: Sequence[Trace], expectation: Expectation) -> Figure | None:
    """None where a run has nothing to measure: no mean over the others would be the one that was asked for."""
    values = _values(scenario, runs, expectation)
    if not values or not np.isfinite(values).all():
        return None
    if expectation.metric == "significant":
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
    mine = [run for run in runs if _takes_part(scenario, run, side)]
    measured = [_measured(scenario, run, side, expectation) for run in mine]
    if expectation.metric != "lift":
        return measured
    other = expectation.against
    base = [_measured(scenario, run, other, expectation) for run in runs if _takes_part(scenario, run, other)]
    return [value / over - 1 if over else np.nan for value, over in zip(measured, base, strict=True)]


def _measured(scenario: Scenario, run: Trace, side: str, expectation: Expectation) -> float:
    mask = _of_side(scenario, run, side) & _within(scenario, run, expectation)
    match expectation.metric:
        case "click_through" | "lift":
            return _ratio(run.clicks, run.shown, mask)
        case "regret":
            return 1.0 - _ratio(run.expected, run.ideal, mask)
        case "stars":
            since = min(arrival.at for arrival in scenario.world.arrivals if arrival.stars)
            mask[:since] = False
            return _ratio(run.star, np.ones(len(mask)), mask)
        case "significant":
            alpha = scenario.experiment.alpha if scenario.experiment else _ALPHA
            return np.nan if run.p_value is None else float(run.p_value < alpha)
        case "divergences":
            return np.nan if run.divergences is None else float(run.divergences)


def _takes_part(scenario: Scenario, run: Trace, side: str) -> bool:
    return scenario.experiment is not None or run.arm == side


def _of_side(scenario: Scenario, run: Trace, side: str) -> Flags:
    if scenario.experiment is None:
        return np.ones(scenario.requests, np.bool_)
    mask: Flags = run.variant == sides(scenario).index(side)
    return mask


def _within(scenario: Scenario, run: Trace, expectation: Expectation) -> Flags:
    mask = np.zeros(scenario.requests, np.bool_)
    mask[span(expectation.over, scenario.requests)] = True
    return mask & run.first if expectation.visits == "first" else mask


def _ratio(above: npt.NDArray[np.generic], below: npt.NDArray[np.float64], mask: Flags) -> float:
    total = float(below[mask].sum())
    return float(above[mask].sum()) / total if total else np.nan


def _curve(parts: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Flags]]) -> Curve:
    """Clicks per pick in each of at most POINTS stretches of the run, over all seeds together."""
    requests = len(parts[0][0])
    edges = np.linspace(0, requests, min(POINTS, requests) + 1).astype(int)[:-1]
    clicks = sum(np.add.reduceat(above * mask, edges) for above, _, mask in parts)
    picks = sum(np.add.reduceat(below * mask, edges) for _, below, mask in parts)
    pairs = zip(np.atleast_1d(clicks).tolist(), np.atleast_1d(picks).tolist(), strict=True)
    return tuple(one / of if of else None for one, of in pairs)
