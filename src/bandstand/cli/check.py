"""`bandstand check`: are settings, strategies, surfaces, experiments and rules right, and what would each do?"""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import rich_click as click
from rich.table import Table

from bandstand.cli import options
from bandstand.cli.power import days_text
from bandstand.configuration import definitions, experiment_files, experiment_in, recorded, rules_in
from bandstand.engine import Engine
from bandstand.errors import BandstandError, InputError, StoreError, UnknownError
from bandstand.events import AnyFact, Entry
from bandstand.experiments.definition import Experiment, Variant
from bandstand.idle import never
from bandstand.matching import Facts
from bandstand.model import Model
from bandstand.plan import Proposal, proposed
from bandstand.plan.proposed import USUAL_LIFT
from bandstand.rules import AnyRule, read
from bandstand.ruling import chosen
from bandstand.settings import Settings
from bandstand.state import State
from bandstand.store.sql import open_log
from bandstand.strategy import Strategy, Surface

_NAME = 24


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was checked: what it would do, or what is wrong with it; and what an experiment `needs`."""

    kind: Literal["settings", "surface", "strategy", "experiment", "rule"]
    name: str
    ok: bool
    text: str
    needs: tuple[Proposal, ...] = ()


@click.command()
@options.database
@click.option("--experiments", "folder", type=click.Path(path_type=Path), help="Folder of experiment files.")
@click.option("--rules", type=click.Path(path_type=Path), help="Folder of rule files.")
@options.as_json
def check(database: str | None, folder: Path | None, rules: Path | None, as_json: bool) -> None:
    """Check settings, strategies, surfaces, experiments and rules, and say what each would do.

    Nothing is written. Exit 1 where something is wrong.
    """
    lines = checked(database, folder, rules)
    if as_json:
        options.print_json(lines)
    else:
        options.console().print(_table(lines))
    sys.exit(0 if all(line.ok for line in lines) else 1)


def checked(database: str | None, folder: Path | None, rules: Path | None = None) -> list[Line]:
    try:
        settings = options.settings(
            database=database,
            experiments=None if folder is None else str(folder),
            rules=None if rules is None else str(rules),
        )
    except BandstandError as error:
        return [Line("settings", "", ok=False, text=str(error))]
    state = _state(settings)
    try:
        facts = definitions(
            state,
            surfaces=settings.surfaces,
            strategies=settings.strategies,
            signals=settings.signals,
            holdout=settings.holdout,
        )
    except BandstandError as error:
        return [Line("settings", "", ok=False, text=str(error))]
    entry = state.seq
    _applied(state, facts)
    state.clock = max(state.clock, time.time())  # by which an experiment's start is past, however old the log
    return [
        Line("settings", "", ok=True, text=f"log in {settings.database}, entry {entry}"),
        *(Line("surface", name, ok=True, text=_surface(one)) for name, one in sorted(state.surfaces.items())),
        *(Line("strategy", name, ok=True, text=_strategy(one)) for name, one in sorted(state.strategies.items())),
        *_experiments(state, Path(settings.experiments), settings.database),
        *_rules(state, Path(settings.rules), now=time.time()),
    ]


def _state(settings: Settings) -> State:
    """The state of the log, or of an empty one where there is none yet."""
    try:
        log = open_log(settings.database, readonly=True)
    except StoreError:
        return State()
    engine = Engine(Model(learning=False), log)
    engine.catch_up()
    log.close()
    return engine.model.state


def _applied(state: State, facts: Sequence[AnyFact]) -> None:
    for seq, fact in enumerate(facts, start=state.seq + 1):
        state.apply(Entry(seq, state.clock, fact))


def _experiments(state: State, folder: Path, database: str) -> list[Line]:
    lines: list[Line] = []
    for path in experiment_files(folder):
        try:
            experiment = experiment_in(path)
            facts = recorded(state, experiment)
        except BandstandError as error:
            lines.append(Line("experiment", path.name, ok=False, text=str(error)))
        else:
            trial = state.trials.get(experiment.name)
            open_ = trial is None or trial.stage in ("draft", "running")
            needs = _needs(state, database, experiment) if open_ else ()
            text = f"{_experiment(state, experiment)}{_needed(experiment, needs)}"
            lines.append(Line("experiment", experiment.name, ok=True, text=text, needs=needs))
            _applied(state, facts)  # as the server will: the files after it must fit beside it
    return lines


def _needs(state: State, database: str, experiment: Experiment) -> tuple[Proposal, ...]:
    """How many units it takes, and how long, by its own metrics and rule, as far as the log can tell."""
    try:
        log = open_log(database, readonly=True)
        try:
            return tuple(proposed(log, experiment, share=1 - state.holdout))
        finally:
            log.close()
    except (StoreError, UnknownError):
        where = " or ".join(map(repr, experiment.on))
        why = f"the log has nobody on {where} in its last 28 days"
    except InputError as error:
        why = str(error)
    metric = next(one.name for one in experiment.metrics if one.role == "decision")
    return (Proposal(metric, "found", experiment.analysis.minimum_effect or USUAL_LIFT, reason=why),)


def _needed(experiment: Experiment, found: tuple[Proposal, ...]) -> str:
    return "".join(f"; {_wanted(one)}: {_takes(experiment, one)}" for one in found)


def _wanted(one: Proposal) -> str:
    match one.told:
        case "found":
            return f"to find {one.effect:+.1%} of {one.metric}"
        case "safe":
            return f"to show that {one.metric} loses less than {one.effect:.1%}"
        case "preferred":
            return f"to find that {0.5 + one.effect:.1%} of {one.metric} are for one side"


def _takes(experiment: Experiment, one: Proposal) -> str:
    if one.units is None:
        return f"not known how long it takes, for {(one.reason or '').rstrip('.')}"
    who = f"{one.units:,} {experiment.unit}s{' who reward it' if one.told == 'preferred' else ''}"
    if one.days is None:
        return f"{who}; how long that takes, less than a day of traffic does not say"
    if math.isinf(one.days):
        return f"{who}, never at this traffic: {one.reason}"
    planned = experiment.duration_days
    late = ""
    if planned is not None and one.days > planned:
        late = f", more than its {planned:g}: plan for more days, more traffic, or a greater minimum_effect"
    return f"{who}, in {days_text(one.days)} days at this traffic{late}"


def _rules(state: State, folder: Path, *, now: float) -> list[Line]:
    """The rules of the log as they will be once the folder's are recorded; one that can never matter is wrong."""
    found = dict(state.rules)
    lines: list[Line] = []
    for path, rule in rules_in(folder).items():
        if isinstance(rule, InputError):
            lines.append(Line("rule", path.name, ok=False, text=str(rule)))
        else:
            found[rule.name] = rule
    for name, rule in sorted(found.items()):
        dead = never(rule, state, now=now) if rule.enabled else []
        lines.append(Line("rule", name, ok=not dead, text="; ".join([_rule(state, rule), *dead])))
    return lines


