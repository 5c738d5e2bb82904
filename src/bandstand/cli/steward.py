"""`bandstand steward`: what the server does by itself, for those who have none running."""

import asyncio
import os
import time

import rich_click as click
from rich.table import Table

from bandstand.app import end_with
from bandstand.cli import options
from bandstand.errors import BandstandError
from bandstand.events import Draft
from bandstand.settings import Settings
from bandstand.steward.courier import Courier
from bandstand.steward.courses import courses
from bandstand.steward.looks import looks
from bandstand.steward.news import moves
from bandstand.steward.outside import PARENT
from bandstand.steward.wishes import Look, fact
from bandstand.store import EventLog
from bandstand.store.sql import open_log, open_snapshots, snapshots_url


@click.command()
@options.database
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@options.as_json
def steward(database: str | None, dry_run: bool, as_json: bool) -> None:
    """Look once at every experiment that runs, and do what its definition asks for: stop, ship, or set new weights.

    A server does this by itself every `steward_every_s` seconds. Without one, cron can.
    """
    if os.environ.get(PARENT):
        end_with(int(os.environ[PARENT]), lambda: os._exit(1))
    settings = options.settings(database=database)
    log = open_log(settings.database, readonly=True)
    snapshots = open_snapshots(settings.snapshots or snapshots_url(settings.database), readonly=True)
    seen = looks(log, snapshots)
    snapshots.close()
    log.close()
    if not dry_run and any(look.act for look in seen):
        _done(settings, seen)
    if as_json:
        options.print_json(seen)
    elif seen:
        options.console().print(_table(seen, dry_run=dry_run))
    else:
        options.errors().print("No experiment is running.")


def _done(settings: Settings, seen: list[Look]) -> None:
    """Do it, unless an experiment is no longer as it was looked at, and tell the hooks."""
    log = open_log(settings.database)
    try:
        head, standing = log.head(), courses(log)
        runs = [one.trial.definition for one in standing.values() if one.trial.stage == "running"]
        for look in seen:
            try:
                wanted = fact(standing[look.experiment].trial, look.act, running=runs) if look.act else None
            except BandstandError as error:  # the others get what they ask for
                options.errors().print(f"{error}; it is tried again next time", soft_wrap=True)
                continue
            log.append([Draft(wanted, time.time())] if wanted is not None else [])
        if settings.hooks.urls:
            asyncio.run(_told(settings, log, head))
    finally:
        log.close()


async def _told(settings: Settings, log: EventLog, after: int) -> None:
    courier = Courier(settings.hooks, lambda what, result: None)
    await courier.start()
    for event in moves(log, after=after, upto=log.head()):
        courier.send(event)
    await courier.stop(patiently=True)


def _table(seen: list[Look], *, dry_run: bool) -> Table:
    table = Table("Experiment", "Verdict", "Would do" if dry_run else "Done", "Why", box=None, pad_edge=False)
    for look in seen:
        done = "nothing" if look.act is None else type(look.act).__name__.lower()
        why = look.error or (look.act.why if look.act else look.text)
        table.add_row(look.experiment, look.outcome or "", done, why)
    return table
