"""A scenario's outcome as people read it in a terminal of 80 columns."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.simulate.accepted import Change
from bandstand.simulate.fitted import Goodness
from bandstand.simulate.outcome import Curve, Figure, Judged, Result, label
from bandstand.simulate.scenario import Expectation

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 20


def render(result: Result, changes: Sequence[Change] = ()) -> RenderableType:
    """What was compared, with learning curves up to the optimum; then what was expected, and whether it holds."""
    title = Text.assemble((result.scenario, "bold"), f": {result.requests} requests, {result.seeds} seeds")
    about = [Text(result.about, style="italic")] if result.about else []
    lines = [line for judged in result.expectations for line in _expectation(judged)]
    fit = [Text(fit_text(result.fit))] if result.fit is not None else []
    return Group(
        title, *about, *fit, _sides(result), *_costs(result), *lines, *(_change(change) for change in changes), Text()
    )


def summary(results: Sequence[Result], changes: Mapping[str, Sequence[Change]]) -> str:
    """How many scenarios hold, and of which the figures are not those that were accepted, by scenario."""
    held = f"{sum(result.ok for result in results)} of {len(results)} hold"
    moved = [name for name, some in changes.items() if some]
    return f"{held}; figures have moved of {', '.join(moved)}" if moved else held


def sparkline(curve: Curve, top: float, *, width: int = _WIDTH) -> str:
    """The curve in blocks, from 0 to `top`; a blank where there is nothing.

    >>> sparkline((0.0, 0.5, 1.0, None), 1.0, width=4)
    '▁▅█ '
    """
    return "".join(_block(part, top) for part in _parts(curve, width))


def _parts(curve: Curve, width: int) -> list[list[float]]:
    """The points that fall under each of at most `width` characters."""
    width = min(width, len(curve))
    edges = [at * len(curve) // max(width, 1) for at in range(width + 1)]
    return [[point for point in curve[start:stop] if point is not None] for start, stop in pairwise(edges)]


def _block(points: list[float], top: float) -> str:
    if not points or top <= 0:
        return " "
    height = sum(points) / len(points) / top
    return _BLOCKS[min(max(round(height * (len(_BLOCKS) - 1) + 1e-9), 0), len(_BLOCKS) - 1)]


def _sides(result: Result) -> Table:
    top = max((point for point in result.ideal if point is not None), default=0.0)
    table = _table("click-through", "regret")
    table.add_column("over time, up to the optimum")
    for side in result.sides:
        table.add_row(side.name, percent(side.click_through), percent(side.regret), sparkline(side.curve, top))
    table.add_row("by chance", _level(result.by_chance), "", sparkline(result.by_chance, top), style="dim")
    table.add_row("optimum", _level(result.ideal), "", sparkline(result.ideal, top), style="dim")
    return table


def _costs(result: Result) -> list[Table]:
    """What else there is to know of the sides, where there is anything."""
    columns = {
        "lost by exploring": [percent(side.exploration_cost) for side in result.sides],
        "revenue a slate": ["–" if side.revenue is None else plain(side.revenue) for side in result.sides],
        "visits": [percent(side.visits) for side in result.sides],
    }
    told = {name: cells for name, cells in columns.items() if any(cell != "–" for cell in cells)}
    table = _table(*told)
    for at, side in enumerate(result.sides):
        table.add_row(side.name, *(cells[at] for cells in told.values()))
    return [table] if told else []


def _table(*figures: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _expectation(judged: Judged) -> list[Text]:
    mark, style = ("✓", "green") if judged.ok else ("✗", "bold red")
    figure = "could not be computed" if judged.figure is None else plain(judged.figure)
    what, wanted = f"{label(judged.expectation)}: {figure}", f", expected {bounds(judged.expectation)}"
    line = Text.assemble((f"{mark} ", style), what, (wanted, "dim"))
    return [line] if judged.ok or not judged.expectation.note else [line, Text(f"  {judged.expectation.note}")]


def bounds(expectation: Expectation) -> str:
    """What was expected, in words."""
    least, most = expectation.at_least, expectation.at_most
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    return f"≥ {least:g}" if least is not None else f"≤ {most:g}"


def _change(change: Change) -> Text:
    return Text.assemble(("≠ ", "bold yellow"), change_text(change))


def change_text(change: Change) -> str:
    """What moved, from where to where."""
    before, now = ("none" if value is None else f"{value:.4g}" for value in (change.accepted, change.now))
    return f"{change.what}: {now}, accepted was {before}"


def fit_text(fit: Goodness) -> str:
    """How good a fitted world is, in words."""
    attention = ", ".join(f"{share:.2f}" for share in fit.attention[:10])
    return (
        f"Fitted to {fit.impressions:,} impressions with {fit.clicks:,} clicks. On {fit.held_out:,} of users that the "
        f"fit had not seen it explains {100 * fit.explained:z.1f} % of the constant's log-loss ({fit.log_loss:.5f} "
        f"against {fit.log_loss_of_constant:.5f}), expects {fit.expected:,.0f} clicks where {fit.clicked:,} came, and "
        f"is off by {100 * fit.miscalibration:.0f} % of the click-through from tenth to tenth. Likings vary by "
        f"{fit.spread:g} logits a pair of context and attribute; attention by position: {attention}."
    )


def plain(figure: Figure, *, interval: bool = True) -> str:
    """The figure as it is, with its interval.

    >>> plain(Figure(0.25, 0.2, 0.3))
    '0.25 [0.2, 0.3]'
    """
    if figure.low is None or figure.high is None or not interval:
        return f"{figure.mean:.3g}"
    return f"{figure.mean:.3g} [{figure.low:.3g}, {figure.high:.3g}]"


def percent(figure: Figure | None) -> str:
    """The figure as a percentage, with half the width of its interval.

    >>> percent(Figure(0.25, 0.2, 0.3))
    '25.0 ± 5.0 %'
    >>> percent(Figure(-0.0001, -0.0002, 0.0))
    '0.0 ± 0.0 %'
    """
    if figure is None:
        return "–"
    margin = "" if figure.high is None else f" ± {100 * (figure.high - figure.mean):.1f}"
    return f"{100 * figure.mean:z.1f}{margin} %"


def _level(curve: Curve) -> str:
    known = [point for point in curve if point is not None]
    return f"{100 * sum(known) / len(known):.1f} %" if known else "–"