def _rule(state: State, rule: AnyRule) -> str:
    where = read(rule).where
    if where is not None and (where.asks("context") or where.asks("user")):
        about = "items that depend on the request"
    else:
        count = int(chosen(rule, state.columns, Facts()).sum())
        about = f"{count:,} of {len(state.catalogue.known):,} items today"
    places = f" on {', '.join(rule.surfaces)}" if rule.surfaces else ""
    return f"{'' if rule.enabled else 'off: '}{msgspec.to_builtins(rule)['action']} {about}{places}"


def _surface(surface: Surface) -> str:
    rewards = ", ".join(f"{name} × {worth:g}" for name, worth in surface.rewards.items()) or "every reward as it is"
    return f"slates of {surface.n} by {surface.strategy}; {surface.window_s:g} s for rewards; {rewards}"


def _strategy(strategy: Strategy) -> str:
    policy = msgspec.to_builtins(strategy.policy)
    parameters = ", ".join(f"{name} {value}" for name, value in policy.items() if name not in ("kind", "table"))
    generators = ", ".join(strategy.generators) or "given candidates only"
    return f"{policy['kind']}{f' ({parameters})' if parameters else ''} over {strategy.candidates} from {generators}"


def _experiment(state: State, experiment: Experiment) -> str:
    known = state.trials.get(experiment.name)
    stage = known.stage if known else ("running once recorded" if experiment.start else "draft")
    share = 100 * experiment.traffic * experiment.coverage * (1 - state.holdout)
    sides = " against ".join(
        f"{v.name} ({v.strategy or 'what ranks'}{_tuned(v)}, {v.weight:.0%})" for v in experiment.variants
    )
    audience = f" where {experiment.audience}" if experiment.audience else ""
    days = f", for {experiment.duration_days:g} days" if experiment.duration_days else ""
    places = ", ".join(experiment.on)
    return f"{stage}: {experiment.method} on {places}, {share:.3g} % of {experiment.unit}s{audience}: {sides}{days}"


def _tuned(variant: Variant) -> str:
    """The parameters of a variant as a TOML file has them: `policy.epsilon = 0.2`."""
    found: list[str] = []
    for field, value in variant.parameters.items():
        inner = value.items() if isinstance(value, dict) else ()
        found += [f"{field}.{name} = {one}" for name, one in inner] or [f"{field} = {value}"]
    return f" with {', '.join(found)}" if found else ""


def _table(lines: list[Line]) -> Table:
    table = Table("", "What", box=None, pad_edge=False)
    table.add_column("Name", overflow="fold", max_width=_NAME)
    table.add_column("Says", overflow="fold")
    for line in lines:
        table.add_row("[green]ok[/]" if line.ok else "[red]no[/]", line.kind, line.name, line.text)
    return table
