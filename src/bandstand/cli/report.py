"""`bandstand report KEY`: an experiment's result."""

from contextlib import nullcontext
from pathlib import Path

import rich_click as click

from bandstand import report as reports
from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.report.notes import steady
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.store.sql import open_log, open_snapshots, snapshots_url


@click.command()
@click.argument("key")
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
    key: str,
    database: str | None,
    as_json: bool,
    html: Path | None,
    history: bool,
    interactions: bool,
    policies: int | None,
    promise: bool,
) -> None:
    """Say what came of the experiment KEY: health first, then figures with intervals, then a verdict.

    The log is read while the server runs; nothing is written to it.
    """
    settings = options.settings(database=database)
    log = open_log(settings.database, readonly=True)
    snapshots = open_snapshots(settings.snapshots or snapshots_url(settings.database), readonly=True)
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
