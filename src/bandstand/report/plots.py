"""The pictures of a report, as SVG text that stands in a page by itself."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bandstand.errors import InputError
from bandstand.experiments.metrics import DAY_S
from bandstand.report.result import Comparison, Novelty, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Told apart by nearly everybody: Okabe, Ito (2008), "Color universal design"."""

_INK, _FAINT = "#333333", "#c8c8c8"
_WIDTH_IN = 5.6
_LETTERS: Final[Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 10.5,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.color": _INK,
    "svg.fonttype": "none",  # letters stay letters: they can be searched, copied and read aloud
    "svg.hashsalt": "report",  # or every id is random, and the same report never the same page
}


class _Scale(NamedTuple):
    """How an effect is written: `zero` is where neither side is ahead."""

    name: str
    by: float = 100.0
    zero: float = 0.0

    def of(self, effects: Iterable[float | None]) -> list[float]:
        return [self.zero + self.by * (each or 0.0) for each in effects]


_LIFT, _DIFFERENCE, _SHARE = _Scale("lift, %"), _Scale("difference", by=1.0), _Scale("share won, %", zero=50.0)


def intervals(report: Report, metric: str) -> str | None:
    """The decision metric's interval as it stood at each moment, one colour a variant."""
    points = [point for point in report.timeline if point.metric == metric]
    if not points:
        return None
    relative = points[-1].relative  # early on a control may not be told from zero, and then there is no lift
    scale = _SHARE if report.method == "interleave" else _LIFT if relative else _DIFFERENCE

    def draw(axes: "Axes") -> None:
        axes.axhline(scale.zero, color=_INK, linewidth=0.8)
        for place, arm in enumerate(report.variants[1:]):
            own = [point for point in points if point.variant == arm.variant and point.relative == relative]
            if own:
                times, colour = [_time(point.at) for point in own], COLOURS[place % len(COLOURS)]
                low, high = scale.of(point.low for point in own), scale.of(point.high for point in own)
                axes.fill_between(times, low, high, color=colour, alpha=0.18, linewidth=0)  # type: ignore[arg-type]
                values = scale.of(point.value for point in own)
                axes.plot(times, values, color=colour, linewidth=1.8, label=arm.variant)  # type: ignore[arg-type]
        same = [point for point in points if point.relative == relative]
        _within(axes, scale.of(point.low for point in same), scale.of(point.high for point in same), zero=scale.zero)
        axes.set_ylabel(scale.name)
        dated(axes)
        _legend(axes, len(report.variants) - 1)

    return drawn(draw, height_in=2.6)


def forest(report: Report) -> str | None:
    """Every comparison that could be computed, on one scale: as lifts, and of an interleaving as shares won."""
    shares = report.method == "interleave"
    rows = [one for one in report.comparisons if (one.low if shares else one.lift_low) is not None]
    if not rows:
        return None

    def draw(axes: "Axes") -> None:
        scale = _SHARE if shares else _LIFT
        axes.axvline(scale.zero, color=_INK, linewidth=0.8)
        for place, one in enumerate(rows):
            effect = (one.difference, one.low, one.high) if shares else (one.lift, one.lift_low, one.lift_high)
            value, low, high = scale.of(effect)
            colour = _verdict_colour(one)
            axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.plot([value], [place], "o", color=colour, markersize=6)
            if one.margin is not None:
                limit = -100 * one.margin if one.better == "higher" else 100 * one.margin
                axes.plot([limit, limit], [place - 0.3, place + 0.3], color=_INK, linewidth=1.2, linestyle=":")
        several = len(report.variants) > 2
        names = [f"{one.metric}, {one.variant}" if several else one.metric for one in rows]
        axes.set_yticks(range(len(rows)), [_short(name) for name in names])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(scale.name if shares else "lift over the control, %")
        axes.tick_params(axis="y", length=0)

    return drawn(draw, height_in=0.8 + 0.34 * len(rows))


