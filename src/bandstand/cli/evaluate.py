"""`bandstand evaluate`: what would a strategy have earned on the log, and how good are the lists?"""

import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec
import rich_click as click
from click.core import ParameterSource

from bandstand.accuracy import MOST_EVENTS, TRAIN, accuracy
from bandstand.accuracy import plot as plots
from bandstand.accuracy.render import render
from bandstand.accuracy.settings import parsed
from bandstand.cli import options
from bandstand.cli.progress import progress
from bandstand.errors import InputError
from bandstand.evaluate import evaluate as evaluation
from bandstand.evaluate.estimators import ESTIMATORS
from bandstand.evaluate.learning import Learning
from bandstand.evaluate.page import page
from bandstand.evaluate.past import WORTH
from bandstand.evaluate.question import LOGGED, Examination, Interval, Question
from bandstand.evaluate.render import render as rendered
from bandstand.store import EventLog
from bandstand.store.sql import open_log
from bandstand.strategy import Strategy

_EARNED = (
    *("against", "surface", "weights", "estimator", "interval", "metric", "by", "level", "examination", "embedding"),
    *("max_weight", "reward_range", "pending", "learning", "html"),
)
_RANKED = ("generator", "k", "train", "folds", "vary", "most_events", "plot")


@click.command()
@click.option(
    "--strategy",
    multiple=True,
    help="A strategy that the log knows or that a .toml file holds, or several; with --ranking the default is all.",
)
@click.option("--against", default=LOGGED, show_default=True, help="The strategy to compare with, or the log itself.")
@click.option("--surface", help="Whose decisions; default: the only surface that has any.")
@click.option("--weights", help="Whose weights it would have had, such as experiment/variant; default: its own.")
@click.option(
    "--estimator",
    metavar="NAME",
    help=f"How it is estimated, by default as slates need it: {', '.join(ESTIMATORS)}.",
)
@click.option("--interval", type=click.Choice(get_args(Interval)), default="auto", show_default=True)
@click.option(
    "--metric", multiple=True, help="A reward by name, or several; default: worth, all at the surface's worth."
)
@click.option("--by", multiple=True, help="A field of the context, or a condition, to answer for each group.")
@click.option(
    "--level", type=float, help="The level of those that shrink weights; default: 10, of sub-Gaussian ones 0.1."
)
@click.option("--examination", metavar="1,0.6,…", help="How likely each position is looked at, or: estimate.")
@click.option("--embedding", multiple=True, help="A feature of items by which mips knows them.")
@click.option("--max-weight", type=float, help="The largest weight possible, where the log cannot tell.")
@click.option("--reward-range", metavar="LOW,HIGH", help="What a pick may earn; default: as seen.")
@click.option(
    "--learning",
    type=click.Choice(get_args(Learning)),
    help="It learns from the log on the way: from its own choices in a run; from all, asked before each; or from the "
    "first half, to be judged in the last.",
)
@click.option("--pending", is_flag=True, help="Count decisions too whose rewards may still come.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write one page with pictures."
)
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
    /,
    *,
    ranking: bool,
    plot: Path | None,
    html: Path | None,
    database: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Estimate what strategies would have earned, from decisions that others made.

    Needs no exposure of anybody: the log holds the probability of everything that was shown. An estimate that should
    not be believed is withheld, with the reasons; then the command exits 1.

    With --ranking: judge the lists of each generator and of strategies' blends by what people liked next, each ranked
    just before it was known, with intervals over people.
    """
    _check_given(context, ranking=ranking)
    if plot is not None:
        plots.check(plot)
    log = open_log(options.settings(database=database).database, readonly=True)
    try:
        if ranking:
            _ranked(log, given, plot, as_json=as_json)
        else:
            _earned(log, given, html, as_json=as_json)
    finally:
        log.close()


def _earned(log: EventLog, given: dict[str, Any], html: Path | None, *, as_json: bool) -> None:
    question = Question(
        strategies=tuple(map(_strategy, given["strategy"])),
        metrics=given["metric"] or (WORTH,),
        by=given["by"],
        examination=_examination(given["examination"]),
        embedding=given["embedding"],
        reward_range=_range(given["reward_range"]),
        **{
            name: given[name]
            for name in (
                "against",
                "surface",
                "weights",
                "estimator",
                "interval",
                "alpha",
                "level",
                "max_weight",
                "pending",
                "learning",
            )
        },
    )
    with progress("evaluating", "decisions") as told:
        result = evaluation(log, question, progress=told)
    if html is not None:
        html.write_text(page(result), "utf-8")
    if as_json:
        options.print_json(result)
    else:
        options.console().print(rendered(result))
    if html is not None:
        options.errors().print(f"The page is in {html}.", soft_wrap=True)
    if result.refused:
        sys.exit(1)


def _ranked(log: EventLog, given: dict[str, Any], plot: Path | None, *, as_json: bool) -> None:
    with progress("ranking", "steps") as told:
        result = accuracy(
            log,
            strategies=given["strategy"],
            generators=given["generator"],
            vary=dict(map(parsed, given["vary"])),
            progress=told,
            **{name: given[name] for name in ("k", "train", "folds", "most_events", "alpha")},
        )
    if plot is not None:
        plots.plot(result, plot)
    if as_json:
        options.print_json(result)
    else:
        options.console().print(render(result))


def _strategy(name: str) -> str | Strategy:
    """Of a file, what [strategies.NAME] would hold."""
    if not name.endswith(".toml"):
        return name
    try:
        return msgspec.convert(tomllib.loads(Path(name).read_text("utf-8")), Strategy)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InputError(
            f"strategy '{name}': it is no strategy ({error}); it must hold what stands under [strategies.NAME] in "
            "bandstand.toml, without that heading, as [policy]",
            field="strategy",
        ) from error


def _examination(text: str | None) -> Examination | None:
    if text is None or text == "estimate":
        return text  # type: ignore[return-value]
    return _numbers(text, "examination")


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    numbers = _numbers(text, "reward_range")
    if len(numbers) != 2:
        raise InputError(f"reward_range {text!r}: must be two numbers, as 0,1", field="reward_range")
    return numbers[0], numbers[1]


def _numbers(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{name} {text!r}: must be numbers with commas between them", field=name) from None


def _check_given(context: click.Context, *, ranking: bool) -> None:
    """InputError for an option that would be ignored."""
    for name in _EARNED if ranking else _RANKED:
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            wrong = "does not go with --ranking" if ranking else "goes with --ranking only"
            raise InputError(f"--{name.replace('_', '-')}: {wrong}; leave out one of them", field=name)
