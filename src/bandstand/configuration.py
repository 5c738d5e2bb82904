"""Surfaces, strategies, experiments and rules as a person writes them, and as the facts that record them."""

import math
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from bandstand.combinations import check_combinations, check_shipped, check_strategy, check_surface, check_winner
from bandstand.errors import BandstandError, ConflictError, InputError
from bandstand.events import (
    AnyFact,
    ExperimentMoved,
    ExperimentPut,
    HoldoutPut,
    RulePut,
    SignalsPut,
    StrategyPut,
    SurfacePut,
)
from bandstand.experiments import automatic, mixed
from bandstand.experiments.definition import Experiment, check, parse, variant
from bandstand.experiments.lifecycle import as_allocated, check_change, moved
from bandstand.experiments.metrics import named
from bandstand.expressions import parse as expression
from bandstand.misfit import misfit
from bandstand.policy.baseline import Popular, Random
from bandstand.rules import AnyRule, converted
from bandstand.state import State
from bandstand.strategy import Strategy, Surface, varied

T = TypeVar("T")

# What a fresh installation has. A log that already defines one of them keeps its own.
SURFACES = {"home": Surface(), "related": Surface()}
STRATEGIES = {
    "default": Strategy(),
    "random": Strategy(policy=Random()),
    "popular": Strategy(policy=Popular()),
}


def definitions(
    state: State,
    *,
    surfaces: Mapping[str, Any] | None = None,
    strategies: Mapping[str, Any] | None = None,
    signals: Mapping[str, float] | None = None,
    holdout: float | None = None,
) -> list[AnyFact]:
    """The facts that bring `state` to the settings' surfaces, strategies, signals and holdout, and to the defaults
    where it has none.

    InputError for a field that is unknown, a generator or a strategy that is not defined, a signal below 0.
    ConflictError for a strategy that a running experiment compares or tunes, or a holdout that would take units out of
    one.
    """
    if holdout is not None:
        _check_holdout(state, holdout)
    for name, worth in (signals or {}).items():
        if not 0 <= worth < math.inf:
            raise InputError(f"signal {name!r}: {worth}, must be finite and at least 0", field="signals")
    wanted_strategies = {name: made for name, made in STRATEGIES.items() if name not in state.strategies}
    wanted_strategies |= _converted(strategies or {}, Strategy, "strategy")
    wanted_surfaces = {name: made for name, made in SURFACES.items() if name not in state.surfaces}
    wanted_surfaces |= _converted(surfaces or {}, Surface, "surface")
    wanted_surfaces = {name: _as_shipped(state, name, one) for name, one in wanted_surfaces.items()}
    known = state.strategies.keys() | wanted_strategies.keys()
    for name, strategy in wanted_strategies.items():
        check_strategy(name, strategy)
        _check_compared(state, name, strategy)
    for name, surface in wanted_surfaces.items():
        if surface.strategy not in known:
            raise InputError(
                f"surface {name!r}: strategy {surface.strategy!r} is not defined; known: {', '.join(sorted(known))}",
                field="strategy",
            )
        check_surface(name, state.surfaces.get(name), surface, running(state))
    return [
        *([HoldoutPut(holdout)] if holdout is not None and holdout != state.holdout else []),
        *([SignalsPut(dict(signals))] if signals is not None and signals != state.signals else []),
        *(StrategyPut(name, raw(one)) for name, one in wanted_strategies.items() if state.strategies.get(name) != one),
        *(SurfacePut(name, raw(one)) for name, one in wanted_surfaces.items() if state.surfaces.get(name) != one),
    ]


def check_alone(*, surfaces: Mapping[str, Any], strategies: Mapping[str, Any]) -> None:
    """InputError for what no log makes right: an unknown field or generator, a value that does not fit."""
    for name, strategy in _converted(strategies, Strategy, "strategy").items():
        check_strategy(name, strategy)
    _converted(surfaces, Surface, "surface")


def experiment_files(folder: Path) -> list[Path]:
    """One TOML file an experiment; none where there is no such folder."""
    return sorted(folder.glob("*.toml"))


