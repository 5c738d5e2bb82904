"""Scenarios as one page that needs nothing else: what held, how it was learned, and what it cost."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from bandstand.errors import InputError
from bandstand.report.page import STYLE
from bandstand.report.plots import drawn
from bandstand.simulate import plots
from bandstand.simulate.accepted import Change
from bandstand.simulate.fitted import Goodness
from bandstand.simulate.outcome import Figure, Result, label
from bandstand.simulate.render import bounds, change_text, fit_text, percent, plain, summary

_OWN: Final = """
article { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: .5rem; }
article > h2 { font-size: 1.35rem; margin-bottom: .2rem; overflow-wrap: anywhere; }
article .plots { margin-top: 1.2rem; }
h3.part { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
nav li { margin: .2rem 0; } nav ul { padding: 0; list-style: none; } .note { color: var(--soft); }
dl.words dt { font-weight: 600; margin-top: .6rem; } dl.words dd { margin: 0; color: var(--soft); }
"""

WORDS: Final = {
    "Optimum": "The slate that gets most clicks on average from this visitor at this moment, out of everything that is "
    "available. The world knows it; no strategy can, for it depends on hidden traits. It does not think of later "
    "visits: what tires people or makes them stay is no part of it.",
    "Regret": "What was lost to the optimum: 1 − expected clicks of the slates shown / expected clicks of the ideal "
    "ones. Expected, so that luck is no part of it.",
    "Exploration cost": "The part of the regret that is lost by exploring: what the same strategy with the same "
    "weights would be expected to get more if it showed what it holds for best at that moment, as a share of the ideal "
    "slates’ clicks. One visit in eight is asked. The rest of the regret is what is not known yet, or cannot be known.",
    "Bands": "95 % intervals of the mean over the seeds, each of which is a world of its own.",
}


def check(path: Path) -> None:
    """InputError where no page can be made at this path: before the work that it would show."""
    if not path.parent.is_dir():
        raise InputError(f"html '{path}': there is no folder '{path.parent}'; make it, or name another", field="html")
    drawn(lambda axes: None, height_in=1.0)


def page(results: Sequence[Result], changes: Mapping[str, Sequence[Change]]) -> str:
    """The whole page; `changes` are the figures that moved, by scenario."""
    title = f"Simulations: {summary(results, changes)}"
    body = "\n".join(
        [_head(title, results, changes), *(_scenario(one, changes.get(one.scenario, ())) for one in results), _words()]
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}{_OWN}</style>\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(title: str, results: Sequence[Result], changes: Mapping[str, Sequence[Change]]) -> str:
    marks = [("ok", "✓") if one.ok else ("no", "✗") for one in results]
    rows = "".join(
        f'<li class="{kind}"><span class="mark">{mark}</span>'
        f'<a href="#{escape(one.scenario)}">{escape(one.scenario)}</a> '
        f'<span class="soft">{escape(one.about)}</span>{_moved(changes.get(one.scenario, ()))}</li>'
        for one, (kind, mark) in zip(results, marks, strict=True)
    )
    return f"<header><h1>{escape(title)}</h1></header><nav><ul>{rows}</ul></nav>"


def _moved(changes: Sequence[Change]) -> str:
    return f' <span class="no">≠ {len(changes)} moved</span>' if changes else ""


def _scenario(result: Result, changes: Sequence[Change]) -> str:
    parts = "\n".join(part for part in _parts(result, changes) if part)
    return f'<article id="{escape(result.scenario)}">{parts}</article>'


def _parts(result: Result, changes: Sequence[Change]) -> Iterator[str]:
    yield f"<h2>{escape(result.scenario)}</h2><p>{escape(result.about)}</p>"
    yield f'<p class="soft">{result.requests:,} visits, {result.seeds} seeds</p>'
    yield _expectations(result)
    yield "".join(f'<p class="no">≠ {escape(change_text(change))}</p>' for change in changes)
    yield _fit(result.fit)
    yield _sides(result)
    pictures = [
        ("Learning", plots.learning(result)),
        ("Regret, cumulated", plots.lost(result)),
        ("Exploration cost, cumulated", plots.explored(result)),
    ]
    figures = [f"<figure><h3>{escape(name)}</h3>{svg}</figure>" for name, svg in pictures if svg is not None]
    yield f'<div class="plots">{"".join(figures)}</div>'


def _expectations(result: Result) -> str:
    rows = []
    for judged in result.expectations:
        figure = "could not be computed" if judged.figure is None else plain(judged.figure)
        note = "" if judged.ok or not judged.expectation.note else f" {judged.expectation.note}"
        kind, mark = ("ok", "✓") if judged.ok else ("no", "✗")
        rows.append(
            f'<li class="{kind}"><span class="mark">{mark}</span><b>{escape(label(judged.expectation))}</b>: '
            f"{escape(figure)} "
            f'<span class="note">expected {escape(bounds(judged.expectation))}.{escape(note)}</span></li>'
        )
    return f'<ul class="health">{"".join(rows)}</ul>' if rows else ""


def _fit(fit: Goodness | None) -> str:
    return "" if fit is None else f'<h3 class="part">The fitted world</h3><p>{escape(fit_text(fit))}</p>'


def _sides(result: Result) -> str:
    columns = {
        "click-through": [percent(side.click_through) for side in result.sides],
        "regret": [percent(side.regret) for side in result.sides],
        "exploration cost": [percent(side.exploration_cost) for side in result.sides],
        "revenue a slate": [_amount(side.revenue) for side in result.sides],
        "visits that take place": [percent(side.visits) for side in result.sides],
    }
    told = {name: cells for name, cells in columns.items() if any(cell != "–" for cell in cells)}
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *told))
    rows = "".join(
        f"<tr><td>{escape(side.name)}</td>{''.join(f'<td>{escape(cells[at])}</td>' for cells in told.values())}</tr>"
        for at, side in enumerate(result.sides)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _amount(figure: Figure | None) -> str:
    return "–" if figure is None else plain(figure)


def _words() -> str:
    rows = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in WORDS.items())
    return f'<article><h2>Words</h2><dl class="words">{rows}</dl></article>'
