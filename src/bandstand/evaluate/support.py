"""Can the log answer the question? Asked before any figure is shown."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from bandstand.evaluate.estimators import Estimator
from bandstand.evaluate.result import Weighed
from bandstand.evaluate.rows import PLACED, Flags, Floats, Integers, Rows
from bandstand.evaluate.scored import Scored
from bandstand.evaluate.uncertainty import sums
from bandstand.stats.diagnostics import LEAST_EVENTS, Diagnostics, diagnostics, gate, scores_logged
from bandstand.stats.moments import Moments
from bandstand.stats.ratios import ROWS, sum_of_ratios, unit_moments
from bandstand.stats.support import certain, drift
from bandstand.stats.weights import inverse_propensities

MOST_CERTAIN: Final = 0.01
DRIFTED: Final = 1e-4
_FEWEST: Final = 2
_BINS: Final = (0.0, 1e-12, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, math.inf)


def diagnosed(scored: Scored, units: Integers | None, rows: Rows, among: Flags, lost: float) -> Diagnostics:
    """Of the rows `among`, to which `scored` has been cut; `lost` is what the target shows and the logger could not."""
    inverse = _inverse(rows, among) if scored.dropped is None else None
    found = diagnostics(sums(scored, units), inverse_propensities=inverse, certain=certain(rows.certain[among]))
    found = found._replace(unsupported=lost, n=len(scored.weights))
    if (scored.weights < 0).any():
        signed = sum_of_ratios(unit_moments([scored.weights], clusters=units), [(1, ROWS)])
        found = found._replace(mean_weight=signed.mean, mean_weight_se=signed.std_error)
    return found


def _inverse(rows: Rows, among: Flags) -> Moments | None:
    """1/(propensity · candidates) of the first picks that no rule placed; None where it is not known of each how many
    candidates there were."""
    drawn = among & (rows.candidates != PLACED)
    candidates = rows.candidates[drawn]
    if candidates.size < _FEWEST or (candidates == 0).any():
        return None
    return inverse_propensities(rows.logged()[drawn, 0], candidates)


def doubts(found: Diagnostics, estimator: Estimator) -> tuple[str, ...]:
    """Reasons to withhold the estimate, each with what would help."""
    if estimator.method == "dm":  # a model's word rests on the rewards that it has seen, not on weights
        return gate(found._replace(ess=math.inf, max_share=0.0, mean_weight=1.0, unsupported=None, certain=None))
    return gate(found if estimator.follows else found._replace(unsupported=None))


def notes(found: Diagnostics, estimator: Estimator, days: Sequence[Moments]) -> Iterator[str]:
    """What does not withhold an estimate, and should be known all the same."""
    if found.certain is not None and found.certain > MOST_CERTAIN:
        yield (
            f"{found.certain:.0%} of the decisions left nothing to chance, so they tell nothing of other slates: let "
            "the logger explore everywhere."
        )
    if scores_logged(found):
        yield (
            f"The mean of 1/(propensity · candidates) is {found.inverse_propensity_ratio:.3g}, far from 1: what was "
            "logged may be scores in place of probabilities, or some candidates are never shown."
        )
    if estimator.model:
        opinion = "a model's opinion; the interval tells how contexts vary, not how wrong it is"
        corrected = opinion if estimator.method == "dm" else "corrected by the errors it made here"
        yield f"It leans on a reward model, a ridge regression on hashed features fitted on other users: {corrected}."
    if len(days) >= _FEWEST:
        moved = drift(days, expected=1.0)
        if moved.p_value < DRIFTED:
            yield (
                f"The mean weight is not 1 on every day (p {moved.p_value:.1g}): some were logged with other "
                "propensities than those of the draw; see the days in --json or --html."
            )
    if LEAST_EVENTS <= found.events < 5 * LEAST_EVENTS and not estimator.model:
        yield f"With {found.events} events a normal interval, such as that of the difference, may be too short."


def spread_of(weights: Floats) -> tuple[Weighed, ...]:
    """How many rows have weights of each size."""
    counts, _ = np.histogram(np.maximum(weights, 0.0), np.array([*_BINS[:-1], np.finfo(np.float64).max]))
    return tuple(
        Weighed(low, high if math.isfinite(high) else float(max(weights.max(initial=0.0), low)), count)
        for low, high, count in zip(_BINS[:-1], _BINS[1:], counts.tolist(), strict=True)
    )
