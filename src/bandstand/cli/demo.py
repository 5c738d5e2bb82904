"""`bandstand demo`: a real catalogue, a server, and an audience that it learns from before your eyes."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import httpx
import rich_click as click
from rich.console import Console
from rich.live import Live

from bandstand.cli import options
from bandstand.cli.audience import Tally, attend, fill
from bandstand.cli.screen import Progress, line, screen
from bandstand.data import path
from bandstand.errors import BandstandError
from bandstand.events import ItemPut
from bandstand.formats import Refused, Target, jsonl
from bandstand.settings import PREFIX
from bandstand.simulate.nature import Nature
from bandstand.simulate.world import World
from bandstand.store.memory import MemoryLog

DATABASE = "sqlite:///bandstand-data/demo.db"
EXPERIMENT = "bandit-vs-random"
USERS = 3000
_READY_S = 30.0
_DRAW_S = 0.5
_PRINT_S = 5.0
_STOP_S = 15


@click.command()
@click.option("--port", default=8080, show_default=True, help="Port to serve on.")
@click.option("--seconds", type=float, help="Send the audience home after so long; default: at Ctrl-C.")
@click.option("--stop", is_flag=True, help="End the server with the audience instead of leaving it running.")
@click.option("--database", default=DATABASE, show_default=True, metavar="URL", help="Where to keep the log.")
def demo(port: int, seconds: float | None, stop: bool, database: str) -> None:
    """Serve a real catalogue to a simulated audience, and watch the bandit learn.

    2,465 products, visitors whose tastes depend on time, device and place, a running A/B test of the bandit against
    random order. Everything goes over HTTP; Ctrl-C ends it and leaves a log that `bandstand serve` continues from.
    """
    console = options.console()
    address = f"http://127.0.0.1:{port}"
    server = _server(port, database)
    try:
        asyncio.run(_show(console, address, server, seconds))
        if not stop:
            console.print(f"The audience has gone home; the server runs on at {address}/schema. Ctrl-C stops it.")
            server.wait()
    except KeyboardInterrupt:
        console.print()
    finally:
        _end(server)
        console.print("The log is kept. Look at the result, or go on with it:")
        for words in (f"report {EXPERIMENT}", "serve"):
            console.print(f"  {options.called()} {words} --database {database}", soft_wrap=True, highlight=False)


def products() -> list[ItemPut]:
    """The shipped catalogue."""
    lines = jsonl.read(path("catalog/products.jsonl.gz"), Target(MemoryLog(), now=0.0), Refused())
    facts = [line.what.fact for line in lines]
    return [fact for fact in facts if isinstance(fact, ItemPut)]


def _server(port: int, database: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        f"{PREFIX}CONFIG": str(path("demo/bandstand.toml")),
        f"{PREFIX}EXPERIMENTS": str(path("demo/experiments")),
    }
    command = [sys.executable, "-m", "bandstand", "serve", "--port", str(port), "--database", database]
    # A session of its own: Ctrl-C ends the audience first, then the server by our signal.
    return subprocess.Popen(command, env=environment, start_new_session=True)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()


async def _show(console: Console, address: str, server: subprocess.Popen[bytes], seconds: float | None) -> None:
    items = products()
    world = World(items, Nature(users=USERS), seed=1)
    async with httpx.AsyncClient(base_url=address, timeout=10.0) as client:
        await _ready(client, server)
        await fill(client, items)
        tally, stopping = Tally(), asyncio.Event()
        audience = asyncio.create_task(attend(client, world, tally, stopping, first=int(time.time())))
        try:
            await _watch(console, client, tally, items, seconds)
        finally:
            stopping.set()
            with suppress(asyncio.CancelledError):
                await audience


async def _watch(
    console: Console, client: httpx.AsyncClient, tally: Tally, items: list[ItemPut], seconds: float | None
) -> None:
    """Draw what happens until the time is up: on a terminal in place, elsewhere line by line."""
    titles = {item.item: str(item.features.get("title", item.item)) for item in items}
    started, report, reported_at, cost_s = time.monotonic(), None, 0.0, 0.0
    with Live(console=console, auto_refresh=False) as live:
        while seconds is None or time.monotonic() - started < seconds:
            await asyncio.sleep(_DRAW_S if console.is_terminal else _PRINT_S)
            now = time.monotonic()
            # A report reads the whole log; as the log grows, ask for it ever more rarely.
            if now - reported_at > max(2.0, 8 * cost_s):
                first, report = report is None, await _report(client)
                reported_at = time.monotonic()
                cost_s = 0.0 if first else reported_at - now  # the first one loads the statistics
            progress = Progress(str(client.base_url), len(items), now - started, tally, report, titles)
            if console.is_terminal:
                live.update(screen(progress), refresh=True)
            else:
                console.print(line(progress), soft_wrap=True)


async def _report(client: httpx.AsyncClient) -> dict[str, Any] | None:
    try:
        response = await client.get(f"/v1/experiments/{EXPERIMENT}/report")
        body: dict[str, Any] = response.raise_for_status().json()
    except httpx.HTTPError:
        return None
    return body


async def _ready(client: httpx.AsyncClient, server: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + _READY_S
    while server.poll() is None and time.monotonic() < give_up:
        with suppress(httpx.HTTPError):
            if (await client.get("/health/ready")).is_success:
                return
        await asyncio.sleep(0.05)
    raise BandstandError(
        f"demo: the server did not answer at {client.base_url}; its own message is above. "
        "Where the port is taken, choose another with --port"
    )
