"""A sweep as people read it in a terminal of 80 columns."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.sweep.result import Difference, Swept
from bandstand.sweep.space import AS_IT_IS, Setting, text

_MOST_LINES = 20


def render(found: Swept) -> RenderableType:
    """The best of what was tried, how the winner did where it was not chosen, and how to write it down."""
    parts: list[RenderableType] = [Text.assemble((found.sweep, "bold"), f": {found.asked}")]
    if found.about:
        parts.append(Text(found.about, style="italic"))
    parts += [_table(found), Text()]
    parts += [Text(line) for line in verdict(found)]
    if found.best != AS_IT_IS:
        parts += [Text(), Text(toml(found.strategy, found.settings))]
    return Group(*parts)


def verdict(found: Swept) -> list[str]:
    """How the best did where it was not chosen, and what to do about it."""
    judged = found.judged
    if found.best == AS_IT_IS:
        return [f"Nothing that was tried earns more than '{found.strategy}' as it is."]
    said = (
        f"On what it was not chosen by, {found.best} earns {number(judged.value)}, '{found.strategy}' as it is "
        f"{number(judged.as_it_is)}: {_over(judged.over, found.alpha)}."
    )
    if judged.over is None or judged.over.low <= 0:
        return [said, "Keep what there is, or let an experiment decide between it and this:"]
    return [said]


def toml(strategy: str, settings: dict[str, Setting]) -> str:
    """The settings as bandstand.toml has them.

    >>> print(toml("default", {"policy.epsilon": 0.1, "candidates": 100}))
    [strategies.default]
    policy.epsilon = 0.1
    candidates = 100
    """
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
    return "\n".join([f"[strategies.{strategy}]", *lines])


def _table(found: Swept) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("")
    for heading in ("earns", "more than as it is", f"{100 * (1 - found.alpha):g} % interval"):
        table.add_column(heading, justify="right")
    partly = any(one.share < 1 for one in found.tried)
    if partly:
        table.add_column("seen", justify="right")
    shown = [one for at, one in enumerate(found.tried) if at < _MOST_LINES or one.name == AS_IT_IS]
    for one in shown:
        over = one.over
        figures = ["", ""] if over is None else [f"{over.value:+.4g}", f"{over.low:+.4g} to {over.high:+.4g}"]
        style = "bold" if one.name == found.best else ""
        table.add_row(
            one.name, number(one.value), *figures, *([f"{100 * one.share:.0f} %"] if partly else []), style=style
        )
    if len(shown) < len(found.tried):
        table.add_row(f"and {len(found.tried) - len(shown)} others", style="dim")
    return table


def _over(over: Difference | None, alpha: float) -> str:
    if over is None:
        return "no difference can be told"
    sure = "better" if over.low > 0 else "worse" if over.high < 0 else "it may be chance"
    return f"{over.value:+.4g}, {100 * (1 - alpha):g} % interval {over.low:+.4g} to {over.high:+.4g}; {sure}"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _toml(value: Setting) -> str:
    return f'"{value}"' if isinstance(value, str) else text(value)
