"""`bandstand report KEY`: an experiment's result."""

from pathlib import Path

import rich_click as click

from bandstand import report as reports
from bandstand.cli import options
from bandstand.report.page import page
from bandstand.report.render import render
from bandstand.store.sql import open_log


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
def report(key: str, database: str | None, as_json: bool, html: Path | None) -> None:
    """Say what came of the experiment KEY: health first, then figures with intervals, then a verdict.

    The log is read while the server runs; nothing is written to it.
    """
    log = open_log(options.settings(database=database).database, readonly=True)
    result = reports.report(log, key, history=html is not None)
    log.close()
    if html is not None:
        html.write_text(page(result), "utf-8")
    if as_json:
        options.print_json(result)
    else:
        options.console().print(render(result))
    if html is not None:
        options.errors().print(f"The page is in {html}.", soft_wrap=True)
