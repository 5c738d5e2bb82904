"""The comparison as a picture: a row for each generator and blend, a panel for each figure, with intervals."""

from html import escape
from io import StringIO
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from bandstand.accuracy import Accuracy
from bandstand.accuracy.figures import Row
from bandstand.accuracy.render import title
from bandstand.errors import InputError

SUFFIXES: Final = (".svg", ".png", ".html")
_PANELS: Final = {"ndcg": "nDCG", "hit_rate": "hit rate", "recall": "recall", "mrr": "MRR"}
# Space for the figure that stands behind an interval.
_BEYOND: Final = 1.3
# Blue and vermilion of Okabe and Ito's palette (2008), which people with any colour vision tell apart, and grey.
_COLOURS: Final = {"strategy": "#0072B2", "setting": "#D55E00", "generator": "#6B6B6B"}
_KINDS: Final = {"strategy": "a strategy's blend", "setting": "chosen settings", "generator": "a generator alone"}
_ROW_INCHES: Final = 0.34
_LABEL: Final = 32  # characters in a line


def check(path: Path) -> None:
    """InputError where no picture can be made at this path: before the work that it would show."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"plot '{path}': must end in one of {', '.join(SUFFIXES)}", field="plot")
    if not path.parent.is_dir():
        raise InputError(f"plot '{path}': there is no folder '{path.parent}'; make it, or name another", field="plot")
    _figures()


def plot(accuracy: Accuracy, path: Path) -> None:
    """Write the picture in the form that the name's end says; an HTML page holds it with the figures below."""
    check(path)
    figure = _drawn(accuracy)
    kind = path.suffix.lower()
    try:
        if kind == ".html":
            path.write_text(_page(accuracy, _svg(figure)), "utf-8")
        elif kind == ".svg":
            path.write_text(_svg(figure), "utf-8")
        else:
            figure.savefig(path, format="png", dpi=160)
    except OSError as error:
        raise InputError(f"plot '{path}': cannot be written ({error.strerror}); check it", field="plot") from error


def _figures() -> Any:
    try:
        # Only whoever wants a picture needs the library; it takes a second to import.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "plot: needs matplotlib, which is not installed; pip install 'bandstand[plots]'", field="plot"
        ) from error
    return Figure


def _drawn(accuracy: Accuracy) -> Any:
    rows = list(accuracy.rows)[::-1]  # the best on top
    height = 1.5 + _ROW_INCHES * len(rows)
    figure = _figures()(figsize=(11, height), layout="constrained")
    shown = [metric for metric in _PANELS if metric != "recall" or not _one_each(rows)]
    panels = figure.subplots(1, len(shown), sharey=True)
    for panel, metric in zip(panels, shown, strict=True):
        _draw(panel, rows, metric)
        panel.set_title(f"{_PANELS[metric]} at {accuracy.k}", fontsize=10, loc="left")
    panels[0].set_yticks(range(len(rows)), ["\n".join(wrap(title(row), _LABEL)) for row in rows], fontsize=9)
    kinds = [kind for kind in _KINDS if any(row.kind == kind for row in rows)]
    marks = [panels[0].plot([], [], "o", color=_COLOURS[kind], label=_KINDS[kind])[0] for kind in kinds]
    figure.legend(handles=marks, loc="outside lower left", ncols=len(kinds), fontsize=8, frameon=False)
    what = (
        f"{accuracy.lists:,} lists for {accuracy.people:,} people, {accuracy.items:,} items; bars: {accuracy.interval}"
    )
    figure.suptitle(what, x=0.01, ha="left", fontsize=10)
    return figure


def _one_each(rows: list[Row]) -> bool:
    """Whether each list had one thing to find, so that recall is the hit rate."""
    return all(row.metrics["recall"] == row.metrics["hit_rate"] for row in rows)


def _draw(panel: Any, rows: list[Row], metric: str) -> None:
    for at, row in enumerate(rows):
        found, colour = row.metrics[metric], _COLOURS[row.kind]
        panel.plot([found.low, found.high], [at, at], color=colour, linewidth=2, solid_capstyle="butt", alpha=0.55)
        panel.plot(found.value, at, "o", color=colour, markersize=5)
        panel.annotate(
            f"{found.value:.3f}",
            (found.high, at),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color="#333333",
        )
    panel.set_xlim(0, max(_BEYOND * max(row.metrics[metric].high for row in rows), 0.001))
    panel.locator_params(axis="x", nbins=4)
    panel.set_ylim(-0.7, len(rows) - 0.3)
    panel.grid(axis="x", color="#E4E4E4", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(axis="both", length=0, labelsize=8)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def _svg(figure: Any) -> str:
    from matplotlib import rc_context  # as above

    text = StringIO()
    with rc_context({"svg.hashsalt": "bandstand"}):  # without it, each file has other names inside
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _page(accuracy: Accuracy, picture: str) -> str:
    """The picture and its figures, in one file without any other."""
    heading = "".join(f"<th>{escape(name)}" for name in ("", *_metrics(accuracy), "covers", "novelty", "diversity"))
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}' for cell in _cells(accuracy, row))}\n" for row in accuracy.rows)
    notes = "".join(f"<li>{escape(note)}" for note in accuracy.notes)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>How good are the lists?</title>\n"
        "<style>body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "svg{max-width:100%;height:auto}table{border-collapse:collapse;font-size:13px}"
        "td,th{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd}"
        "td:first-child{text-align:left}</style>\n"
        f"<h1>How good are the lists?</h1><p>{escape(accuracy.question)}.</p><ul>{notes}</ul>\n"
        f"{picture[picture.index('<svg') :]}\n<table><tr>{heading}\n{body}</table></html>\n"
    )


def _metrics(accuracy: Accuracy) -> list[str]:
    return list(accuracy.rows[0].metrics)


def _cells(accuracy: Accuracy, row: Row) -> list[str]:
    figures = [row.metrics[name] for name in _metrics(accuracy)]
    found = [f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})" for figure in figures]
    like = ["–" if value is None else f"{value:.2f}" for value in (row.coverage, row.novelty, row.diversity)]
    return [title(row), *found, *like]
