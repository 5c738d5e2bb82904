"""What an experiment is, as its TOML file or the body over HTTP says it, and what can be wrong with one."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from math import inf
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from bandstand.errors import InputError, UnknownError
from bandstand.experiments import analysis as rules
from bandstand.experiments import freeze as freezing
from bandstand.experiments import metrics as measures
from bandstand.experiments import tuning
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.freeze import Freeze
from bandstand.experiments.metrics import Metric
from bandstand.misfit import misfit

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Unit = Literal["user", "session", "device"]
Method = Literal["ab", "interleave"]
Hash = Literal["bandstand", "growthbook", "optimizely"]
Automatic = Literal["nothing", "harm", "stop", "ship"]
Interleave = Literal["team_draft", "balanced", "probabilistic", "optimised"]

MOST_INTERLEAVED: Final[Mapping[Interleave, int]] = {
    "team_draft": 8,
    "probabilistic": 8,
    "balanced": 2,
    "optimised": 2,
}

_ROUNDING = 1e-9  # thirds and tenths written in decimal do not add up to exactly 1
_DIGITS = 12  # to which edges within a layer are rounded, so that 0.1 + 0.2 ends where 0.3 begins


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One side of an experiment: the strategy that ranks for it, and its share of the units.

    `parameters` are fields of the strategy that are other for this variant: `{"policy": {"epsilon": 0.2}}`. Where no
    variant names a strategy, the experiment tunes what ranks without it.
    """

    name: Name
    strategy: str = ""
    weight: float = 0.0
    parameters: dict[str, Any] = {}


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison of strategies on a `surface`, or on several `surfaces`. The first variant is the control.

    `traffic` is the share of its layer's units that takes part, beginning at `traffic_from`: experiments in one layer
    share its units out, so that a unit is in one of them at most. Of these only the ones take part that fit the
    `audience`, a condition on context and user. `salt` splits the units among the variants and defaults to the name;
    `hash` says by which algorithm. With "growthbook" the layer is its namespace, the salt its seed, and `coverage` the
    share of each variation's range; with "optimizely" they are exclusion group and id. There is no coverage otherwise.
    Where it is `sticky`, a unit keeps the variant that it had first, and the weights may change. `interleave` says how
    rankings become one slate where that is the method. `learn_from` says whether a variant learns from its own traffic
    or from everybody's. `start` starts the experiment when it is first recorded, and nobody takes part before `starts`
    (seconds since the epoch). `duration_days` is after how long it is over, and `outcome` what came of it, in words.

    `automatic` is what the server does by itself, each with those before it: "nothing"; stop on "harm" to a guardrail;
    "stop" or "ship" as the verdict says. With the `allocation` "adaptive" it sets the weights anew every
    `reweigh_hours`, by how likely each is the best, and none below `floor`. `frozen` is a share that ends learning.
    """

    name: Name
    surface: Name | None = None
    variants: tuple[Variant, ...] = ()
    hypothesis: str = ""
    owner: str = ""
    unit: Unit = "user"
    layer: Name = "default"
    traffic: float = 1.0
    traffic_from: float = 0.0
    method: Method = "ab"
    interleave: Interleave = "team_draft"
    learn_from: Literal["own", "all"] = "own"
    salt: Name | None = None
    metrics: tuple[Metric, ...] = (Metric("click", "click"),)
    alpha: float = 0.05
    analysis: Analysis = Analysis()
    start: bool = False
    surfaces: tuple[Name, ...] = ()
    audience: str = ""
    hash: Hash = "bandstand"
    coverage: float = 1.0
    sticky: bool = False
    starts: float | None = None
    duration_days: float | None = None
    outcome: str = ""
    automatic: Automatic = "harm"
    allocation: Literal["fixed", "adaptive"] = "fixed"
    floor: float = 0.05
    reweigh_hours: float = 24.0
    frozen: Freeze | None = None

    @property
    def tunes(self) -> bool:
        """Whether its variants only have other parameters, of whatever ranks on the surface otherwise."""
        return not any(one.strategy for one in self.variants)

    @property
    def on(self) -> tuple[str, ...]:
        """The surfaces whose slates are compared."""
        return self.surfaces if self.surface is None else (self.surface,)


class Problem(NamedTuple):
    """Why an experiment cannot be accepted; `field` is the part of its definition to change."""

    message: str
    field: str


def parse(builtins: object) -> Experiment:
    """The experiment that a decoded TOML file or JSON body describes; InputError where its shape is wrong."""
    try:
        return msgspec.convert(builtins, Experiment)
    except msgspec.ValidationError as error:
        told = misfit(str(error), builtins, Experiment)
        name = builtins.get("name") if isinstance(builtins, dict) else None
        subject = f"experiment '{name}'" if isinstance(name, str) else "experiment"
        raise InputError(f"{subject}: {told}", field=told.field, code=told.code) from None


def edge(share: float) -> int:
    """Where a share of all units ends among 64-bit numbers."""
    return int(round(share, _DIGITS) * 2.0**64)


def segment(experiment: Experiment) -> tuple[int, int]:
    """The part of its layer that takes part, from the first 64-bit number up to before the second."""
    return edge(experiment.traffic_from), edge(experiment.traffic_from + experiment.traffic)


def variant(experiment: Experiment, name: str) -> Variant:
    for one in experiment.variants:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in experiment.variants)
    raise UnknownError(
        f"experiment '{experiment.name}': variant '{name}' is not defined; known: {known}", field="variant"
    )


def problems(
    experiment: Experiment,
    *,
    surfaces: Collection[str],
    strategies: Collection[str],
    running: Collection[Experiment] = (),
) -> list[Problem]:
    """Everything that speaks against the experiment, given the names that are defined and the experiments that it
    would run beside (an entry of the same name is its own earlier definition and does not count)."""
    numbers = list(_numbers(experiment))
    found = [*_unknown(experiment, surfaces, strategies), *_variants(experiment), *_metrics(experiment), *numbers]
    others = [other for other in running if other.name != experiment.name]
    found.extend(_elsewhere(experiment, [other for other in others if other.layer != experiment.layer]))
    if not any(one.field.startswith("traffic") for one in numbers):
        found.extend(_overlaps(experiment, [other for other in others if other.layer == experiment.layer]))
    return [Problem(f"experiment '{experiment.name}': {one.message}", one.field) for one in found]


def check(
    experiment: Experiment,
    *,
    surfaces: Collection[str],
    strategies: Collection[str],
    running: Collection[Experiment] = (),
) -> None:
    """InputError with the first of the `problems`, where there are any."""
    for problem in problems(experiment, surfaces=surfaces, strategies=strategies, running=running):
        raise InputError(problem.message, field=problem.field)


def _unknown(experiment: Experiment, surfaces: Collection[str], strategies: Collection[str]) -> Iterator[Problem]:
    if not experiment.on:
        yield Problem(f"surface is missing; name one of: {_listed(surfaces)}", "surface")
    if experiment.surface is not None and experiment.surfaces:
        yield Problem("surface and surfaces are both given; name all of them in surfaces", "surfaces")
    for name in _repeated(experiment.surfaces):
        yield Problem(f"surface '{name}' is named twice; name it once", "surfaces")
    for name in experiment.on:
        if name not in surfaces:
            yield Problem(
                f"surface '{name}' is not defined; known: {_listed(surfaces)}",
                "surface" if experiment.surface is not None else "surfaces",
            )
    for index, one in enumerate(experiment.variants):
        if one.strategy not in strategies and not experiment.tunes:
            what = f"strategy '{one.strategy}' is not defined" if one.strategy else f"variant '{one.name}' names none"
            yield Problem(
                f"{what}; known: {_listed(strategies)}",
                f"variants[{index}].strategy",
            )


def _variants(experiment: Experiment) -> Iterator[Problem]:
    variants = experiment.variants
    if len(variants) < 2:
        yield Problem(
            f"{len(variants)} variants, must be at least 2; a comparison needs a control and a treatment",
            "variants",
        )
    if experiment.method == "interleave":
        yield from _interleaved(experiment)
    if experiment.tunes:
        yield from _tuning(experiment)
    for name in _repeated(one.name for one in variants):
        yield Problem(f"variant '{name}' is defined twice; give each its own name", "variants")
    for index, one in enumerate(variants):
        if "/" in one.name:
            # What a variant learns is kept under "experiment/variant", which is taken apart at the last slash.
            yield Problem(f"variant '{one.name}': the name must not contain '/'", f"variants[{index}].name")
        if not 0 < one.weight <= 1:
            found = f"{one.weight:g}" if one.weight else "0 or missing"
            yield Problem(
                f"variant '{one.name}': weight is {found}, must be above 0 and at most 1; leave out a variant that "
                "nobody should see",
                f"variants[{index}].weight",
            )
    total = sum(one.weight for one in variants)
    if variants and not abs(total - 1) <= _ROUNDING:
        shares = ", ".join(f"{one.name} {one.weight / total:.12g}" for one in variants if 0 < one.weight <= total < inf)
        yield Problem(f"the weights add up to {total:.10g}, must be 1; as shares: {shares or 'none'}", "variants")


def _tuning(experiment: Experiment) -> Iterator[Problem]:
    """Whoever tunes has no ranking of its own, and its weights' names are those it tunes and its own in one."""
    wants = {
        "method": experiment.method == "interleave",
        "learn_from": experiment.learn_from == "all",
        "analysis.trigger": experiment.analysis.trigger == "changed",
        "frozen": experiment.frozen is not None,
    }
    for field in (field for field, wanted in wants.items() if wanted):
        yield Problem(f"{field} asks for variants with strategies of their own; name a strategy for each", field)
    for index, name in enumerate((experiment.name, *(one.name for one in experiment.variants))):
        if tuning.JOINT in name:
            yield Problem(
                f"'{name}': the name must not contain '{tuning.JOINT}' where no variant names a strategy",
                f"variants[{index - 1}].name" if index else "name",
            )


