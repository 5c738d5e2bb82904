"""`bandstand evaluate`: what would a strategy have earned on the log, and how good are the lists?"""

from pathlib import Path

import rich_click as click
from click.core import ParameterSource

from bandstand import evaluate as evaluations
from bandstand.accuracy import MOST_EVENTS, TRAIN, accuracy
from bandstand.accuracy import plot as plots
from bandstand.accuracy.render import render
from bandstand.accuracy.settings import parsed
from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.errors import InputError
from bandstand.store import EventLog
from bandstand.store.sql import open_log

_EARNED = ("surface", "weights", "estimator")
_RANKED = ("generator", "k", "train", "folds", "vary", "most_events", "plot")


@click.command()
@click.option(
    "--strategy", multiple=True, help="A strategy that the log knows; with --ranking any number, default: all."
)
@click.option("--surface", help="Whose decisions; default: the only surface that has any.")
@click.option("--weights", help="Whose weights it would have had, such as experiment/variant; default: its own.")
@click.option("--estimator", type=click.Choice(["ips", "snips"]), default="snips", show_default=True)
@click.option("--ranking", is_flag=True, help="Judge the lists of generators and blends by what people liked next.")
@click.option("--generator", multiple=True, help="Ranking: which generators; default: all.")
@click.option("--k", type=int, default=10, show_default=True, help="Ranking: how long the lists are.")
@click.option("--train", type=float, default=TRAIN, show_default=True, help="Ranking: the part only learned from.")
@click.option("--folds", type=int, help="Ranking: deal each person's likes into so many parts by chance instead.")
@click.option(
    "--vary",
    multiple=True,
    metavar="SETTING=V,V",
    help="Ranking: values to try for a setting of the strategy, such as candidates=100,200; the best is then judged by "
    "other lists than it was chosen by.",
)
@click.option("--most-events", type=int, default=MOST_EVENTS, show_default=True, help="Ranking: most lists to judge.")
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Ranking: a picture, .svg, .png, .html.")
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True)
@options.database
@options.as_json
@click.pass_context
def evaluate(
    context: click.Context,
    strategy: tuple[str, ...],
    surface: str | None,
    weights: str | None,
    estimator: evaluations.Estimator,
    ranking: bool,
    generator: tuple[str, ...],
    k: int,
    train: float,
    folds: int | None,
    vary: tuple[str, ...],
    most_events: int,
    plot: Path | None,
    alpha: float,
    database: str | None,
    as_json: bool,
) -> None:
    """Estimate what a strategy would have earned, from decisions that others made.

    Needs no exposure of anybody: the log holds the probability of everything that was shown. Reasons not to believe the
    figure come with it.

    With --ranking: judge the lists of each generator and of strategies' blends by what people liked next, each ranked
    just before it was known, with intervals over people.
    """
    _check_given(context, ranking=ranking)
    if not ranking and len(strategy) != 1:
        raise InputError(f"strategy: {len(strategy)} named, must be one; --ranking takes any number", field="strategy")
    if plot is not None:
        plots.check(plot)
    log = open_log(options.settings(database=database).database, readonly=True)
    try:
        if not ranking:
            _earned(log, strategy[0], surface, weights, estimator, alpha, as_json=as_json)
            return
        with progress("ranking", "steps") as told:
            result = accuracy(
                log,
                strategies=strategy,
                generators=generator,
                vary=dict(map(parsed, vary)),
                k=k,
                train=train,
                folds=folds,
                most_events=most_events,
                alpha=alpha,
                progress=told,
            )
    finally:
        log.close()
    if plot is not None:
        plots.plot(result, plot)
    if as_json:
        options.print_json(result)
    else:
        options.console().print(render(result))


def _earned(
    log: EventLog,
    strategy: str,
    surface: str | None,
    weights: str | None,
    estimator: evaluations.Estimator,
    alpha: float,
    *,
    as_json: bool,
) -> None:
    with progress("evaluating", "decisions") as told:
        result = evaluations.evaluate(
            log, strategy, surface=surface, weights=weights, estimator=estimator, alpha=alpha, progress=told
        )
    if as_json:
        options.print_json(result)
    else:
        options.console().print(evaluations.render(result))


def _check_given(context: click.Context, *, ranking: bool) -> None:
    """InputError for an option that would be ignored."""
    for name in _EARNED if ranking else _RANKED:
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            wrong = "does not go with --ranking" if ranking else "goes with --ranking only"
            raise InputError(f"--{name.replace('_', '-')}: {wrong}; leave out one of them", field=name)
