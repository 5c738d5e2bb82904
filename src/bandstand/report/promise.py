"""What the log had promised of each variant before the experiment began, beside what the experiment then measured.

The promise is an off-policy estimate, of what a strategy earns per decision, and a metric is of what a unit does. So
both are told as the same here: rewards per shown slate.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace
from scipy.stats import norm

from bandstand.errors import BandstandError, InputError
from bandstand.evaluate import evaluate
from bandstand.evaluate.question import Question, Target
from bandstand.evaluate.result import Answer, Evaluation, Figure
from bandstand.events import Decided, ExperimentMoved, ExperimentPut, Rewarded, StrategyPut, SurfacePut
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment
from bandstand.experiments.metrics import Metric
from bandstand.recipe import beside, outside
from bandstand.replay import Progress
from bandstand.report.compare import differences
from bandstand.report.exposure import Units, units
from bandstand.report.gathered import Gathered
from bandstand.report.infer import enough
from bandstand.report.measure import Measured, measured, sample
from bandstand.report.result import Beside, Comparison, Promise, Promised, Range
from bandstand.report.weighed import weighed
from bandstand.state import State
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import inflation
from bandstand.store import EventLog, entries
from bandstand.strategy import varied

MOST: Final = 20_000
"""Decisions that are made again, the latest ones before the start."""


def promised(log: EventLog, gathered: Gathered, *, progress: Progress | None = None) -> Promised:
    """For every decision metric that is a sum of rewards, each variant's promise beside what it measured; of a draft
    the promise alone, as of the log's end."""
    experiment = gathered.life.experiment
    until = gathered.life.as_of if gathered.life.began is None else gathered.life.began
    try:
        before = _before(log, experiment, until)
        metrics = [one for one in _sums(experiment) if one.reward in before.rewards]
        found = _evaluated(log, experiment, before.targets, metrics, until, progress)
    except BandstandError as error:
        return Promised(reason=f"Nothing was promised: {error}.".replace("..", "."))
    seen = units(gathered, slates=True)
    rows = [row for metric in metrics for row in _rows(gathered, seen, metric, found, before)]
    missing = [one.name for one in experiment.metrics if one.role == "decision" and one not in metrics]
    return Promised(
        decisions=found.decisions,
        since=found.since,
        until=found.until,
        estimator=found.estimator,
        assumption=found.assumption,
        rows=tuple(rows),
        reason=f"Not told of {', '.join(missing)}: no sum of rewards that had come before the start." * bool(missing),
    )


class Look(NamedTuple):
    """How many `units` are measured so far, the `least` of them in one variant, how many `active` ones have a value,
    and by which rule it may be judged."""

    units: int
    least: int
    active: int
    rule: Analysis
    alpha: float


class _Before(NamedTuple):
    """At the start: the treatments and last the control, as they served outside the experiment, the names of rewards
    that had come on the surface, and of weights that had been taught."""

    targets: tuple[Target, ...]
    rewards: set[str]
    taught: set[str]


def _before(log: EventLog, experiment: Experiment, until: int) -> _Before:
    if len(experiment.on) > 1:
        raise InputError("it runs on several surfaces, and an estimate is of one")
    if experiment.analysis.trigger == "changed":
        raise InputError("only units whose slates changed count in it, and an estimate is of all who came")
    state, rewards, taught = State(), set[str](), set[str]()
    for entry in entries(log):
        if entry.seq > until:
            break
        match entry.fact:
            case StrategyPut() | SurfacePut() | ExperimentPut() | ExperimentMoved():
                state.apply(entry)
            case Rewarded() as fact if fact.surface == experiment.on[0]:
                rewards.add(fact.name)
            case Decided() as fact:
                taught.update(fact.teaches)
            case _:
                pass
    return _Before(_targets(state, experiment), rewards, taught)


def _targets(state: State, experiment: Experiment) -> tuple[Target, ...]:
    found = []
    for one in experiment.variants:
        if experiment.tunes:
            recipe = outside(state, state.surfaces[experiment.on[0]].strategy)
            recipe = recipe._replace(strategy=varied(recipe.strategy, one.parameters))
        else:
            recipe = beside(state, experiment, one)
        found.append(Target(_named(experiment, one.name), recipe.strategy, recipe.weights))
    return (*found[1:], found[0])


def _evaluated(
    log: EventLog,
    experiment: Experiment,
    targets: Sequence[Target],
    metrics: Sequence[Metric],
    until: int,
    progress: Progress | None,
) -> Evaluation:
    if not metrics:
        raise InputError("no decision metric is a sum of rewards that had come before the start")
    question = Question(
        strategies=tuple(targets),
        against=targets[-1].name,
        surface=experiment.on[0],
        metrics=tuple(dict.fromkeys(one.reward for one in metrics)),
        by=(experiment.audience,) if experiment.audience else (),
        alpha=experiment.alpha,
        until=until,
        last=MOST,
    )
    return evaluate(log, question, progress=progress)


def _sums(experiment: Experiment) -> list[Metric]:
    return [one for one in experiment.metrics if one.role == "decision" and one.kind in ("mean", "ratio", "proportion")]


def _named(experiment: Experiment, variant: str) -> str:
    return f"{experiment.name}/{variant}"