def _interleaved(experiment: Experiment) -> Iterator[Problem]:
    count, most = len(experiment.variants), MOST_INTERLEAVED[experiment.interleave]
    fair = 1 / count
    if count > most:
        several = ", ".join(repr(name) for name, many in MOST_INTERLEAVED.items() if many > most)
        instead = f"interleave by {several}" if several else "compare them with method 'ab'"
        yield Problem(
            f"{count} variants, interleaving by '{experiment.interleave}' takes at most {most}; {instead}, or compare "
            "in pairs",
            "variants",
        )
    if any(abs(one.weight - fair) > _ROUNDING for one in experiment.variants):
        yield Problem(f"an interleaving drafts from all variants alike; give each the weight {fair:.10g}", "variants")
    if experiment.analysis.method not in ("always-valid", "fixed"):
        yield Problem(
            f"method '{experiment.analysis.method}' is for 'ab'; judge an interleaving by 'always-valid' or 'fixed'",
            "analysis.method",
        )


def _metrics(experiment: Experiment) -> Iterator[Problem]:
    if all(metric.role != "decision" for metric in experiment.metrics):
        yield Problem("no metric has the role 'decision'; name the one that decides", "metrics")
    for name in _repeated(metric.name for metric in experiment.metrics):
        yield Problem(f"metric '{name}' is defined twice; give each its own name", "metrics")
    for index, metric in enumerate(experiment.metrics):
        for fault in measures.faults(metric):
            yield Problem(f"metric '{metric.name}': {fault.message}", f"metrics[{index}].{fault.field}")
    for fault in rules.faults(experiment.analysis):
        yield Problem(f"analysis: {fault.message}", f"analysis.{fault.field}")
    for fault in freezing.faults(experiment.frozen, method=experiment.method) if experiment.frozen else ():
        yield Problem(f"frozen: {fault.message}", f"frozen.{fault.field}")


