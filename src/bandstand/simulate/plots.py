"""The pictures of a scenario: how its sides learned, and what they lost, each with its spread over the seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bandstand.report.plots import COLOURS, drawn
from bandstand.simulate.outcome import Curve, Figure, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY: Final = "#777777"
Band = tuple[Figure | None, ...]


def learning(result: Result) -> str | None:
    """Expected click-through over the run, between chance and the optimum."""

    def draw(axes: "Axes") -> None:
        _line(axes, result, result.ideal, "optimum", "--")
        for place, side in enumerate(result.sides):
            _band(axes, result, side.learning, side.name, place, scale=100.0)
        _line(axes, result, result.by_chance, "by chance", ":")
        axes.set_ylabel("expected click-through, %")
        _finish(axes, result, names=len(result.sides) + 2)

    return drawn(draw, height_in=2.9) if _there([side.learning for side in result.sides]) else None


def lost(result: Result) -> str | None:
    """Regret: clicks lost to the ideal slates so far."""
    return _cumulated(result, [side.lost for side in result.sides], "clicks lost so far")


def explored(result: Result) -> str | None:
    """Clicks lost so far by exploring alone."""
    return _cumulated(result, [side.explored for side in result.sides], "clicks lost by exploring")


def _cumulated(result: Result, bands: Sequence[Band], what: str) -> str | None:
    if not _there(bands):
        return None

    def draw(axes: "Axes") -> None:
        shown = 0
        for place, (side, band) in enumerate(zip(result.sides, bands, strict=True)):
            if _there([band]):
                _band(axes, result, band, side.name, place, at_end=True)
                shown += 1
        axes.set_ylabel(what)
        _finish(axes, result, names=shown)

    return drawn(draw, height_in=2.6)


def _band(
    axes: "Axes", result: Result, band: Band, name: str, place: int, *, scale: float = 1.0, at_end: bool = False
) -> None:
    points = [(x, figure) for x, figure in zip(_places(result, at_end=at_end), band, strict=True) if figure is not None]
    colour = COLOURS[place % len(COLOURS)]
    xs = [x for x, _ in points]
    low = [scale * (figure.mean if figure.low is None else figure.low) for _, figure in points]
    high = [scale * (figure.mean if figure.high is None else figure.high) for _, figure in points]
    axes.fill_between(xs, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(xs, [scale * figure.mean for _, figure in points], color=colour, linewidth=1.8, label=name)


def _line(axes: "Axes", result: Result, curve: Curve, name: str, style: str) -> None:
    points = [(x, 100 * value) for x, value in zip(_places(result), curve, strict=True) if value is not None]
    axes.plot([x for x, _ in points], [y for _, y in points], style, color=_GREY, linewidth=1.1, label=name)


def _places(result: Result, *, at_end: bool = False) -> list[float]:
    """Where on the axis of visits each stretch stands: in its middle, or where it ends."""
    ends = [*result.starts[1:], result.requests]
    return [float(end) if at_end else (start + end) / 2 for start, end in zip(result.starts, ends, strict=True)]


def _there(bands: Sequence[Band]) -> bool:
    return any(figure is not None for band in bands for figure in band)


def _finish(axes: "Axes", result: Result, *, names: int) -> None:
    axes.set_xlim(0, result.requests)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("visits")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(names, 4), borderpad=0)
