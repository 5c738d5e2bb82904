"""`bandstand power`: how long would an experiment take, and what could it find?"""

import math

import msgspec
import rich_click as click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.experiments.definition import Unit
from bandstand.plan import (
    USUAL,
    Kind,
    Plan,
    Preferring,
    Replayed,
    Rule,
    plan,
    preferring,
    replayed,
    traffic,
    tried_preferring,
)
from bandstand.plan.needs import WEEKS
from bandstand.stats.interleaving_power import Simulated
from bandstand.store.sql import open_log

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_POSITIVE = click.FloatRange(0, min_open=True)


class Answered(msgspec.Struct, frozen=True):
    """What is printed: by formula and, where it was asked for, by trying."""

    plan: Plan
    replayed: Replayed | None
    interleaving: Preferring | None = None
    tried: Simulated | None = None


@click.command()
@click.option("--surface", default="home", show_default=True, help="Where the experiment would run.")
@click.option("--reward", default="click", show_default=True, help="The reward that it would measure.")
@click.option(
    "--kind",
    type=click.Choice(["mean", "proportion", "ratio"]),
    default="mean",
    show_default=True,
    help="Rewards per unit, units with any, or rewards per pick shown.",
)
@click.option("--unit", type=click.Choice(["user", "session", "device"]), default="user", show_default=True)
@click.option("--lift", type=float, default=0.05, show_default=True, help="The relative change to find: 0.05 is 5 %.")
@click.option("--power", type=_SHARE, default=0.8, show_default=True, help="How surely to find it.")
@click.option("--alpha", type=_SHARE, default=0.05, show_default=True)
@click.option(
    "--prior-std", type=_POSITIVE, default=USUAL.prior_std, show_default=True, help="Bayesian: how far lifts spread."
)
@click.option(
    "--accepted-loss",
    type=_POSITIVE,
    default=USUAL.accepted_loss,
    show_default=True,
    help="Bayesian: a share of the mean.",
)
@click.option("--arms", type=click.IntRange(2, 100), default=2, show_default=True, help="Equal variants.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True, help="Of units.")
@click.option("--days", type=click.FloatRange(0, min_open=True), default=28.0, show_default=True, help="Look back.")
@click.option("--replay", "times", type=click.IntRange(0, 100_000), default=0, help="Also try it so often on the log.")
@click.option(
    "--interleave",
    "preference",
    type=click.FloatRange(0, 0.5, min_open=True),
    help="Also: what an interleaving needs to find this preference; 0.05 is 55 against 45 %.",
)
@options.database
@options.as_json
def power(
    surface: str,
    reward: str,
    kind: Kind,
    unit: Unit,
    lift: float,
    power: float,
    alpha: float,
    prior_std: float,
    accepted_loss: float,
    arms: int,
    share: float,
    days: float,
    times: int,
    preference: float | None,
    database: str | None,
    as_json: bool,
) -> None:
    """Say how many units and days an experiment needs, from the log's own traffic and spread.

    With --replay the units of the log are split by chance again and again, with the lift put into one side.
    """
    log = open_log(options.settings(database=database).database, readonly=True)
    seen = traffic(log, surface, reward, unit=unit, days=days)
    log.close()
    rule = Rule(alpha, prior_std, accepted_loss)
    planned = plan(seen, kind=kind, lift=lift, power=power, rule=rule, arms=arms, share=share)
    tried = None
    if times:
        with progress("splitting", "times") as told:
            tried = replayed(seen, kind=kind, lift=lift, rule=rule, times=times, progress=told)
    interleaving = simulated = None
    if preference is not None:
        interleaving = preferring(seen, preference=preference, power=power, alpha=alpha, share=share)
        if times:
            users = interleaving.needs[0].units
            simulated = tried_preferring(seen, preference=preference, users=users, alpha=alpha, times=times)
    answered = Answered(planned, tried, interleaving, simulated)
    if as_json:
        options.print_json(answered)
    else:
        options.console().print(render(answered))


def render(answered: Answered) -> RenderableType:
    """As people read it in a terminal of 80 columns."""
    planned, tried = answered.plan, answered.replayed
    per = {"mean": f"per {planned.unit}", "proportion": f"of {planned.unit}s", "ratio": "per pick shown"}[planned.kind]
    about = Text(
        f"To find a lift of {planned.lift:+.3g} ({planned.lift:+.1%}) of '{planned.reward}' {per} on surface "
        f"'{planned.surface}' with {planned.power:.0%} power at α = {planned.alpha:g}, {planned.arms} arms, "
        f"{planned.share:.0%} of {planned.unit}s.\nSeen: {planned.units:,} {planned.unit}s in {_length(planned.days)}, "
        f"mean {planned.mean:.4g}, standard deviation {planned.spread:.4g}."
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("", "per arm", "days", *(f"in {weeks:g} d" for weeks in WEEKS)):
        table.add_column(heading, justify="left" if not heading else "right")
    for need in planned.needs:
        found = ("none" if lift is None else f"{lift:+.1%}" for lift in need.found)
        table.add_row(need.says, f"{need.per_arm:,}", days_text(need.days), *found)
    note = "The last columns: the least lift found by then."
    if planned.days < 1:
        note = "The log covers less than a day, which does not say how many come in a week."
    bayesian = (
        f"The Bayesian ships at a chance to win of {1 - planned.alpha / 2:.4g} and an expected loss of at most "
        f"{planned.accepted_loss:.2%}; its prior expects lifts with a spread of {planned.prior_std:.3g}."
    )
    parts: list[RenderableType] = [about, Text(), table, Text(note), Text(bayesian)]
    if tried is not None:
        parts += [Text(), *_tried(tried)]
    if answered.interleaving is not None:
        parts += [Text(), Text(_interleaved(answered.interleaving, answered.tried))]
    return Group(*parts)


def _length(days: float) -> str:
    hours = 24 * days
    return f"{days:.3g} days" if days >= 1 else f"{hours:.2g} h" if hours >= 1 else f"{60 * hours:.2g} min"


def days_text(days: float | None) -> str:
    """So many days, as people write a number; "" where none is known.

    >>> days_text(8.1854), days_text(1139.6), days_text(math.inf)
    ('8.19', '1,140', 'never')
    """
    if days is None:
        return ""
    return "never" if math.isinf(days) else f"{days:,.0f}" if days >= 100 else f"{days:.3g}"


def _tried(tried: Replayed) -> tuple[RenderableType, ...]:
    about = f"Tried {tried.times:,} times on the {tried.units:,} units of the log, split in two by a coin each:"
    table = Table(box=None, pad_edge=False)
    for heading in ("", "formula", "found", "95 % interval"):
        table.add_column(heading, justify="left" if not heading else "right")
    for one in tried.methods:
        table.add_row(one.says, f"{one.formula:.1%}", f"{one.found:.1%}", f"[{one.low:.1%}, {one.high:.1%}]")
    return Text(about), table, Text("The formula counts the last look alone: looks before it only add.")


def _interleaved(needed: Preferring, tried: Simulated | None) -> str:
    units = "; ".join(f"{one.says} {one.units:,}{_in_days(one.days)}" for one in needed.needs)
    simulated = ""
    if tried is not None:
        simulated = (
            f" Tried {tried.runs:,} times with {needed.needs[0].units:,}: found in {tried.power:.1%} "
            f"[{tried.low:.1%}, {tried.high:.1%}]."
        )
    return (
        f"An interleaving finds a preference of {0.5 + needed.preference:.1%} with at most so many who reward "
        f"something ({needed.rewarding:.1%} do), both variants together: {units}.{simulated}"
    )


def _in_days(days: float | None) -> str:
    return "" if days is None else f" in {days_text(days)} days"
