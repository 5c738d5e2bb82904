"""`bandstand report KEY`: an experiment's result; without KEY, which experiments there are."""

import shlex
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import rich_click as click
from rich.table import Table

from bandstand import report as reports
from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.report.notes import steady
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.steward.courses import courses
from bandstand.store import EventLog, Snapshots
from bandstand.store.sql import open_log, open_snapshots, snapshots_url


class Listed(msgspec.Struct, frozen=True):
    """An experiment, since when it runs or ran, and the command that says what came of it."""

    experiment: str
    state: str
    surface: str
    method: str
    since: float | None
    command: str


@click.command()
@click.argument("key", required=False)
@options.database
@options.as_json
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one page with pictures, which needs nothing else; needs bandstand[plots].",
)
@click.option(
    "--history", is_flag=True, help="Say whether effects last, and give --json the intervals over time; --html has it."
)
@click.option(
    "--interactions",
    is_flag=True,
    help="Say whether experiments that ran beside it change its result; reads the log once more for each.",
)
@click.option(
    "--policies",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Say as well what each variant's policy would have earned on the first N positions of the others' slates, and "
    "its own, frozen halfway, later on; makes every decision again.",
)
@click.option(
    "--promise",
    is_flag=True,
    help="Say as well what the log before its start had promised of each variant, beside what was measured; makes the "
    "latest 20,000 decisions of then again.",
)
def report(
    key: str | None,
    database: str | None,
    as_json: bool,
    html: Path | None,
    history: bool,
    interactions: bool,
    policies: int | None,
    promise: bool,
) -> None:
    """Say what came of the experiment KEY: health first, then figures with intervals, then a verdict. Without KEY, say
    which experiments there are.

    The log is read while the server runs; nothing is written to it.
    """
    if key is None and (html or history or interactions or policies or promise):
        raise click.UsageError("name the experiment; bandstand report without options lists them")
    settings = options.settings(database=database)
    log = open_log(settings.database, readonly=True)
    snapshots = open_snapshots(settings.snapshots or snapshots_url(settings.database), readonly=True)
    if key is None:
        _list(_listed(log, snapshots), as_json=as_json)
        return
    with progress("Evaluating", "decisions") if promise else nullcontext() as told:
        result = reports.report(
            log,
            key,
            snapshots=snapshots,
            history=history or html is not None,
            pairs=interactions,
            policies=policies or 0,
            promise=promise,
            progress=told,
        )
    snapshots.close()
    log.close()
    if html is not None:
        html.write_text(page(result), "utf-8")
    if as_json:
        options.print_json(result)
    else:
        options.console().print(render(result))
        if history:
            options.console().print("\n".join(steady(result)), highlight=False)
    if html is not None:
        options.errors().print(f"The page is in {html}.", soft_wrap=True)


def _listed(log: EventLog, snapshots: Snapshots) -> list[Listed]:
    """Those that run first, then by name."""
    found = [
        Listed(
            experiment=name,
            state=course.trial.stage,
            surface=", ".join(course.trial.definition.on),
            method=course.trial.definition.method,
            since=course.trial.since,
            command=f"bandstand report {shlex.quote(name)}",
        )
        for name, course in courses(log, snapshots).items()
    ]
    snapshots.close()
    log.close()
    return sorted(found, key=lambda one: (one.state != "running", one.experiment))


def _list(found: list[Listed], *, as_json: bool) -> None:
    if as_json:
        options.print_json(found)
    elif not found:
        options.errors().print("No experiment has been recorded yet; put one into experiments/ and start the server.")
    else:
        table = Table("Experiment", "State", "Since", "Surface", box=None, pad_edge=False)
        table.add_column("To ask for it", overflow="fold")
        for one in found:
            since = "" if one.since is None else f"{datetime.fromtimestamp(one.since, UTC):%Y-%m-%d}"
            how = one.state if one.method == "ab" else f"{one.state}, interleaved"
            table.add_row(one.experiment, how, since, one.surface, one.command)
        options.console().print(table)
