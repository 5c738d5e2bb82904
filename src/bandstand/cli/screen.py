"""What the demo shows while it runs: traffic, the experiment, the generators, and a slate with its reasons."""

from typing import Any, NamedTuple

import numpy as np
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bandstand.cli.audience import BANDIT, Seen, Tally

_BARS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 40
_PICKS_SHOWN = 5
_COLOURS = {BANDIT: "green", "random": "yellow"}


class Progress(NamedTuple):
    """Where the demo stands: what the audience counted, the server's own report of the experiment, and titles."""

    address: str
    items: int
    elapsed_s: float
    tally: Tally
    report: dict[str, Any] | None
    titles: dict[str, str]


def screen(now: Progress) -> RenderableType:
    parts: list[RenderableType] = [_traffic(now), _experiment(now), _generators(now.tally)]
    if now.tally.latest is not None:
        parts.append(_slate(now.tally.latest, now.titles))
    return Group(*parts)


def line(now: Progress) -> str:
    """The same in one line, for a pipe or a log."""
    shares = ", ".join(f"{name} {_percent(*_sums(steps))}" for name, steps in sorted(now.tally.curve.items()))
    return f"{now.elapsed_s:4.0f} s  {now.tally.requests:,} requests  click-through: {shares}  {_result(now.report)}"


def _traffic(now: Progress) -> Text:
    tally = now.tally
    p50, p99 = np.percentile(list(tally.took_s) or [0.0], [50, 99]) * 1000
    rate = tally.requests / max(now.elapsed_s, 1)
    text = Text.assemble(
        ("Bandstand", "bold"),
        f"  {now.address}  {now.items:,} real products  {now.elapsed_s:.0f} s\n",
        (f"{tally.requests:,}", "bold"),
        f" slates over HTTP, {rate:.0f} a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms",
    )
    if tally.failures:
        text.append(f", {tally.failures} failed", "red")
    return text


def _experiment(now: Progress) -> RenderableType:
    table = Table("Variant", "Users", "Shown", "Clicks", "Click-through", "", box=None, pad_edge=False, expand=True)
    arms = {arm["strategy"]: arm for arm in (now.report or {}).get("variants", ())}
    for strategy, steps in sorted(now.tally.curve.items(), reverse=True):
        shown, clicked = _sums(steps)
        users = f"{arms[strategy]['units']:,}" if strategy in arms else ""
        colour = _COLOURS.get(strategy, "cyan")
        name = Text("bandit" if strategy == BANDIT else strategy, colour)
        curve = Text(_curve(steps, now.tally), colour)
        table.add_row(name, users, f"{shown:,}", f"{clicked:,}", _percent(shown, clicked), curve)
    body = Group(table, Text(_result(now.report), "bold"))
    return Panel(body, title="A/B test: does the bandit beat chance?", title_align="left")


def _generators(tally: Tally) -> RenderableType:
    table = Table("Generator", "Part of the bandit's picks", "Click-through", box=None, pad_edge=False, expand=True)
    shown = max(sum(clicks_shown[0] for clicks_shown in tally.curve.get(BANDIT, ())), 1)
    for source, picks in tally.picks.most_common():
        share = picks / shown
        table.add_row(source, f"{'█' * round(20 * share):20} {share:4.0%}", _percent(picks, tally.clicks[source]))
    return Panel(table, title="Who proposed what was picked", title_align="left")


def _slate(seen: Seen, titles: dict[str, str]) -> RenderableType:
    visit = seen.visit
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, width=2)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=4)
    table.add_column(no_wrap=True, justify="right", width=6)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=5, style="dim")
    for pick in seen.answer["picks"][:_PICKS_SHOWN]:
        mark = "[green]✔[/]" if pick["position"] in seen.clicked else str(pick["position"] + 1)
        table.add_row(mark, titles.get(pick["item"], pick["item"]), f"p={pick['propensity']:.2f}", pick["reason"])
    table.expand = True
    who = f"{visit.user}, {visit.context['device']}, {visit.context['location']}, {visit.traits.daypart}"
    return Panel(table, title=f"A slate for {who} (✔ clicked)", title_align="left")


def _result(report: dict[str, Any] | None) -> str:
    """The decision metric of the server's report, in words."""
    if report is None:
        return "waiting for the first report"
    for comparison in report["comparisons"]:
        if comparison["role"] == "decision":
            if comparison.get("p_value") is None:
                return str(comparison.get("reason") or "not enough yet")
            low, high = 100 * comparison["low"], 100 * comparison["high"]
            p = "p < 0.0001" if comparison["p_value"] < 1e-4 else f"p = {comparison['p_value']:.4f}"
            difference = f"{100 * comparison['difference']:+.2f} points [{low:+.2f}, {high:+.2f}]"
            lift = comparison.get("lift")
            return f"bandit − random: {difference}{'' if lift is None else f', {lift:+.0%}'}, {p}"
    return str(report["verdict"]["text"])


def _curve(steps: list[tuple[int, int]], tally: Tally) -> str:
    """Click-through over time, on the scale of the best moment of any variant."""
    top = max((clicked / shown for other in tally.curve.values() for shown, clicked in other if shown), default=1.0)
    rates = [clicked / shown if shown else 0.0 for shown, clicked in steps[-_CURVE_WIDTH:]]
    return "".join(_BARS[min(int(rate / (top or 1.0) * len(_BARS)), len(_BARS) - 1)] for rate in rates)


def _sums(steps: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(shown for shown, _ in steps), sum(clicked for _, clicked in steps)


def _percent(shown: int, clicked: int) -> str:
    return f"{clicked / shown:.1%}" if shown else "–"
