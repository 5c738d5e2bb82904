"""The comparison as people read it in a terminal of 80 columns."""

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.accuracy import Accuracy
from bandstand.accuracy.figures import Figure, Row

_FOUND = ("hit_rate", "precision", "recall", "map", "mrr", "auc")
_HEADINGS = ("hit", "prec", "recall", "MAP", "MRR", "AUC")
_LIKE: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("covers", lambda row: _percent(row.coverage)),
    ("Gini", lambda row: _plain(row.gini)),
    ("novelty", lambda row: _plain(row.novelty, 1)),
    ("diversity", lambda row: _plain(row.diversity)),
    ("popularity", lambda row: _plain(row.popularity, 1)),
    ("silent", lambda row: _percent(row.silent)),
)
_EXPLAINED = (
    "~ after an nDCG: no worse than the best, as far as these lists can tell. Covers: the part of the catalogue that "
    "is shown to anybody. Gini: 0 if all items are shown alike, 1 if one is shown always. Novelty: bits of surprise, "
    "-log2 of popularity. Diversity: mean distance of two items of a list, by categories and tags. Popularity: likes "
    "that a listed item had. Silent: lists that hold nothing."
)


def render(accuracy: Accuracy) -> RenderableType:
    out = "".join(f"; left out: {count:,} that {reason}" for reason, count in accuracy.left_out.items() if count)
    parts: list[RenderableType] = [
        Text(f"{accuracy.question}."),
        Text(
            f"{accuracy.lists:,} lists of {accuracy.k} for {accuracy.people:,} people, {accuracy.items:,} items{out}."
        ),
        *(Text(f"{note}.") for note in accuracy.notes),
        Text(f"With {accuracy.interval}."),
        Text(),
        _found(accuracy.rows, accuracy.k),
        Text(),
        _like(accuracy.rows),
    ]
    if accuracy.tried:
        parts += [Text(), Text("What was tried, on the lists that are reported:"), _found(accuracy.tried, accuracy.k)]
    return Group(*parts, Text(), Text(_EXPLAINED, style="dim"))


def title(row: Row) -> str:
    """What to call it."""
    what = row.settings if row.kind == "setting" else row.kind
    return row.name if row.kind == "generator" else f"{row.name} ({what})"


def _found(rows: Sequence[Row], k: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"at {k}", ratio=1, overflow="fold")
    for heading in ("nDCG", "interval", *_HEADINGS):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        ndcg = row.metrics["ndcg"]
        tied = row.behind is not None and row.behind.low <= 0
        figures = (row.metrics.get(name) for name in _FOUND)
        table.add_row(
            title(row),
            f"{_short(ndcg.value)}{'~' if tied else ' '}",
            f"{_short(ndcg.low)}–{_short(ndcg.high)}",
            *(_figure(figure) for figure in figures),
        )
    return table


def _like(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", ratio=1, overflow="fold")
    for heading, _ in _LIKE:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(title(row), *(said(row) for _, said in _LIKE))
    return table


def _figure(figure: Figure | None) -> str:
    return "–" if figure is None else _short(figure.value)


def _short(value: float) -> str:
    """Three digits without the 0 that stands before all of them."""
    return f"{value:.3f}".removeprefix("0")


def _plain(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
