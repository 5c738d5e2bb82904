"""The pictures of an evaluation, as SVG text that stands in a page by itself."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bandstand.evaluate.result import Answer, Weighed
from bandstand.report.plots import COLOURS, dated, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT, _BAD = "#333333", "#9aa4ae", "#b3261e"
_LONGEST_NAME: Final = 30


def forest(answers: Sequence[Answer]) -> str:
    """Every strategy and segment below each other, beside what was logged; what is withheld has its bounds alone."""

    def draw(axes: "Axes") -> None:
        axes.axvline(answers[0].logged.value, color=_FAINT, linewidth=1.2, linestyle=":", label="as logged")
        for place, one in enumerate(answers):
            colour = _BAD if one.refused else COLOURS[0]
            ends = (
                one.bounds if one.refused else None if one.estimate is None else (one.estimate.low, one.estimate.high)
            )
            if ends is not None:
                style = ":" if one.refused else "-"
                axes.plot(list(ends), [place, place], color=colour, linewidth=2.2, linestyle=style)
            if one.estimate is not None and not one.refused:
                axes.plot([one.estimate.value], [place], "o", color=colour, markersize=6)
            if one.segment is not None:
                axes.plot([one.logged.value], [place], "|", color=_FAINT, markersize=12, markeredgewidth=2)
        axes.set_yticks(range(len(answers)), [_short(_name(one, several=several)) for one in answers])
        axes.set_ylim(len(answers) - 0.5, -0.5)
        axes.set_xlabel("per decision")
        axes.tick_params(axis="y", length=0)
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), borderpad=0.3)

    several = len({one.strategy for one in answers}) > 1
    return drawn(draw, height_in=1.1 + 0.34 * len(answers))


def by_day(one: Answer) -> str | None:
    """Estimate and log over time; None where there is but one point."""
    days = [] if one.details is None else [day for day in one.details.days if day.value is not None]
    if len(days) < 2:
        return None

    def draw(axes: "Axes") -> None:
        times = [datetime.fromtimestamp(day.at, UTC).replace(tzinfo=None) for day in days]
        values = [day.value or 0.0 for day in days]
        spread = [1.96 * (day.std_error or 0.0) for day in days]
        axes.errorbar(times, values, yerr=spread, color=COLOURS[0], fmt="o-", markersize=4, label=one.strategy)  # type: ignore[arg-type]
        axes.plot(times, [day.logged for day in days], color=_FAINT, linewidth=1.8, label="as logged")  # type: ignore[arg-type]
        axes.set_ylabel("per decision")
        dated(axes)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.18), ncols=2, borderpad=0)

    return drawn(draw, height_in=2.4)


def weights(one: Answer) -> str | None:
    """How many decisions have weights of each size."""
    if one.details is None:
        return None
    bins = [each for each in one.details.weights if each.rows]

    def draw(axes: "Axes") -> None:
        names = [_upto(each, last=each is bins[-1]) for each in bins]
        axes.bar(range(len(bins)), [each.rows for each in bins], color=COLOURS[0], width=0.8)
        axes.set_xticks(range(len(bins)), names)
        axes.set_yscale("log")
        axes.set_ylabel("decisions")
        axes.set_xlabel("weight")
        axes.grid(axis="x", visible=False)

    return drawn(draw, height_in=2.4)


def _name(one: Answer, *, several: bool) -> str:
    if one.segment is None:
        return one.strategy
    return f"{one.strategy}, {one.segment}" if several else one.segment


def _upto(size: Weighed, *, last: bool) -> str:
    if size.high < 1e-9:
        return "0"
    return f"> {size.low:g}" if last and size.low else f"≤ {size.high:g}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
