"""`bandstand simulate`: scenarios whose expectations can fail."""

import sys
from pathlib import Path

import rich_click as click

from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.simulate import accepted as figures
from bandstand.simulate.outcome import Result
from bandstand.simulate.outcome import simulate as simulated
from bandstand.simulate.render import render
from bandstand.simulate.scenario import read


@click.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--jobs", default=-1, show_default=True, help="Processes; -1 takes every core.")
@click.option("--accept", is_flag=True, help="Keep these figures as the ones to compare with from now on.")
@options.as_json
def simulate(files: tuple[Path, ...], jobs: int, accept: bool, as_json: bool) -> None:
    """Run scenario FILEs and check what they expect.

    Exit 1 where an expectation fails, or a figure has moved further from the last accepted one than the scenario
    tolerates.
    """
    scenarios = [read(file) for file in files]  # every file is read before the first one runs
    results: list[Result] = []
    moved = False
    for file, scenario in zip(files, scenarios, strict=True):
        with progress(scenario.name, "runs") as told:
            result = simulated(scenario, n_jobs=jobs, progress=told)
        place = figures.beside(file)
        if accept:
            figures.accept(result, place)
        before = figures.accepted(place)
        changes = figures.changes(result, before, tolerance=scenario.tolerance) if before is not None else []
        moved = moved or bool(changes)
        results.append(result)
        if not as_json:
            options.console().print(render(result, changes))
    if as_json:
        options.print_json(results)
    sys.exit(0 if not moved and all(result.ok for result in results) else 1)