def _numbers(experiment: Experiment) -> Iterator[Problem]:
    start, end = experiment.traffic_from, experiment.traffic_from + experiment.traffic
    if not experiment.traffic > 0:
        yield Problem(
            f"traffic is {experiment.traffic:g}, must be above 0; leave it a draft where nobody should see it",
            "traffic",
        )
    elif not (start >= 0 and end <= 1 + _ROUNDING):
        yield Problem(
            f"traffic {experiment.traffic:g} from {start:g} on covers [{start:g}, {end:g}) of layer "
            f"'{experiment.layer}', must lie within [0, 1]",
            "traffic_from" if experiment.traffic <= 1 else "traffic",
        )
    if not 0 < experiment.alpha < 1:
        yield Problem(f"alpha is {experiment.alpha:g}, must be between 0 and 1, as 0.05", "alpha")
    if not 0 < experiment.coverage <= 1:
        yield Problem(f"coverage is {experiment.coverage:g}, must be above 0 and at most 1", "coverage")
    elif experiment.coverage < 1 and experiment.hash == "bandstand":
        yield Problem(
            f"coverage is {experiment.coverage:g}, which is for the hashes of others; give the share in traffic",
            "coverage",
        )
    if experiment.sticky and experiment.method == "interleave":
        yield Problem("an interleaving shows every variant to everybody; leave sticky out", "sticky")
    if experiment.duration_days is not None and not 0 < experiment.duration_days < inf:
        yield Problem(f"duration_days is {experiment.duration_days:g}, must be above 0", "duration_days")
    if experiment.starts is not None and not 0 <= experiment.starts < inf:
        yield Problem(
            f"starts is {experiment.starts:g}, must be a time with its offset, as 2026-12-01T08:00:00Z", "starts"
        )


