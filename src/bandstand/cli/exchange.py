"""`bandstand import` and `bandstand export`: files in, files out."""

import sys
import time
from pathlib import Path

import rich_click as click

from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.errors import InputError
from bandstand.formats.columns import NAMES
from bandstand.formats.registry import FORMATS
from bandstand.formats.transfer import Imported
from bandstand.formats.transfer import export as exported
from bandstand.formats.transfer import import_ as imported
from bandstand.store.sql import open_log

_REASONS_SHOWN = 10
_ROLES = f"{', '.join(NAMES)}, reward.NAME"
_FORMATS = "\n\n".join(f"{one.name}: {one.about}" for one in FORMATS.values())


@click.command("import", help=f"Read files into the log.\n\n{_FORMATS}")
@click.argument("format_", metavar="FORMAT", type=click.Choice(list(FORMATS)))
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--teaches", default="default", show_default=True, help="Strategy that learns from imported decisions.")
@click.option("--map", "map_", metavar="ROLE=COLUMN,…", help=f"Which column of a table holds what; roles: {_ROLES}.")
@click.option("--likes-from", type=float, help="Lowest rating that says that somebody liked it; default: every one.")
@options.database
@options.as_json
def import_(
    format_: str,
    paths: tuple[Path, ...],
    teaches: str,
    map_: str | None,
    likes_from: float | None,
    database: str | None,
    as_json: bool,
) -> None:
    columns = _columns(map_)
    log = open_log(options.settings(database=database).database)
    try:
        with progress(f"reading {format_}", "facts") as told:
            result = imported(
                log,
                format_,
                paths,
                now=time.time(),
                teaches=teaches,
                columns=columns,
                likes_from=likes_from,
                progress=told,
            )
    finally:
        log.close()
    if as_json:
        options.print_json(result)
    else:
        _print(result)
    sys.exit(1 if result.refused.count else 0)


@click.command()
@click.argument("format_", metavar="FORMAT", type=click.Choice([name for name, one in FORMATS.items() if one.writes]))
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@options.database
def export(format_: str, path: Path, database: str | None) -> None:
    """Write the whole log to the file PATH, compressed where its name ends in .gz."""
    log = open_log(options.settings(database=database).database, readonly=True)
    with progress(f"writing {path.name}", "entries") as told:
        count = exported(log, format_, path, progress=told)
    log.close()
    click.echo(f"{count:,} entries written to {path}")


def _columns(map_: str | None) -> dict[str, str]:
    """The columns by their roles. InputError for what is not of the form."""
    columns = {}
    for part in map_.split(",") if map_ is not None else ():
        role, _, column = (piece.strip() for piece in part.partition("="))
        if not role or not column:
            raise InputError(f"map {part!r}: must be ROLE=COLUMN such as user=visitor", field="map")
        columns[role] = column
    return columns


def _print(result: Imported) -> None:
    click.echo(f"{result.read:,} facts read: {result.stored:,} stored, {result.duplicates:,} were there before")
    if result.refused.count:
        lines = "line" if result.refused.count == 1 else "lines"
        click.echo(f"{result.refused.count:,} {lines} left out:", err=True)
        for refusal in result.refused.first[:_REASONS_SHOWN]:
            click.echo(f"  {refusal.file}:{refusal.line}: {refusal.reason}", err=True)
        if (more := result.refused.count - _REASONS_SHOWN) > 0:
            click.echo(f"  … and {more:,} more; --json lists the first {result.refused.keep}", err=True)
