"""What an interleaving cannot measure, in words: it counts whom rewards speak for, not how much a unit does."""

from collections.abc import Iterator

from bandstand.errors import InputError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Problem
from bandstand.experiments.metrics import Metric

_UNHEARD = ("per", "margin", "cap", "window_s", "covariates")
_UNRULED = ("minimum_effect", "segments", "trigger")
_REMEDY = "leave it out, or compare by method 'ab'"


def problems(experiment: Experiment) -> list[Problem]:
    """Every wish of an interleaving that nothing would heed; none for an A/B."""
    if experiment.method != "interleave":
        return []
    found = [*_metrics(experiment), *_rule(experiment)]
    return [Problem(f"experiment '{experiment.name}': {one.message}", one.field) for one in found]


def check(experiment: Experiment) -> None:
    """InputError with the first of the `problems`, where there are any."""
    for problem in problems(experiment):
        raise InputError(problem.message, field=problem.field)


def _metrics(experiment: Experiment) -> Iterator[Problem]:
    for index, metric in enumerate(experiment.metrics):
        if metric.kind not in ("mean", "ratio"):
            yield Problem(
                f"metric '{metric.name}': kind is '{metric.kind}', an interleaving tells whom the rewards speak for; "
                "take kind 'mean' with a reward, or compare by method 'ab'",
                f"metrics[{index}].kind",
            )
        for field in _UNHEARD:
            given = getattr(metric, field)
            if given != _default(Metric, field):
                yield Problem(
                    f"metric '{metric.name}': {field} is {_shown(given)}, an interleaving tells whom the rewards speak "
                    f"for, not how much a metric moves; {_REMEDY}",
                    f"metrics[{index}].{field}",
                )


def _rule(experiment: Experiment) -> Iterator[Problem]:
    for field in _UNRULED:
        given = getattr(experiment.analysis, field)
        if given != _default(Analysis, field):
            yield Problem(
                f"analysis: {field} is {_shown(given)}, which no interleaving is judged by; {_REMEDY}",
                f"analysis.{field}",
            )


def _default(kind: type[Metric | Analysis], field: str) -> object:
    at = kind.__struct_fields__.index(field) - len(kind.__struct_fields__)
    found: object = kind.__struct_defaults__[at]
    return found


def _shown(given: object) -> str:
    return f"{given:g}" if isinstance(given, float) else repr(list(given) if isinstance(given, tuple) else given)