def _elsewhere(experiment: Experiment, others: list[Experiment]) -> Iterator[Problem]:
    for other in others:
        fault = clash(experiment, other)
        for surface in sorted({*other.on} & {*experiment.on}) if fault else ():
            yield Problem(
                f"'{other.name}' already runs on surface '{surface}' in layer '{other.layer}', and {fault}; put both "
                f"into layer '{other.layer}' and divide its traffic, or stop '{other.name}' first",
                "layer",
            )


def clash(one: Experiment, other: Experiment) -> str | None:
    """Why no request can take part in both, in words; None where one ranks and others tune different fields of it."""
    if not (one.tunes or other.tunes):
        return f"both '{one.name}' and '{other.name}' say which strategy ranks"
    for each in (one, other):
        if each.method == "interleave":
            return f"'{each.name}' merges whole rankings"
        if each.frozen is not None:
            return f"'{each.name}' freezes what ranks there"
    field = tuning.shared([v.parameters for v in one.variants], [v.parameters for v in other.variants])
    return None if field is None else f"both '{one.name}' and '{other.name}' change {field}"


def _overlaps(experiment: Experiment, layer: list[Experiment]) -> Iterator[Problem]:
    start, end = segment(experiment)
    for other in layer:
        # A layer keeps its experiments apart by hashing one id in one way; a user and its session fall anywhere in it.
        for field in ("unit", "hash"):
            if getattr(other, field) != getattr(experiment, field):
                yield Problem(
                    f"layer '{other.layer}' is divided by {field} '{getattr(other, field)}', as '{other.name}' runs in "
                    f"it; use {field} '{getattr(other, field)}' or another layer",
                    field,
                )
        from_, to = segment(other)
        if min(end, to) > max(start, from_):
            apart = "" if set(experiment.on) & set(other.on) else "; on another surface it may have another layer"
            yield Problem(
                f"traffic {_written(experiment)} of layer '{other.layer}' overlaps {_written(other)} of "
                f"'{other.name}', which is running; free: {_free(layer)}{apart}",
                "traffic_from",
            )


def _free(layer: list[Experiment]) -> str:
    """What the experiments leave of their layer, in words."""
    taken = sorted((other.traffic_from, other.traffic_from + other.traffic) for other in layer)
    gaps = [(to, from_) for (_, to), (from_, _) in pairwise([(0.0, 0.0), *taken, (1.0, 1.0)])]
    return ", ".join(f"[{start:g}, {end:g})" for start, end in gaps if end - start > _ROUNDING) or "nothing"


def _written(experiment: Experiment) -> str:
    return f"[{experiment.traffic_from:g}, {experiment.traffic_from + experiment.traffic:g})"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
