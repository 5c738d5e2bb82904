"""What a report of an experiment asks the log about. Where that stays the same, what was read before still serves."""

from math import inf

import msgspec

from bandstand.experiments.definition import Experiment, Unit
from bandstand.experiments.formula import Term
from bandstand.experiments.metrics import Metric, covariates, formula, window


class Asked(msgspec.Struct, frozen=True):
    """The rewards and interactions are those that some metric or covariate names. `everybody` where it has to be known
    when people first came and what they did before, those included who never take part; `triggered` where units take
    part from the first decision on at which the variants' slates differ. Where a `group` is named, only its decisions
    count."""

    experiment: str
    group: str
    unit: Unit
    variants: tuple[str, ...]
    rewards: tuple[str, ...]
    interactions: tuple[str, ...]
    everybody: bool
    segments: tuple[str, ...]
    triggered: bool


def asked(experiment: Experiment, *, group: str = "") -> Asked:
    wanted = _terms(experiment)
    return Asked(
        experiment=experiment.name,
        group=group,
        unit=experiment.unit,
        variants=tuple(variant.name for variant in experiment.variants),
        rewards=tuple(sorted({term.name for term in wanted if term.aggregate in ("sum", "count")})),
        interactions=tuple(sorted({term.name for term in wanted if term.aggregate == "interactions"})),
        everybody=any(metric.covariates for metric in experiment.metrics),
        segments=experiment.analysis.segments,
        triggered=experiment.analysis.trigger == "changed",
    )


def windows(metric: Metric) -> bool:
    """Whether it looks at what units were shown through a window."""
    shown = {"picks", "decisions"}
    return window(metric) != (0.0, inf) and any(term.aggregate in shown for term in formula(metric).terms())


def _terms(experiment: Experiment) -> set[Term]:
    of_metrics = (formula(metric) for metric in experiment.metrics)
    of_covariates = (one for metric in experiment.metrics for one in covariates(metric))
    return {term for each in (*of_metrics, *of_covariates) for term in each.terms()}
