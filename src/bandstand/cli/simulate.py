"""`bandstand simulate`: scenarios whose expectations can fail."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import rich_click as click
from msgspec.structs import replace

from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.errors import InputError
from bandstand.simulate import accepted as figures
from bandstand.simulate import page as pages
from bandstand.simulate.accepted import Change
from bandstand.simulate.nature import Fitted, Nature
from bandstand.simulate.outcome import Result
from bandstand.simulate.outcome import simulate as simulated
from bandstand.simulate.render import render, summary
from bandstand.simulate.scenario import Arm, Scenario, read


@click.command()
@click.argument("files", metavar="[FILE]…", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--jobs", default=-1, show_default=True, help="Processes; -1 takes every core.")
@click.option("--accept", is_flag=True, help="Keep these figures as the ones to compare with from now on.")
@click.option(
    "--from-log",
    metavar="URL",
    help="Play in a world fitted from this log, not in the scenarios' own; without a FILE, compare default, popular "
    "and random order in it.",
)
@click.option("--surface", default="home", show_default=True, help="With --from-log: whose slates to fit.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one page with pictures, which needs nothing else; needs bandstand[plots].",
)
@options.as_json
def simulate(
    files: tuple[Path, ...],
    jobs: int,
    accept: bool,
    from_log: str | None,
    surface: str,
    html: Path | None,
    as_json: bool,
) -> None:
    """Run scenario FILEs and check what they expect.

    Exit 1 where an expectation fails, or a figure has moved further from the last accepted one than the scenario
    tolerates. In a world that is fitted from a log nothing is compared with accepted figures.
    """
    scenarios = _scenarios(files, from_log, surface, accept=accept)
    if html is not None:
        pages.check(html)
    results: list[Result] = []
    moved: dict[str, Sequence[Change]] = {}
    for file, scenario in scenarios:
        with progress(scenario.name, "runs") as told:
            result = simulated(scenario, n_jobs=jobs, progress=told)
        results.append(result)
        moved[scenario.name] = _changes(file, scenario, result, accept=accept) if file is not None else ()
        if not as_json:
            options.console().print(render(result, moved[scenario.name]))
    if html is not None:
        html.write_text(pages.page(results, moved), "utf-8")
        options.errors().print(f"The page is in {html}.", soft_wrap=True)
    if as_json:
        options.print_json(results)
    else:
        _close(results, moved)
    sys.exit(0 if not any(moved.values()) and all(result.ok for result in results) else 1)


def _close(results: Sequence[Result], moved: Mapping[str, Sequence[Change]]) -> None:
    """What there is to do, where it would have to be looked for among many figures."""
    if len(results) > 1 or any(moved.values()):
        options.console().print(f"{summary(results, moved)}.")
    if any(moved.values()):
        options.console().print("What moved them? Accept them with --accept, together with the change that did.")


def _scenarios(
    files: tuple[Path, ...], from_log: str | None, surface: str, *, accept: bool
) -> list[tuple[Path | None, Scenario]]:
    """Every file is read before the first one runs."""
    if from_log is None:
        if not files:
            raise click.UsageError("Missing argument '[FILE]…': name scenarios, or a log with --from-log.")
        return [(file, read(file)) for file in files]
    if accept:
        raise InputError("--accept: figures of a log's own world are no scenario's; leave it out", field="accept")
    fitted = Fitted(from_log, surface=surface)
    if not files:
        arms = {"default": Arm(), "popular": Arm("popular"), "random": Arm("random")}
        about = f"People as on surface '{surface}' of the log."
        return [(None, Scenario(2000, name="log", about=about, arms=arms, world=Nature(fitted=fitted)))]
    return [(None, _in_log(read(file), fitted)) for file in files]


def _in_log(scenario: Scenario, fitted: Fitted) -> Scenario:
    return replace(scenario, world=replace(scenario.world, labelled=None, fitted=fitted))


def _changes(file: Path, scenario: Scenario, result: Result, *, accept: bool) -> list[Change]:
    place = figures.beside(file)
    if accept:
        figures.accept(result, place)
    before = figures.accepted(place)
    return figures.changes(result, before, tolerance=scenario.tolerance) if before is not None else []
