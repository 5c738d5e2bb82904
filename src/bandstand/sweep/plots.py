"""The pictures of a sweep: what each trial earned beside the strategy as it is, round by round, and by each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bandstand.report.plots import COLOURS, drawn
from bandstand.sweep.result import Swept, Tried
from bandstand.sweep.space import AS_IT_IS, Setting, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMES: Final = 24
"""Trials that are named in a picture, the best first."""

_GREY: Final = "#9aa4ae"
_LONGEST_NAME: Final = 34
_MOST_TICKS: Final = 8


def forest(found: Swept) -> str | None:
    """By how much each earns more than the strategy as it is, with its interval, the best above."""
    shown = [one for one in found.tried if one.over is not None][:MOST_NAMES]
    if not shown:
        return None

    def draw(axes: "Axes") -> None:
        axes.axvline(0, color="#333333", linewidth=0.8)
        for place, one in enumerate(shown):
            assert one.over is not None
            colour = COLOURS[1] if one.name == found.best else COLOURS[0]
            axes.plot([one.over.low, one.over.high], [place, place], color=colour, linewidth=2.2)
            axes.plot([one.over.value], [place], "o", color=colour, markersize=6)
        axes.set_yticks(range(len(shown)), [_named(one) for one in shown])
        axes.set_ylabel(_short(", ".join(shown[0].settings)))
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(f"more than \u2018{found.strategy}\u2019 as it is")
        axes.tick_params(axis="y", length=0)

    return drawn(draw, height_in=0.8 + 0.3 * len(shown))


def rungs(found: Swept) -> str | None:
    """What each earned in each round; lines end where trials were given up. None where there was one round."""
    if all(len(one.rungs) < 2 for one in found.tried):
        return None

    def draw(axes: "Axes") -> None:
        for one in sorted(found.tried, key=lambda one: one.name in (AS_IT_IS, found.best)):
            points = [(100 * rung.share, rung.value) for rung in one.rungs if rung.value is not None]
            xs, ys = [x for x, _ in points], [y for _, y in points]
            if one.name == found.best:
                axes.plot(xs, ys, "o-", color=COLOURS[1], linewidth=2.2, label=_named(one), zorder=3)
            elif one.name == AS_IT_IS:
                axes.plot(xs, ys, "s--", color="#333333", linewidth=1.4, label=one.name, zorder=3)
            else:
                axes.plot(xs, ys, "o-", color=_GREY, linewidth=1.0, markersize=3.5)
        axes.set_xlabel("share of all there is that was seen, %")
        axes.set_ylabel("earned")
        axes.set_xticks(sorted({100 * rung.share for one in found.tried for rung in one.rungs}))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)

    return drawn(draw, height_in=2.9)


def by_setting(found: Swept, setting: str) -> str | None:
    """What each trial of the last round it saw earned, by the value of one setting; None where one value was tried."""
    tried = [one for one in found.tried if setting in one.settings and one.value is not None]
    values = list(dict.fromkeys(one.settings[setting] for one in tried))
    if len(values) < 2:
        return None
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    scaled = len(numbers) == len(values)
    named = sorted(values, key=text)

    def at(value: Setting) -> float:
        return float(value) if scaled and isinstance(value, int | float) else float(named.index(value))

    def draw(axes: "Axes") -> None:
        _points(axes, [one for one in tried if one.share < 1], [at(o.settings[setting]) for o in tried if o.share < 1])
        whole = [one for one in tried if one.share == 1]
        axes.plot([at(one.settings[setting]) for one in whole], _values(whole), "o", color=COLOURS[0], markersize=6)
        best = [one for one in whole if one.name == found.best]
        axes.plot([at(one.settings[setting]) for one in best], _values(best), "o", color=COLOURS[1], markersize=9)
        if not scaled:
            axes.set_xticks(range(len(named)), [text(value) for value in named])
        elif min(numbers) > 0 and max(numbers) >= 10 * min(numbers):
            axes.set_xscale("log")
            axes.minorticks_off()
        if scaled and len(numbers) <= _MOST_TICKS:
            axes.set_xticks(numbers, [f"{value:g}" for value in numbers])
        axes.set_xlabel(setting)
        axes.set_ylabel("earned")

    return drawn(draw, height_in=2.4)


def _points(axes: "Axes", tried: Sequence[Tried], places: Sequence[float]) -> None:
    """Those that were given up before they had seen everything."""
    axes.plot(places, _values(tried), "o", color=_GREY, markersize=4)


def _values(tried: Sequence[Tried]) -> list[float]:
    return [one.value for one in tried if one.value is not None]


def _named(one: Tried) -> str:
    """By its values alone: what they are of stands beside the axis, or in the table."""
    return _short(", ".join(map(text, one.settings.values())) or one.name)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
