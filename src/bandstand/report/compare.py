"""How every variant compares with the control on every metric, and what to say where that cannot be computed."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from bandstand.errors import InputError
from bandstand.experiments.definition import Experiment
from bandstand.experiments.formula import Term
from bandstand.experiments.metrics import Metric
from bandstand.report.exposure import Units
from bandstand.report.infer import Estimate, alarm, estimate, guard
from bandstand.report.measure import Mask, Measured, side, table
from bandstand.report.result import Arm, Comparison, Value
from bandstand.report.weighed import weighed, weighed_estimate, weighed_guard
from bandstand.stats.group_sequential import group_bounds
from bandstand.stats.multiple import Adjustment, adjusted

SHARED = (
    "the variants learned from each other's traffic (learn_from = \"all\"): each one's data depend on what the other "
    "showed, and a test of their means would be sure of itself and often wrong in sign; run it again with "
    'learn_from = "own".'
)

_CORRECTIONS: dict[str, Adjustment] = {
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "benjamini-hochberg": "fdr_bh",
    "benjamini-yekutieli": "fdr_by",
}


class _Moment(NamedTuple):
    """All metrics as of one log time; `critical` is the bound of a planned look, and `guarding` that of guardrails."""

    table: list[Measured]
    number: int | None = None
    critical: float | None = None
    guarding: float | None = None


def arms(experiment: Experiment, units: Units, table: Sequence[Measured]) -> tuple[Arm, ...]:
    """What each variant showed, and its value of every metric of the `table`."""
    count = len(experiment.variants)
    shown = (units.events[Term(name)] for name in ("decisions", "picks"))
    slates, picks = (np.bincount(units.variant[each.unit], weights=each.value, minlength=count) for each in shown)
    sizes = np.bincount(units.variant, minlength=count)
    return tuple(
        Arm(
            variant=variant.name,
            strategy=variant.strategy or "what ranks",
            weight=variant.weight,
            units=int(sizes[index]),
            decisions=int(slates[index]),
            picks=int(picks[index]),
            metrics=tuple(_value(each, units, index) for each in table),
        )
        for index, variant in enumerate(experiment.variants)
    )


def differences(
    experiment: Experiment,
    units: Units,
    now: list[Measured],
    *,
    among: Mask | None = None,
    only: Sequence[str] | None = None,
    shared: bool = False,
) -> tuple[Comparison, ...]:
    """Every treatment against the control, of all units or of those `among`; of all metrics or of those of the roles
    `only`. Arms that are `shared` learned from each other, and are not compared."""
    planned = experiment.analysis.method == "group-sequential" and units.chances is None
    moments = _looks(experiment, units) if planned else [_Moment(now)]
    found = [
        _watched(
            experiment,
            metric,
            _comparison(experiment, index, treatment, units, among, moments, shared=shared),
            now[index],
            treatment,
            units,
            among,
        )
        for index, metric in enumerate(experiment.metrics)
        for treatment in range(1, len(experiment.variants))
        if only is None or metric.role in only
    ]
    return corrected(experiment, found)


def _watched(
    experiment: Experiment,
    metric: Metric,
    found: Comparison,
    now: Measured,
    treatment: int,
    units: Units,
    among: Mask | None,
) -> Comparison:
    """A guardrail with its alarm, as of now whatever the method's looks; all alarms of an experiment share α out."""
    if metric.role != "guardrail" or (found.reason or "").endswith(SHARED):
        return found
    alarms = sum(one.role == "guardrail" for one in experiment.metrics) * (len(experiment.variants) - 1)
    alpha, rule = experiment.alpha / alarms, experiment.analysis
    try:
        if units.chances is not None:
            always = msgspec.structs.replace(rule, method="always-valid")
            scores = weighed(now, units, among, by=units.chances)
            raised = weighed_guard(metric, scores, treatment, analysis=always, alpha=alpha).harmed
        else:
            ours, theirs = (side(now, units, which, among=among) for which in (treatment, 0))
            raised = alarm(metric, ours, theirs, analysis=rule, alpha=alpha)
    except InputError:  # nothing that can be told
        raised = False
    return msgspec.structs.replace(found, alarm=raised)


