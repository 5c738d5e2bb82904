"""`bandstand evaluate`: what would a strategy have earned on the log?"""

import rich_click as click

from bandstand import evaluate as evaluations
from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.store.sql import open_log


@click.command()
@click.option("--strategy", required=True, help="A strategy that the log knows.")
@click.option("--surface", help="Whose decisions; default: the only surface that has any.")
@click.option("--weights", help="Whose weights it would have had, such as experiment/variant; default: its own.")
@click.option("--estimator", type=click.Choice(["ips", "snips"]), default="snips", show_default=True)
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True)
@options.database
@options.as_json
def evaluate(
    strategy: str,
    surface: str | None,
    weights: str | None,
    estimator: evaluations.Estimator,
    alpha: float,
    database: str | None,
    as_json: bool,
) -> None:
    """Estimate what a strategy would have earned, from decisions that others made.

    Needs no exposure of anybody: the log holds the probability of everything that was shown. Reasons not to believe the
    figure come with it.
    """
    log = open_log(options.settings(database=database).database, readonly=True)
    with progress("evaluating", "decisions") as told:
        result = evaluations.evaluate(
            log, strategy, surface=surface, weights=weights, estimator=estimator, alpha=alpha, progress=told
        )
    log.close()
    if as_json:
        options.print_json(result)
    else:
        options.console().print(evaluations.render(result))
