"""`bandstand replay`: would the code of today have made the same decisions?"""

import sys

import rich_click as click
from rich.table import Table

from bandstand import replay as replays
from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.store.sql import open_log

_SHOWN = 20


@click.command()
@options.database
@options.as_json
def replay(database: str | None, as_json: bool) -> None:
    """Make every decision of the log again with the code of today, and show where it differs.

    Exit 1 where any decision would be another one.
    """
    log = open_log(options.settings(database=database).database, readonly=True)
    with progress("deciding again", "decisions") as told:
        result = replays.replay(log, progress=told)
    log.close()
    if as_json:
        options.print_json(result)
    else:
        _print(result)
    sys.exit(1 if result.diverged else 0)


def _print(result: replays.Replayed) -> None:
    left_out = "".join(f", {count:,} left out ({why})" for why, count in result.skipped.items() if count)
    decisions = f"{result.decisions:,} decision{'' if result.decisions == 1 else 's'}"
    click.echo(f"{decisions} made again: {result.diverged:,} differ{left_out}")
    if result.divergences:
        table = Table("Entry", "Decision", "Field", "Was", "Would be", box=None, pad_edge=False)
        for one in result.divergences[:_SHOWN]:
            table.add_row(f"{one.seq}", one.decision, one.field, one.old, one.new)
        options.console().print(table)
