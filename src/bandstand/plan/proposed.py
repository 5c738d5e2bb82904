"""What an experiment that is written down would need, from the traffic of its surface."""

from typing import Final, NamedTuple

from bandstand.experiments.analysis import Inference
from bandstand.experiments.definition import Experiment
from bandstand.plan.needs import Method, plan
from bandstand.plan.traffic import Kind, traffic
from bandstand.store import EventLog

# Where an experiment does not say what is the least worth having.
USUAL_LIFT: Final = 0.05
_METHODS: Final[dict[Inference, Method]] = {
    "fixed": "fixed",
    "bayesian": "fixed",  # with a flat prior its interval is the fixed test's
    "group-sequential": "groups",
    "always-valid": "sequential",
}
_KINDS: Final[dict[str, Kind]] = {"mean": "mean", "proportion": "proportion", "ratio": "ratio"}


class Proposal(NamedTuple):
    """Units of all variants together and the days in which they come (None of less than a day of traffic), to find this
    lift of this metric."""

    metric: str
    lift: float
    units: int
    days: float | None


def proposed(log: EventLog, experiment: Experiment) -> Proposal | None:
    """By its first decision metric and its rule; None for an interleaving, and where no metric is of a kind whose
    spread the log tells beforehand. UnknownError and InputError where the surface had no traffic, or nothing was
    earned."""
    metric = next((one for one in experiment.metrics if one.role == "decision" and one.kind in _KINDS), None)
    if metric is None or metric.reward is None or experiment.method != "ab" or experiment.unit == "device":
        return None
    lift = experiment.analysis.minimum_effect or USUAL_LIFT
    seen = traffic(log, experiment.on[0], metric.reward, unit=experiment.unit)
    planned = plan(
        seen,
        kind=_KINDS[metric.kind],
        lift=lift,
        alpha=experiment.alpha,
        arms=len(experiment.variants),
        share=experiment.traffic,
    )
    need = next(one for one in planned.needs if one.method == _METHODS[experiment.analysis.method])
    return Proposal(metric.name, lift, need.per_arm * len(experiment.variants), need.days)
