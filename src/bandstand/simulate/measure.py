"""What is measured of a run: each metric as one number, and as it develops."""

from typing import Final

import numpy as np
import numpy.typing as npt

from bandstand.simulate.scenario import Expectation, Scenario, sides, span
from bandstand.simulate.trace import Flags, Floats, Trace

POINTS: Final = 40
"""Of a learning curve."""
_ALPHA: Final = 0.05


def measured(scenario: Scenario, run: Trace, side: str, expectation: Expectation) -> float:
    """The expectation's metric in this run; not a number where it cannot be computed."""
    mask = mine(scenario, run, side) & _within(scenario, run, expectation)
    match expectation.metric:
        case "click_through":
            return ratio(run.clicks, run.shown, mask)
        case "lift":
            return _objective(run, expectation, mask)
        case "regret":
            if expectation.of == "revenue":
                return 1.0 - ratio(run.expected_revenue, run.ideal_revenue, mask)
            return 1.0 - ratio(run.expected, run.ideal, mask)
        case "exploration_cost":
            looked = mask & np.isfinite(run.explored)
            return ratio(run.explored, run.ideal, looked)
        case "revenue":
            return ratio(run.revenue, run.came, mask)
        case "visits":
            return ratio(run.came, run.person, mask)
        case "stars":
            since = min(arrival.at for arrival in scenario.world.arrivals if arrival.stars)
            mask[:since] = False
            return ratio(run.star, run.came, mask)
        case "pushed":
            return ratio(run.pushed, run.came, mask)
        case "divergences":
            return np.nan if run.divergences is None else float(run.divergences)
        case "significant" | "power" | "verdict":
            return _found(scenario, run, side, expectation)


def mine(scenario: Scenario, run: Trace, side: str) -> Flags:
    """The visits at which this side answered, or would have."""
    if scenario.experiment is None or side not in sides(scenario):
        return np.ones(scenario.requests, np.bool_)
    mask: Flags = run.variant == sides(scenario).index(side)
    return mask


def ratio(above: npt.NDArray[np.generic], below: npt.NDArray[np.generic], mask: Flags) -> float:
    total = float(below[mask].sum())
    return float(above[mask].sum()) / total if total else np.nan


def edges(requests: int) -> list[int]:
    """Where each of at most POINTS stretches of the run begins."""
    found: list[int] = np.linspace(0, requests, min(POINTS, requests) + 1).astype(int)[:-1].tolist()
    return found


def stretches(above: Floats, below: Floats, mask: Flags) -> tuple[Floats, Floats]:
    """Both summed over each stretch, where the mask lets them."""
    starts = edges(len(above))
    counted = mask & np.isfinite(above)
    return (
        np.add.reduceat(np.where(counted, above, 0.0), starts),
        np.add.reduceat(np.where(counted, below, 0.0), starts),
    )


def _objective(run: Trace, expectation: Expectation, mask: Flags) -> float:
    match expectation.of:
        case "clicks":
            return ratio(run.clicks, run.shown, mask)
        case "revenue":
            return ratio(run.revenue, run.came, mask)
        case "visits":
            return ratio(run.came, run.person, mask)


def _found(scenario: Scenario, run: Trace, side: str, expectation: Expectation) -> float:
    if run.finding is None:
        return np.nan
    match expectation.metric:
        case "verdict":
            return float(run.finding.verdict == expectation.verdict)
        case "power":
            return np.nan if run.finding.p_value is None else float(run.finding.better == side)
        case _:
            alpha = scenario.experiment.alpha if scenario.experiment else _ALPHA
            return np.nan if run.finding.p_value is None else float(run.finding.p_value < alpha)


def _within(scenario: Scenario, run: Trace, expectation: Expectation) -> Flags:
    mask = np.zeros(scenario.requests, np.bool_)
    mask[span(expectation.over, scenario.requests)] = True
    return mask & run.first if expectation.visits == "first" else mask