def experiment_in(file: Path) -> Experiment:
    """The experiment that a TOML file defines; InputError names the file where it cannot be read."""
    try:
        return described(tomllib.loads(file.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: it is not a TOML file ({error})") from error
    except BandstandError as error:
        raise InputError(f"{file}: {error}", field=error.field) from error


def described(builtins: object) -> Experiment:
    """The experiment that a decoded TOML file or JSON body describes, where `starts` may be a time as people write it.

    InputError where its shape is wrong.
    """
    if isinstance(builtins, dict) and isinstance(builtins.get("starts"), str | datetime):
        try:
            starts = msgspec.convert(builtins["starts"], Annotated[datetime, msgspec.Meta(tz=True)])
        except msgspec.ValidationError:
            raise InputError(
                f"experiment {builtins.get('name')!r}: starts: {str(builtins['starts'])!r:.60} must be a time with its "
                "offset, as 2026-12-01T08:00:00Z",
                field="starts",
            ) from None
        builtins = builtins | {"starts": starts.timestamp()}
    return parse(builtins)


def rules_in(folder: Path) -> dict[Path, AnyRule | InputError]:
    """The rule that each TOML file of the folder defines, or what is wrong with it; none where there is no folder."""
    found: dict[Path, AnyRule | InputError] = {}
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.toml")):
        try:
            rule = converted(tomllib.loads(file.read_text("utf-8")))
            if not rule.name:
                raise InputError("name: missing; say how the rule is called", field="name")
            if rule.name in files:
                raise InputError(f"name == {rule.name!r}, is that of {files[rule.name]} already; choose another")
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            found[file] = InputError(f"{file}: it is not a TOML file that can be read ({error})")
        except InputError as error:
            found[file] = InputError(f"{file}: {error}", field=error.field)
        else:
            found[file] = rule
            files[rule.name] = file
    return found


def recorded_rule(state: State, rule: AnyRule) -> list[AnyFact]:
    """The fact that records a new or changed rule; none where the log has it as it is. InputError for a surface that is
    not defined."""
    for name in rule.surfaces:
        if name not in state.surfaces:
            known = ", ".join(sorted(state.surfaces)) or "none"
            raise InputError(f"rule {rule.name!r}: surface {name!r} is not defined; known: {known}", field="surfaces")
    return [] if state.rules.get(rule.name) == rule else [RulePut(rule.name, raw(rule))]


def recorded(state: State, experiment: Experiment) -> list[AnyFact]:
    """The facts that record a new or changed experiment, and start it if it says so and is new.

    InputError where its definition is wrong, ConflictError where it would break one that is running.
    """
    known = state.trials.get(experiment.name)
    if known is not None:
        experiment = as_allocated(known.definition, experiment, state=known.stage)
        if known.definition == experiment:
            return []
    check_experiment(state, experiment)
    facts: list[AnyFact] = [ExperimentPut(experiment.name, raw(experiment))]
    if known is None and experiment.start:
        facts.append(ExperimentMoved(experiment.name, "running", left="draft"))
    return facts


def check_experiment(state: State, experiment: Experiment) -> None:
    """Whether the experiment may be recorded as it stands: see `recorded`. A draft may overlap with what runs."""
    known = state.trials.get(experiment.name)
    runs = experiment.start if known is None else known.stage == "running"
    check(
        experiment,
        surfaces=state.surfaces,
        strategies=state.strategies,
        running=running(state) if runs else (),
    )
    automatic.check(experiment)
    _check_parameters(state, experiment)
    check_combinations(state, experiment, running(state) if runs else ())
    _check_rewards(state, experiment)
    _check_salt(state, experiment)
    if experiment.audience:
        _check_audience(experiment)
    if known is not None:
        check_change(known.definition, experiment, state=known.stage)
    if known is None or known.stage == "draft":  # what runs already can change none of it
        mixed.check(experiment)
        _check_begins(state, experiment)


def started(state: State, name: str) -> ExperimentMoved:
    """The fact that starts a draft; ConflictError where it is none any more, InputError where another is in its way."""
    trial = state.trials[name]
    stage = moved(name, trial.stage, "running")
    check(trial.definition, surfaces=state.surfaces, strategies=state.strategies, running=running(state))
    _check_parameters(state, trial.definition)
    check_combinations(state, trial.definition, running(state))
    _check_salt(state, trial.definition)
    _check_begins(state, trial.definition)
    return ExperimentMoved(name, stage, left=trial.stage)


def shipped(state: State, name: str, winner: str) -> ExperimentMoved:
    """The fact that makes a variant what its surfaces show; UnknownError where there is no such variant, ConflictError
    where the experiment has not run, or another's strategies would lose what it tunes, InputError where the variant
    fits what ranks there no more."""
    trial = state.trials[name]
    chosen = variant(trial.definition, winner)
    stage = moved(name, trial.stage, "shipped")
    check_shipped(trial.definition, running(state))
    check_winner(state, trial.definition, chosen, running(state))
    return ExperimentMoved(name, stage, chosen.name, left=trial.stage)


def running(state: State) -> list[Experiment]:
    return [trial.definition for trial in state.trials.values() if trial.stage == "running"]


def raw(definition: Surface | Strategy | Experiment | AnyRule) -> msgspec.Raw:
    """The definition as the log will hold it; InputError for a number that JSON has no word for, as inf and nan."""
    body = msgspec.json.encode(definition)
    try:
        written = msgspec.json.decode(body, type=type(definition))
    except msgspec.ValidationError:
        written = None
    if written != definition:
        what = getattr(definition, "name", type(definition).__name__.lower())
        raise InputError(f"{what}: one of its numbers is infinite or not a number, must be finite; give a finite one")
    return msgspec.Raw(body)


def _converted(given: Mapping[str, Any], kind: type[T], what: str) -> dict[str, T]:
    converted: dict[str, T] = {}
    for name, fields in given.items():
        try:
            converted[name] = msgspec.convert(fields, kind)
        except msgspec.ValidationError as error:
            told = misfit(str(error), fields, kind)
            raise InputError(f"{what} {name!r}: {told}", field=told.field, code=told.code) from error
    return converted


def _as_shipped(state: State, name: str, surface: Surface) -> Surface:
    """Settings go on naming the strategy that an experiment's winner replaced: that does not undo it."""
    if state.replaced.get(name) != surface.strategy:
        return surface
    return msgspec.structs.replace(surface, strategy=state.surfaces[name].strategy)


def _check_parameters(state: State, experiment: Experiment) -> None:
    for index, one in enumerate(() if experiment.tunes else experiment.variants):
        where, field = f"experiment '{experiment.name}': variant '{one.name}'", f"variants[{index}].parameters"
        try:
            check_strategy(one.strategy, varied(state.strategies[one.strategy], one.parameters))
        except msgspec.ValidationError as error:
            raise InputError(f"{where}: parameters of strategy '{one.strategy}': {error}", field=field) from None
        except InputError as error:
            raise InputError(f"{where}: {error}", field=field) from None


def _check_rewards(state: State, experiment: Experiment) -> None:
    """Whether some surface knows what the metrics measure; where one names no rewards, it takes any."""
    tables = [state.surfaces[name].rewards for name in experiment.on]
    known = sorted({*state.signals, *chain(*tables)})
    if not all(tables):
        return
    for index, metric in enumerate(experiment.metrics):
        for field, reward in named(metric):
            if reward not in known:
                raise InputError(
                    f"experiment '{experiment.name}': metric '{metric.name}': reward '{reward}' is not defined; "
                    f"known: {', '.join(known)}; name it in the rewards of surface '{experiment.on[0]}', with 0 where "
                    "it should teach nothing",
                    field=f"metrics[{index}].{field}",
                )


def _check_audience(experiment: Experiment) -> None:
    try:
        asks_items = expression(experiment.audience).asks("item")
    except InputError as error:
        raise InputError(f"experiment '{experiment.name}': audience: {error}", field="audience") from None
    if asks_items:
        raise InputError(
            f"experiment '{experiment.name}': audience {experiment.audience!r} asks about items, must ask about "
            "context and user only",
            field="audience",
        )


def _check_salt(state: State, experiment: Experiment) -> None:
    """Units that one salt split twice would bring into the second experiment what the first did to them."""
    salt = experiment.salt or experiment.name
    for other in state.trials.values():
        definition = other.definition
        if (
            definition.name != experiment.name
            and other.stage != "draft"
            and salt == (definition.salt or definition.name)
        ):
            raise InputError(
                f"experiment '{experiment.name}': salt '{salt}' split the units of '{definition.name}' already, and "
                "would split them alike; leave it out",
                field="salt",
            )


def _check_begins(state: State, experiment: Experiment) -> None:
    """InputError where it would have begun already: who came since then took no part."""
    if experiment.starts is not None and experiment.starts < state.clock:
        late = timedelta(seconds=round(state.clock - experiment.starts))
        raise InputError(
            f"experiment '{experiment.name}': starts {_moment(experiment.starts)}, which was {late} before now; name a "
            "later time, or leave it out to start at once",
            field="starts",
        )


def _check_compared(state: State, name: str, strategy: Strategy) -> None:
    known = state.strategies.get(name)
    for experiment in running(state) if known not in (None, strategy) else ():
        tuned = {state.surfaces[surface].strategy for surface in experiment.on} if experiment.tunes else ()
        if name in {*tuned, *(one.strategy for one in experiment.variants)}:
            raise ConflictError(
                f"strategy {name!r}: it cannot change while experiment {experiment.name!r} "
                f"{'tunes' if experiment.tunes else 'compares'} it; stop that first, or give the new one another name",
                field="strategies",
            )


def _check_holdout(state: State, share: float) -> None:
    if not 0 <= share < 1:
        raise InputError(f"holdout: {share:g}, must be at least 0 and below 1, as 0.05", field="holdout")
    begun = [one.name for one in running(state)]
    if begun and share > state.holdout:
        raise ConflictError(
            f"holdout: {state.holdout:g} to {share:g} would take units out of experiments that are running, "
            f"{', '.join(begun)}; stop them first, or leave it at {state.holdout:g} until they end",
            field="holdout",
        )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
