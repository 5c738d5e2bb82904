"""What an experiment that is written down would need, from the traffic of its surfaces."""

import math
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from bandstand.errors import BandstandError, InputError
from bandstand.experiments.analysis import Inference
from bandstand.experiments.definition import Experiment
from bandstand.experiments.metrics import Metric, binary, window
from bandstand.plan.methods import Rule, settled
from bandstand.plan.past import DAY_S, Past, past
from bandstand.plan.preferences import preferring
from bandstand.plan.traffic import Traffic
from bandstand.report.measure import Measured, measured, sample
from bandstand.stats.adjust import adjusted_moments
from bandstand.stats.group_sequential import group_bounds
from bandstand.stats.moments import Moments
from bandstand.stats.power import always_valid_critical, critical, proportions_per_arm, shared_units
from bandstand.store import EventLog

# Where an experiment does not say what is the least worth having.
USUAL_LIFT: Final = 0.05
USUAL_PREFERENCE: Final = 0.05
POWER: Final = 0.8


class Proposal(msgspec.Struct, frozen=True):
    """Units of all variants together, and the days in which they come, to tell this of a metric with 80 % power.

    Of what is to be `found` by its `effect`: a lift; that a guardrail is not worse by its margin (`safe`); or the share
    of rewards beyond one half that speaks for one side (`preferred`), by units who reward something. No `days` where
    the log covers less than one, and infinitely many where nobody comes any more. `reason` says why one is missing.
    """

    metric: str
    told: Literal["found", "safe", "preferred"]
    effect: float
    units: int | None = None
    days: float | None = None
    reason: str | None = None


class _Rule(NamedTuple):
    """How the definition will judge one comparison: its error rate, and what z must exceed, from either side or one."""

    alpha: float
    either: float
    one_sided: float


def proposed(log: EventLog, experiment: Experiment, *, share: float = 1.0) -> list[Proposal]:
    """For every decision metric, and every guardrail with a margin, by the experiment's own rule: from what those did
    who came to its surfaces in the last 28 days, of whom `share` are in no holdout.

    UnknownError where nobody came, InputError where too few did.
    """
    wanted = [one for one in experiment.metrics if one.role == "decision" or one.margin is not None]
    seen = past(log, experiment)
    entering = share * experiment.traffic * experiment.coverage
    return [_proposed(experiment, metric, seen, entering) for metric in wanted]


def _proposed(experiment: Experiment, metric: Metric, seen: Past, share: float) -> Proposal:
    told, effect = _effect(experiment, metric)
    try:
        of = measured(metric, seen.units, at=seen.end)
        if told == "preferred":
            units, days = _preferred(experiment, of, seen, share, effect)
        else:
            units = _units(experiment, metric, _moments(of), effect)
            days = _days(seen, of, math.ceil(units / share))
    except BandstandError as error:
        return Proposal(metric.name, told, effect, reason=str(error))
    never = days is not None and math.isinf(days)
    why = f"nobody new came in the second half of the {seen.days:.3g} days that the log has" if never else None
    return Proposal(metric.name, told, effect, units, days, why)


def _effect(experiment: Experiment, metric: Metric) -> tuple[Literal["found", "safe", "preferred"], float]:
    if experiment.method == "interleave":
        return "preferred", USUAL_PREFERENCE
    if metric.margin is not None:
        return "safe", metric.margin
    return "found", experiment.analysis.minimum_effect or USUAL_LIFT


def _moments(of: Measured) -> Moments:
    """Of all units as one arm, adjusted by covariates where they say something."""
    found = sample(of, np.ones(len(of.counted), np.bool_))
    if found.moments.mean == 0:
        raise InputError(
            f"{of.metric.name} is 0 of the {found.n:,} who came, so a lift has no meaning; name what comes, or wait "
            "until it does",
            code="zero_baseline",
        )
    if found.cross is None:
        return found.moments
    try:
        adjusted, _ = adjusted_moments(found.cross, found.cross)
    except InputError:
        return found.moments
    return Moments(adjusted.n, found.moments.mean, adjusted.m2)


def _units(experiment: Experiment, metric: Metric, outcome: Moments, effect: float) -> int:
    """For the variant that takes longest: the one with the least weight."""
    rule, weights = _rule(experiment, effect), [one.weight for one in experiment.variants]
    if metric.margin is not None:
        worse = effect if metric.better == "lower" else -effect
        return shared_units(outcome, weights, effect=worse, power=POWER, z=rule.one_sided)
    if binary(metric) and experiment.analysis.method == "fixed" and len({*weights}) == 1:
        return len(weights) * proportions_per_arm(outcome.mean, effect=outcome.mean * effect, alpha=rule.alpha)
    lift = -effect if metric.better == "lower" else effect
    return shared_units(outcome, weights, effect=lift, power=POWER, z=rule.either)


def _preferred(
    experiment: Experiment, of: Measured, seen: Past, share: float, preference: float
) -> tuple[int, float | None]:
    order = np.argsort(seen.units.first, kind="stable")
    first = (seen.units.first[order] - seen.begin) / DAY_S
    earned = of.above[order]
    traffic = Traffic(", ".join(experiment.on), of.metric.reward, experiment.unit, seen.days, first, earned, earned)
    found = preferring(traffic, preference=preference, alpha=_rule(experiment, preference).alpha, share=share)
    look = "fixed" if experiment.analysis.method == "fixed" else "sequential"
    (need,) = [one for one in found.needs if one.look == look]
    return need.units, need.days


def _days(seen: Past, of: Measured, units: int) -> float | None:
    """Until so many came, and until the window of the last one has passed."""
    if seen.days < 1:
        return None
    _, end = window(of.metric)
    first = (np.sort(seen.units.first) - seen.begin) / DAY_S
    came = Traffic("", "", "user", seen.days, first, first, first).days_for(units)
    return came + (end / DAY_S if math.isfinite(end) else 0.0)


def _rule(experiment: Experiment, effect: float) -> _Rule:
    """Comparisons of decision metrics share α out: what the first of them needs that is to be told, by its effect."""
    rule = experiment.analysis
    comparisons = sum(one.role == "decision" for one in experiment.metrics) * (len(experiment.variants) - 1)
    alone = rule.method == "bayesian" or (rule.correction == "none" and rule.method != "group-sequential")
    alpha = experiment.alpha if alone else experiment.alpha / max(1, comparisons)
    critical_by: dict[Inference, Callable[[], float]] = {
        "fixed": lambda: critical(alpha=alpha),
        "bayesian": lambda: settled(effect, Rule(alpha, rule.prior_std, rule.accepted_loss), power=POWER),
        "group-sequential": lambda: group_bounds([*_looks(rule.looks)], alpha=alpha)[-1],
        "always-valid": lambda: always_valid_critical(alpha=alpha),
    }
    # A guardrail is no part of the family, and is watched by a sequence wherever looks are free.
    watched = rule.method in ("always-valid", "bayesian")
    one_sided = (
        always_valid_critical(alpha=2 * experiment.alpha)
        if watched
        else critical(alpha=experiment.alpha, one_sided=True)
    )
    return _Rule(alpha, critical_by[rule.method](), one_sided)


def _looks(count: int) -> Iterator[float]:
    return ((look + 1) / count for look in range(count))
