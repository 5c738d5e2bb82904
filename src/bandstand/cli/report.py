"""`bandstand report KEY`: an experiment's result."""

import rich_click as click

from bandstand import report as reports
from bandstand.cli import options
from bandstand.report.render import render
from bandstand.store.sql import open_log


@click.command()
@click.argument("key")
@options.database
@options.as_json
def report(key: str, database: str | None, as_json: bool) -> None:
    """Say what came of the experiment KEY: health first, then figures with intervals, then a verdict.

    The log is read while the server runs; nothing is written.
    """
    log = open_log(options.settings(database=database).database, readonly=True)
    result = reports.report(log, key)
    log.close()
    if as_json:
        options.print_json(result)
    else:
        options.console().print(render(result))