def by_day(found: Novelty, unit: str) -> str | None:
    """The difference on each day of units, and the line that its slope is of."""
    slope = found.slope
    if slope is None:
        return None

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=_INK, linewidth=0.8)
        days, values = [one.day for one in found.days], [one.difference for one in found.days]
        reach = [[one.difference - one.low for one in found.days], [one.high - one.difference for one in found.days]]
        axes.errorbar(days, values, yerr=reach, fmt="o", color=COLOURS[0], markersize=4.5, linewidth=1.4)
        middle, centre = sum(values) / len(values), (days[0] + days[-1]) / 2
        ends = [middle + slope * (day - centre) for day in (days[0], days[-1])]
        axes.plot([days[0], days[-1]], ends, color=COLOURS[1], linewidth=1.6, linestyle="-" if found.change else ":")
        axes.set_xlabel(f"day of a {unit} (of {found.units:,} who have been there for all)")
        axes.set_ylabel("difference a day")
        axes.set_xticks(days[:: -(-len(days) // 10)])

    return drawn(draw, height_in=2.4)


def arrivals(report: Report) -> str | None:
    """Units of each variant by time; in an interleaving all see all of them."""
    if not report.entered:
        return None
    arms = report.variants[:1] if report.method == "interleave" else report.variants

    def draw(axes: "Axes") -> None:
        times = [_time(each.at) for each in report.entered]
        for place, arm in enumerate(arms):
            colour = _FAINT if place == 0 else COLOURS[(place - 1) % len(COLOURS)]
            counts = [each.units[place] for each in report.entered]
            width = 4.0 if place == 0 else 1.8  # the control lies below, and equal ones are both seen
            axes.plot(times, counts, color=colour, linewidth=width, label=arm.variant)  # type: ignore[arg-type]
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_ylabel(f"{report.unit}s")
        dated(axes)
        _legend(axes, len(arms))

    return drawn(draw, height_in=2.2)


def drawn(draw: Callable[["Axes"], None], *, height_in: float) -> str:
    """A picture as SVG; InputError where matplotlib is missing."""
    try:
        import matplotlib  # an optional dependency, and one that takes a second to import
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError(
            "a page with plots needs matplotlib; install it with pip install 'bandstand[plots]'", code="missing"
        ) from None
    with matplotlib.rc_context(_LETTERS):
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="both", color="#eeeeee", linewidth=0.8)
        axes.set_axisbelow(True)
        draw(axes)
        return _svg(figure)


def _svg(figure: "Figure") -> str:
    """From the svg element on: a page has a prologue of its own, and no date, or no two pages would be alike."""
    text = StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def _within(axes: "Axes", lows: Sequence[float], highs: Sequence[float], *, zero: float) -> None:
    """Show the later two thirds in full: the first intervals are so wide that nothing else could be seen."""
    later = len(lows) // 3
    low, high = min(zero, *lows[later:]), max(zero, *highs[later:])
    space = 0.15 * (high - low) or 1.0
    axes.set_ylim(low - space, high + space)


def dated(axes: "Axes") -> None:
    """Few dates below, no two alike: years where they are several, hours or seconds where days or minutes are few."""
    from matplotlib.dates import AutoDateLocator, DateFormatter, num2date

    # With three at least there would be none for 2 to 3 minutes, hours or days.
    locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    start, end = (num2date(each) for each in axes.get_xlim())  # type: ignore[no-untyped-call]
    forms = ((365 * DAY_S, "%b %Y"), (2 * DAY_S, "%d %b"), (120, "%d %b %H:%M"), (0, "%H:%M:%S"))
    form = next(form for least_s, form in forms if (end - start).total_seconds() >= least_s)
    axes.xaxis.set_major_formatter(DateFormatter(form))  # type: ignore[no-untyped-call]


def _legend(axes: "Axes", count: int) -> None:
    if count > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.16), ncols=min(count, 4), borderpad=0)


def _verdict_colour(one: Comparison) -> str:
    return {"better": "#1a7f37", "worse": "#b3261e", None: "#666666"}[one.stands if one.by_lift else None]


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}…"


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
