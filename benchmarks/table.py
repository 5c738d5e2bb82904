"""Figures as a table for people, no wider than 80 columns."""

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from benchmarks.measure import Figure, Spread

WIDTH = 80


def show(figures: list[Figure], *, width: int = WIDTH) -> None:
    """Medians, from lowest to highest; then what each figure is, and what else was seen with it."""
    table = Table("Benchmark", "Ours", "Peer", "Ratio", "Bar", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for figure in figures:
        verdict = f"[{'green' if figure.holds else 'red'}]{_verdict(figure)}[/]"
        table.add_row(
            f"[b]{figure.name}[/b]\n{figure.short}",
            _spread(figure.ours, figure.unit),
            _spread(figure.theirs, figure.unit) if figure.theirs else "",
            _spread(figure.ratio, "×") if figure.ratio else "",
            f"{figure.bar}\n{verdict}",
        )
    Console(width=width).print(Group(table, Text(), *map(_note, figures)), highlight=False)


def markdown(figures: list[Figure]) -> str:
    """The same for docs/benchmarks.md."""
    rows = ["| benchmark | ours | peer | ratio | bar | |", "|---|---|---|---|---|---|"]
    for figure in figures:
        theirs = f"{_plain(figure.theirs, figure.unit)}: {figure.peer}" if figure.theirs else ""
        ratio = _plain(figure.ratio, "×") if figure.ratio else ""
        verdict = _verdict(figure).replace("missed", "**missed**")
        ours = _plain(figure.ours, figure.unit)
        rows.append(f"| `{figure.name}` {figure.short} | {ours} | {theirs} | {ratio} | {figure.bar} | {verdict} |")
    return "\n".join(rows)


def brief(figure: Figure) -> str:
    """One line while the others are still to come."""
    ratio = f", {number(figure.ratio.median)} × {figure.peer}" if figure.ratio else ""
    ours = f"{number(figure.ours.median)} {figure.unit}"
    bar = f"; bar {figure.bar}: {_verdict(figure)}" if figure.bar else ""
    return f"{figure.name} {figure.short}: {ours}{ratio}{bar}"


def _verdict(figure: Figure) -> str:
    """Nothing where there is no bar."""
    if not figure.bar:
        return ""
    return "held" if figure.holds else "missed"


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _note(figure: Figure) -> Padding:
    peer = f", beside {figure.peer}" if figure.peer else ""
    seen = "; ".join(f"{what} {number(value)}" for what, value in figure.more.items())
    text = Text.assemble((f"{figure.name}, {figure.short}: ", "bold"), f"{figure.what}{peer}. ", (seen, "dim"))
    return Padding(text, (0, 0, 0, 2))


def _plain(of: Spread, unit: str) -> str:
    around = "" if of.low == of.high else f" ({number(of.low)}–{number(of.high)})"
    return f"{number(of.median)} {unit}{around}"


def _spread(of: Spread, unit: str) -> str:
    around = "" if of.low == of.high else f"\n[dim]{number(of.low)}–{number(of.high)}[/dim]"
    return f"{number(of.median)} {unit}{around}"
