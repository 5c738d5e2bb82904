"""`bandstand sweep`: which settings of a strategy do best, on a log or in a world."""

from pathlib import Path

import rich_click as click

from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.simulate.page import check
from bandstand.sweep.page import page
from bandstand.sweep.render import render
from bandstand.sweep.run import swept
from bandstand.sweep.space import read


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--jobs", default=-1, show_default=True, help="Processes; -1 takes every core.")
@click.option("--cluster", metavar="URL", help="The Dask scheduler whose workers do the work, as tcp://host:8786.")
@click.option(
    "--trials", type=click.Path(dir_okay=False, path_type=Path), help="Where what was tried is kept; default: results/."
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write one page with pictures."
)
@click.option("--anew", is_flag=True, help="Forget what was tried before.")
@options.database
@options.as_json
def sweep(
    file: Path,
    jobs: int,
    cluster: str | None,
    trials: Path | None,
    html: Path | None,
    anew: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """Try settings of a strategy, as FILE says, on a log or in a world.

    What was tried is kept as it comes, so a sweep that was stopped goes on where it was, and the result is the same
    whatever the number of workers. The best is then judged by users, or in worlds, that it was not chosen by.
    """
    if html is not None:
        check(html)
    asked = read(file)
    kept = trials or file.parent / "results" / f"{file.stem}.trials.jsonl"
    if anew:
        kept.unlink(missing_ok=True)
    url = options.settings(database=database).database if asked.log is not None else ""
    with progress(asked.name, "trials") as told:
        found = swept(asked, trials=kept, database=url, n_jobs=jobs, cluster=cluster, progress=told)
    if html is not None:
        html.write_text(page(found), "utf-8")
    if as_json:
        options.print_json(found)
    else:
        options.console().print(render(found))
    if html is not None:
        options.errors().print(f"The page is in {html}.", soft_wrap=True)
