"""How a variant compares with the control on each metric, and what to say where that cannot be computed."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from bandstand.errors import InputError
from bandstand.experiments.definition import Experiment, Metric, Variant
from bandstand.report.result import Arm, Comparison, Value, Votes
from bandstand.report.tally import Contests, Units
from bandstand.stats.interleaving import credit_preference
from bandstand.stats.means import Difference, difference, ratio_difference
from bandstand.stats.moments import Moments, PairMoments
from bandstand.stats.multiple import adjusted


def arm(experiment: Experiment, variant: Variant, units: Units) -> Arm:
    return Arm(
        variant=variant.name,
        strategy=variant.strategy,
        weight=variant.weight,
        units=len(units.picks),
        decisions=int(units.decisions.sum()),
        picks=int(units.picks.sum()),
        metrics=tuple(_value(metric, units) for metric in experiment.metrics),
    )


def differences(experiment: Experiment, variants: Mapping[str, Units]) -> tuple[Comparison, ...]:
    """Every treatment of a split against the control."""
    control, *treatments = (variant.name for variant in experiment.variants)
    return _for_many(
        [
            _difference(experiment, metric, (treatment, variants[treatment]), (control, variants[control]))
            for metric in experiment.metrics
            for treatment in treatments
        ]
    )


def preferences(experiment: Experiment, contests: Callable[..., Contests]) -> tuple[Comparison, ...]:
    """Every treatment of an interleaving against the control, from `contests(metric, treatment=index)`."""
    control, *treatments = (variant.name for variant in experiment.variants)
    return _for_many(
        [
            _preference(experiment, metric, (treatment, control), contests(metric=metric, treatment=index))
            for metric in experiment.metrics
            for index, treatment in enumerate(treatments, start=1)
        ]
    )


def _value(metric: Metric, units: Units) -> Value:
    total = float(units.rewards[metric.name].sum())
    base = len(units.picks) if metric.kind == "mean" else float(units.picks.sum())
    return Value(metric.name, total, total / base if base else None)


def _difference(
    experiment: Experiment, metric: Metric, treatment: tuple[str, Units], control: tuple[str, Units]
) -> Comparison:
    pair = Comparison(metric.name, metric.role, variant=treatment[0], control=control[0])
    for name, units in (treatment, control):
        count = len(units.picks)
        if count < 2:
            have = f"variant '{name}' has {count} {experiment.unit}{'' if count == 1 else 's'}"
            return _incomputable(pair, f"{have}, a comparison needs at least 2; wait for more data.")
    try:
        found = _tested(metric, treatment[1], control[1], alpha=experiment.alpha)
    except InputError as error:
        return _incomputable(pair, str(error))
    lift = found.relative
    return msgspec.structs.replace(
        pair,
        difference=found.difference,
        low=found.low,
        high=found.high,
        lift=lift.value if lift else None,
        lift_low=lift.low if lift else None,
        lift_high=lift.high if lift else None,
        p_value=found.p_value,
    )


def _tested(metric: Metric, treatment: Units, control: Units, *, alpha: float) -> Difference:
    if metric.kind == "mean":
        means = (Moments.of(units.rewards[metric.name]) for units in (treatment, control))
        return difference(*means, alpha=alpha)
    ratios = (PairMoments.of(units.rewards[metric.name], units.picks) for units in (treatment, control))
    return ratio_difference(*ratios, alpha=alpha)


def _preference(experiment: Experiment, metric: Metric, names: tuple[str, str], found: Contests) -> Comparison:
    pair = Comparison(metric.name, metric.role, variant=names[0], control=names[1])
    try:
        by_credit = credit_preference(
            found.credit_control, found.credit_treatment, found.rewards, alpha=experiment.alpha
        )
    except InputError as error:
        return _incomputable(pair, str(error))
    slates = float(found.control.sum() + found.treatment.sum() + found.ties.sum())
    return msgspec.structs.replace(
        pair,
        difference=by_credit.delta,
        low=by_credit.low,
        high=by_credit.high,
        p_value=by_credit.p_value,
        votes=Votes(
            impressions=int(slates),
            users=by_credit.users,
            users_for_control=by_credit.users_for_a,
            users_for_treatment=by_credit.users_for_b,
            sign_p_value=by_credit.sign_p_value,
            win_rate=float(found.treatment.sum() + found.ties.sum() / 2) / slates,
        ),
    )


def _incomputable(pair: Comparison, why: str) -> Comparison:
    return msgspec.structs.replace(pair, reason=f"{pair.metric}, {pair.variant} against {pair.control}: {why}")


def _for_many(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """With the p-values that decide corrected for their number; guardrails and secondary metrics stay out of it."""
    family = [one.p_value for one in comparisons if one.role == "decision" and one.p_value is not None]
    corrected = iter(adjusted(family) if len(family) > 1 else family)
    return tuple(
        msgspec.structs.replace(one, p_adjusted=next(corrected))
        if one.role == "decision" and one.p_value is not None
        else one
        for one in comparisons
    )