def _rows(gathered: Gathered, seen: Units, metric: Metric, found: Evaluation, before: _Before) -> list[Promise]:
    experiment, at = gathered.life.experiment, gathered.life.at
    per_slate = Metric(metric.name, kind="custom", expression=f"sum({metric.reward!r}) / decisions")
    alike = replace(experiment, metrics=(per_slate,), analysis=replace(experiment.analysis, method="fixed"))
    now = measured(per_slate, seen, at=at)
    compared = {one.variant: one for one in differences(alike, seen, [now], shared=gathered.ledger.shared)}
    rows = []
    for index, variant in enumerate(experiment.variants):
        answer = _answer(found, experiment, _named(experiment, variant.name), metric.reward)
        target = next(one for one in before.targets if one.name == _named(experiment, variant.name))
        rows.append(
            Promise(
                metric=metric.name,
                reward=metric.reward,
                variant=variant.name,
                value=beside_promise(
                    _estimate(answer),
                    _arm(now, seen, index, alpha=experiment.alpha),
                    _look(experiment, now, seen, (index,)),
                ),
                **_against(answer, compared.get(variant.name), _look(experiment, now, seen, (0, index))),
                withheld=_withheld(answer),
                note=_note(target, before) if answer is not None and not answer.refused else "",
            )
        )
    return rows


def _look(experiment: Experiment, now: Measured, seen: Units, variants: tuple[int, ...]) -> Look:
    """Of what these variants measure: by all units, where weights changed and each unit tells of every variant."""
    sizes = [int(np.count_nonzero(seen.variant == index)) for index in variants]
    active = np.isin(seen.variant, variants) & (now.above != 0)
    counted = len(seen) if seen.chances is not None else sum(sizes)
    return Look(counted, min(sizes), int(np.count_nonzero(active)), experiment.analysis, experiment.alpha)


def _answer(found: Evaluation, experiment: Experiment, name: str, reward: str) -> Answer | None:
    """Of the experiment's audience alone, where it has one."""
    segment = f"{experiment.audience}: yes" if experiment.audience else None
    for one in found.answers:
        if (one.strategy, one.metric, one.segment) == (name, reward, segment):
            return one
    return None


def _withheld(answer: Answer | None) -> str:
    if answer is None:
        return "Nobody of the experiment's audience came before it began."
    if answer.estimate is None:
        return "No decision showed what it would have shown."
    return " ".join(answer.doubts)


def _note(target: Target, before: _Before) -> str:
    if not target.learns:
        return ""
    if target.weights not in before.taught:
        return f"promised as all items were alike to it: nothing had taught the weights '{target.weights}'"
    had = f"with the weights that '{target.weights}' had at each moment before the start"
    return f"promised {had}; in the experiment it began with none"


def _estimate(answer: Answer | None) -> Range | None:
    return None if answer is None or answer.refused else _range(answer.estimate)


def _against(answer: Answer | None, compared: Comparison | None, look: Look) -> dict[str, Beside]:
    """The difference from the control and the lift over it, of a treatment."""
    if compared is None:
        return {}
    gap = None if answer is None or answer.refused or not answer.compared else answer.difference
    promise = None if gap is None else Range(gap.value, gap.low, gap.high)
    difference = beside_promise(promise, _told(compared.difference, compared.low, compared.high), look)
    lift = _told(compared.lift, compared.lift_low, compared.lift_high)
    return {"difference": difference, "lift": beside_promise(None if gap is None else _range(gap.lift), lift, look)}


def _arm(now: Measured, seen: Units, index: int, *, alpha: float) -> Range | None:
    """What the variant's slates earned, with its units as clusters; None where there are too few to tell."""
    try:
        if seen.chances is not None:  # among all units, since those of one variant came when its weight was high
            everybody = np.ones(len(seen), np.bool_)
            of = Moments.of(weighed(now, seen, everybody, by=seen.chances).scores[:, index])
        else:
            of = sample(now, seen.variant == index).moments
        if of.n < 2:
            return None
        reach = float(norm.isf(alpha / 2)) * of.std_error
    except InputError:
        return None
    return Range(of.mean, of.mean - reach, of.mean + reach)


def beside_promise(promise: Range | None, found: Range | None, look: Look) -> Beside:
    r"""Promise p and measurement m are told apart where m − p is, whose interval is that of two independent estimates,
    from their own (MOVER; Zou and Donner 2008, "Construction of confidence limits about effect measures", equation 4):

        m − p − √((m − m_low)² + (p_high − p)²)  to  m − p + √((m_high − m)² + (p − p_low)²)

    At every look, where the method is always-valid. The promise's error stays the same while that of the n units
    shrinks, and m − p errs as a mean of fewer units does, :math:`n' = n\,SE_m^2 / (SE_m^2 + SE_p^2)`: both are Gaussian
    with the covariance :math:`SE_p^2 + SE_{m,t}^2` of looks s ≤ t. So the sequence is the one of n' units, and begins
    where all of them do.
    """
    if promise is None or found is None:
        return Beside(promise, found)
    if look.rule.method == "always-valid":
        try:
            enough(look.least, look.active)
        except InputError:
            return Beside(promise, found)
    gap = found.value - promise.value
    if gap > 0:
        apart = gap > _reach(found.value - found.low, promise.high - promise.value, look)
        return Beside(promise, found, "above" if apart else "kept")
    apart = -gap > _reach(found.high - found.value, promise.value - promise.low, look)
    return Beside(promise, found, "below" if apart else "kept")


def _reach(of_found: float, of_promise: float, look: Look) -> float:
    """How far measurement and promise must be apart, by the reach of the interval of each at one look."""
    both = math.hypot(of_found, of_promise)
    if look.rule.method != "always-valid":
        return both
    if not of_found:
        return math.inf  # nothing varied yet
    n, alpha = look.units * (of_found / both) ** 2, look.alpha
    return both * inflation(n, horizon=look.rule.units, alpha=alpha) / float(norm.isf(alpha / 2))


def _range(figure: Figure | None) -> Range | None:
    return None if figure is None else Range(figure.value, figure.low, figure.high)


def _told(value: float | None, low: float | None, high: float | None) -> Range | None:
    return None if value is None or low is None or high is None else Range(value, low, high)
