"""`python -m benchmarks`: measure, and print the table."""

import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console

from benchmarks import (
    assignment,
    clicks,
    draw,
    fits,
    folding,
    freshness,
    generation,
    growth,
    http,
    imports,
    learned,
    learning,
    offpolicy,
    reports,
    running,
    table,
    vectors,
)
from benchmarks.bench import Bench
from benchmarks.measure import Figure

BENCHMARKS: dict[str, Callable[[Bench], list[Figure]]] = {
    "rank": http.given,
    "generators": http.generated,
    "light": http.light,
    "floor": http.floor,
    "draw": draw.lines,
    "assign": assignment.lines,
    "generation": generation.lines,
    "catalogue": growth.catalogue,
    "learn": learning.learn,
    "vectors": vectors.lines,
    "replay": folding.replays,
    "fresh": freshness.lines,
    "clicks": clicks.lines,
    "memory": running.memory,
    "log": growth.log,
    "fold": folding.fold,
    "start": running.start,
    "fits": fits.lines,
    "offpolicy": offpolicy.lines,
    "imports": imports.lines,
    "progressive": learned.progressive,
    "evaluate": learned.evaluated,
    "sweep": learned.sweep,
    "reports": reports.lines,
}


class Report(msgspec.Struct, frozen=True):
    """All figures of one run, and where it was."""

    machine: str
    python: str
    load_before: float
    load_after: float
    took_s: float
    quick: bool
    figures: list[Figure]


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(list(BENCHMARKS)), help="This one; may be repeated.")
@click.option("--quick", is_flag=True, help="Smaller things for a moment: to see that it works, not to quote.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines instead of a table.")
@click.option("--markdown", is_flag=True, help="Print the table of docs/benchmarks.md.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to put the logs; default: a temporary folder.")
def main(names: tuple[str, ...], quick: bool, as_json: bool, markdown: bool, folder: Path | None) -> None:
    """Measure Bandstand beside its peers. A full run takes some ten minutes and 5 GB of disk."""
    started, before = time.monotonic(), _load()
    errors = Console(stderr=True)
    scratch = Path(tempfile.mkdtemp(prefix="bandstand-bench-", dir=folder))
    figures: list[Figure] = []
    try:
        with errors.status("starting") as status:
            bench = Bench(scratch, quick=quick, told=status.update)
            for name in names or BENCHMARKS:
                for figure in BENCHMARKS[name](bench):
                    errors.print(table.brief(figure), highlight=False, soft_wrap=True)
                    figures.append(figure)
    finally:
        shutil.rmtree(scratch)
    report = Report(
        f"{platform.machine()}, {platform.system()} {platform.release()}",
        platform.python_version(),
        before,
        _load(),
        time.monotonic() - started,
        quick,
        figures,
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
        return
    if markdown:
        click.echo(table.markdown(figures))
    else:
        table.show(figures)
    click.echo(
        f"\n{report.machine}, Python {report.python}; load {before:.1f} before, {report.load_after:.1f} after; "
        f"{report.took_s / 60:.1f} minutes{', quick' if quick else ''}"
    )


def _load() -> float:
    """How many processes wanted a processor in the last minute: what else the machine did."""
    return float(Path("/proc/loadavg").read_text().split()[0])


if __name__ == "__main__":
    main()
