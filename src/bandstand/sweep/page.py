"""A sweep as one page that needs nothing else: how the best did, what was tried, and what to write down."""

from collections.abc import Iterator
from html import escape

from bandstand.report.page import framed, table
from bandstand.sweep import plots
from bandstand.sweep.render import number, toml, verdict
from bandstand.sweep.result import Swept, Tried
from bandstand.sweep.space import AS_IT_IS


def page(found: Swept) -> str:
    """The whole page."""
    return framed(f"Sweep {found.sweep}: {found.best}", _parts(found))


def _parts(found: Swept) -> Iterator[str]:
    yield f"<header><h1>{escape(found.sweep)}</h1><p>{escape(found.about)}</p></header>"
    yield f'<p class="soft">{len(found.tried)} strategies; earned is {escape(found.asked)}.</p>'
    yield _verdict(found)
    if found.best != AS_IT_IS:
        yield f"<h2>To write down</h2><pre>{escape(toml(found.strategy, found.settings))}</pre>"
    yield _pictures(found)
    yield "<h2>What was tried</h2>" + _table(found)
    yield (
        '<p class="reasons">The best of many looks better than it is: quote what it earned where it was not chosen. '
        "Intervals of the table are those of single comparisons, paired by users or worlds.</p>"
    )


def _verdict(found: Swept) -> str:
    over = found.judged.over
    better = found.best != AS_IT_IS and over is not None and over.low > 0
    head, *more = verdict(found)
    rest = "".join(f"<p>{escape(line)}</p>" for line in more)
    name = f"{found.best} is better" if better else found.best
    return (
        f'<section class="verdict {"ship" if better else "open"}"><strong>{escape(name)}</strong>'
        f"<p>{escape(head)}</p>{rest}</section>"
    )


def _pictures(found: Swept) -> str:
    pictures = [("Against the strategy as it is", plots.forest(found)), ("Round by round", plots.rungs(found))]
    settings = dict.fromkeys(name for one in found.tried for name in one.settings)
    pictures += [(f"By {setting}", plots.by_setting(found, setting)) for setting in settings]
    figures = [f"<figure><h3>{escape(name)}</h3>{svg}</figure>" for name, svg in pictures if svg is not None]
    return f'<h2>Pictures</h2><div class="plots">{"".join(figures)}</div>' if figures else ""


def _table(found: Swept) -> str:
    level = f"{100 * (1 - found.alpha):g} % interval"
    partly = any(one.share < 1 for one in found.tried)
    head = ("", "earns", "more than as it is", level, *(["seen"] if partly else []))
    return table(head, [_row(found, one, partly=partly) for one in found.tried])


def _row(found: Swept, one: Tried, *, partly: bool) -> str:
    over = ("", "") if one.over is None else (f"{one.over.value:+.4g}", f"{one.over.low:+.4g} to {one.over.high:+.4g}")
    cells = (number(one.value), *over, *([f"{100 * one.share:.0f} %"] if partly else []))
    name = f"<b>{escape(one.name)}</b>" if one.name == found.best else escape(one.name)
    return f"<tr><td>{name}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
