"""How far an experiment may run itself: what makes no sense to let a server do, in words."""

from collections.abc import Iterator
from math import inf

from bandstand.errors import InputError
from bandstand.experiments.definition import Experiment, Problem


def problems(experiment: Experiment) -> list[Problem]:
    """Everything that speaks against what it is to do by itself."""
    found = [*_automatic(experiment), *(_adaptive(experiment) if experiment.allocation == "adaptive" else ())]
    return [Problem(f"experiment '{experiment.name}': {one.message}", one.field) for one in found]


def check(experiment: Experiment) -> None:
    """InputError with the first of the `problems`, where there are any."""
    for problem in problems(experiment):
        raise InputError(problem.message, field=problem.field)


def _automatic(experiment: Experiment) -> Iterator[Problem]:
    """Acting by itself means looking all the time, for which not every rule is made."""
    acts, rule = f"automatic is '{experiment.automatic}'", experiment.analysis.method
    if experiment.automatic in ("nothing", "harm"):
        return
    if rule == "bayesian" or (experiment.method == "interleave" and rule != "always-valid"):
        what = "an interleaving" if experiment.method == "interleave" else "an analysis"
        why = f"{what} by '{rule}' must not be looked at all the time; take analysis.method 'always-valid'"
        yield Problem(f"{acts}, and {why}, or decide yourself, with automatic 'harm'", "automatic")
    if experiment.method == "interleave" and experiment.interleave == "balanced":
        why = "a balanced interleaving can prefer a side where nobody does; take interleave 'team_draft'"
        yield Problem(f"{acts}, and {why}, or decide yourself, with automatic 'harm'", "automatic")
    if experiment.learn_from == "all":
        why = "variants that learn from each other (learn_from 'all') are never compared; take learn_from 'own'"
        yield Problem(f"{acts}, and {why}, or automatic 'nothing'", "automatic")


def _adaptive(experiment: Experiment) -> Iterator[Problem]:
    adaptive, count = "allocation is 'adaptive'", len(experiment.variants)
    if experiment.method == "interleave":
        why = "an interleaving shows every variant to everybody; use method 'ab'"
        yield Problem(f"{adaptive}, and {why}", "allocation")
    elif not experiment.sticky:
        yield Problem(f"{adaptive}, so weights will change; set sticky = true, that units keep their variant", "sticky")
    if experiment.learn_from == "all":
        why = "variants that learn from each other cannot be told apart; take learn_from 'own'"
        yield Problem(f"{adaptive}, and {why}", "learn_from")
    if experiment.coverage < 1:
        why = "new weights would let in units that a coverage below 1 left out; give the share in traffic"
        yield Problem(f"{adaptive}, and {why}", "coverage")
    deciding = [metric.name for metric in experiment.metrics if metric.role == "decision"]
    if len(deciding) > 1:
        why = f"follows one decision metric, not {len(deciding)} ({', '.join(deciding)}); make the others secondary"
        yield Problem(f"{adaptive}, which {why}", "metrics")
    if any(metric.kind == "quantile" and metric.role == "decision" for metric in experiment.metrics):
        why = "a quantile cannot be told where weights change; name a share above a limit instead, by an expression"
        yield Problem(f"{adaptive}, and {why}", "metrics")
    if not 0 < experiment.floor * count < 1:
        rule = f"must be above 0 and below {1 / max(count, 1):g}, so that {count} variants leave something to give"
        yield Problem(f"floor is {experiment.floor:g}, {rule}", "floor")
    for one in experiment.variants:
        if one.weight < experiment.floor - 1e-9:
            rule = f"must be at least the floor, {experiment.floor:g}; begin evenly"
            yield Problem(f"variant '{one.name}': weight is {one.weight:g}, {rule}", "variants")
    if not 0 < experiment.reweigh_hours < inf:
        yield Problem(f"reweigh_hours is {experiment.reweigh_hours:g}, must be above 0, as 24", "reweigh_hours")