def corrected(experiment: Experiment, comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """With p-values that allow for the number of comparisons: the decision metrics' by the method that was named, the
    secondary ones' by Benjamini and Hochberg's. Planned looks share α out instead, and a posterior needs neither."""
    rule = experiment.analysis
    if rule.method in ("group-sequential", "bayesian") and experiment.method == "ab":
        return tuple(comparisons)
    found = list(comparisons)
    for role, method in (("decision", rule.correction), ("secondary", "benjamini-hochberg")):
        family = [k for k, one in enumerate(found) if one.role == role and one.p_value is not None]
        p_values = [found[k].p_value or 0.0 for k in family]
        if len(family) > 1 and method != "none":
            p_values = list(adjusted(p_values, method=_CORRECTIONS[method]))
        for k, p_value in zip(family, p_values, strict=True):
            significant = p_value < experiment.alpha
            found[k] = msgspec.structs.replace(found[k], p_adjusted=p_value, significant=significant)
    return tuple(found)


def _comparison(
    experiment: Experiment,
    index: int,
    treatment: int,
    units: Units,
    among: Mask | None,
    moments: Sequence[_Moment],
    *,
    shared: bool,
) -> Comparison:
    metric = experiment.metrics[index]
    names = experiment.variants[treatment].name, experiment.variants[0].name
    pair = Comparison(metric.name, metric.role, *names, better=metric.better, margin=metric.margin)
    if shared:
        return incomputable(pair, SHARED)
    for which, name in ((treatment, names[0]), (0, names[1])):
        inside = units.variant == which
        count = int(np.count_nonzero(inside if among is None else among & inside))
        if count < 2:
            have = f"variant '{name}' has {count} {experiment.unit}{'' if count == 1 else 's'}"
            return incomputable(pair, f"{have}, a comparison needs at least 2; {_remedy(count)}.")
    if not moments:
        first = -(-experiment.analysis.units // experiment.analysis.looks)
        return incomputable(pair, f"the first look is at {first:,} {experiment.unit}s; wait for it.")
    try:
        if units.chances is not None:
            return _by_chances(experiment, metric, pair, moments[0].table[index], treatment, units, among)
        return _first_crossing(experiment, metric, pair, index, treatment, units, among, moments)
    except InputError as error:
        return incomputable(pair, _in_words(error, metric))


def _first_crossing(
    experiment: Experiment,
    metric: Metric,
    pair: Comparison,
    index: int,
    treatment: int,
    units: Units,
    among: Mask | None,
    moments: Sequence[_Moment],
) -> Comparison:
    """The comparison at the first planned look that decides, else at the last one; elsewhere there is one look. Of an
    early look that nothing could be told from yet, the later ones know nothing."""
    found = pair
    for moment in moments:
        of = moment.table[index]
        try:
            ours, theirs = (side(of, units, which, among=among) for which in (treatment, 0))
            one = estimate(
                metric, ours, theirs, analysis=experiment.analysis, alpha=experiment.alpha, critical=moment.critical
            )
        except InputError:
            if moment is moments[-1]:
                raise
            continue
        found, decided = _filled(pair, one, look=moment.number), one.significant
        if metric.role == "guardrail":
            rule, alpha = experiment.analysis, experiment.alpha
            held = guard(metric, ours, theirs, analysis=rule, alpha=alpha, critical=moment.guarding)
            found = msgspec.structs.replace(found, harmed=held.harmed, safe=held.safe)
            decided = held.harmed or bool(held.safe)
        if decided:
            break
    return found


def _by_chances(
    experiment: Experiment,
    metric: Metric,
    pair: Comparison,
    of: Measured,
    treatment: int,
    units: Units,
    among: Mask | None,
) -> Comparison:
    """The comparison where weights changed while the experiment ran."""
    assert units.chances is not None
    rule, alpha = experiment.analysis, experiment.alpha
    scores = weighed(of, units, among, by=units.chances)
    one = weighed_estimate(metric, scores, treatment, analysis=rule, alpha=alpha, shared_by=_family(experiment))
    found = _filled(pair, one, look=None)
    if metric.role == "guardrail":
        held = weighed_guard(metric, scores, treatment, analysis=rule, alpha=alpha)
        found = msgspec.structs.replace(found, harmed=held.harmed, safe=held.safe)
    return found


def _family(experiment: Experiment) -> int:
    """How many comparisons of decision metrics share the error rate."""
    return max(1, sum(metric.role == "decision" for metric in experiment.metrics) * (len(experiment.variants) - 1))


def _looks(experiment: Experiment, units: Units) -> list[_Moment]:
    """The planned looks that have passed: each as of the moment at which its share of the planned units had come.

    They are taken from the log whenever the report is asked for, so that reading it more often is no further look.
    Comparisons of decision metrics share α out evenly; a guardrail has α for itself, on one side.
    """
    rule = experiment.analysis
    entered = np.sort(units.first)
    counts = [-(-rule.units * (look + 1) // rule.looks) for look in range(rule.looks)]
    shares, alpha = [count / counts[-1] for count in counts], experiment.alpha
    bounds = group_bounds(shares, alpha=alpha / _family(experiment))
    guarding = group_bounds(shares, alpha=min(2 * alpha, 1 - alpha))
    return [
        _Moment(table(experiment.metrics, units, at=float(entered[count - 1])), number, bound, other)
        for number, (count, bound, other) in enumerate(zip(counts, bounds, guarding, strict=True), start=1)
        if count <= len(entered)
    ]


def _filled(pair: Comparison, one: Estimate, *, look: int | None) -> Comparison:
    lift, lift_low, lift_high = one.lift or (None, None, None)
    return msgspec.structs.replace(
        pair,
        difference=one.difference,
        low=one.low,
        high=one.high,
        std_error=one.std_error,
        lift=lift,
        lift_low=lift_low,
        lift_high=lift_high,
        p_value=one.p_value,
        significant=one.significant,
        adjusted=one.adjusted,
        chance_to_win=one.chance_to_win,
        risk=one.risk,
        look=look,
    )


def _value(of: Measured, units: Units, variant: int) -> Value:
    """Where weights changed, its value among all units, which is what is compared."""
    name, inside = of.metric.name, (units.variant == variant) & of.counted
    count = int(np.count_nonzero(inside))
    try:
        if units.chances is None:
            found = side(of, units, variant)
            return Value(name, found.total, found.value, found.n)
        scores = weighed(of, units, None, by=units.chances).scores
        value = float(scores[:, variant].mean()) if count else None
    except InputError:
        value = None
    return Value(name, float(of.above[inside].sum()), value, count)


def incomputable(pair: Comparison, why: str) -> Comparison:
    return msgspec.structs.replace(pair, reason=f"{pair.metric}, {pair.variant} against {pair.control}: {why}")


def _remedy(count: int) -> str:
    return "wait for more data" if count else "wait for more data, or look whether anybody is sent there"


def _in_words(error: InputError, metric: Metric) -> str:
    if metric.window_s is not None and error.code == "too_few":
        return f"{error} Only units whose window of {metric.window_s:g} s has passed count."
    return str(error)
