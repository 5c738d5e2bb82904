"""A report as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape

from bandstand.report import plots, policy_text, promise_text
from bandstand.report.notes import allowed, beside, lasting, of_frozen, votes
from bandstand.report.result import Check, Comparison, Report, Segment
from bandstand.report.verdict import effect, last_column, p_text, reasons, role
from bandstand.report.withheld import SAID

STYLE = """
:root { color-scheme: light; --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --good: #1a7f37; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 { font-size: .95rem; font-weight: 600; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { margin: .25rem 0; }
.soft { color: var(--soft); }
.verdict { margin: 1.25rem 0; padding: .9rem 1.1rem; border: 1px solid var(--line); border-left: .4rem solid #9aa4ae;
  border-radius: .4rem; }
.verdict strong { display: block; font-size: 1.15rem; }
.ship { border-left-color: var(--good); background: #f0faf3; } .ship strong { color: var(--good); }
.stop, .broken { border-left-color: var(--bad); background: #fdf3f2; }
.stop strong, .broken strong { color: var(--bad); }
ul.health { list-style: none; margin: 0; padding: 0; }
ul.health li { padding: .3rem 0 .3rem 1.7rem; text-indent: -1.7rem; border-bottom: 1px solid #f0f2f4; }
ul.health b { font-weight: 600; }
.mark { display: inline-block; width: 1.7rem; text-indent: 0; font-weight: 700; color: var(--soft); }
.ok .mark { color: var(--good); } .no .mark, .no { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; color: var(--soft); }
td.good { color: var(--good); font-weight: 600; } td.bad { color: var(--bad); font-weight: 600; }
tr.metric td { white-space: normal; border-bottom: 0; padding-top: .8rem; font-weight: 600; }
tr.reason td, tr.said td { white-space: normal; color: var(--soft); }
.withheld { opacity: .6; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.25rem 2rem; }
figure { margin: 0; min-width: 0; } figure svg { width: 100%; max-width: 36rem; height: auto; display: block; }
.reasons { color: var(--soft); font-size: .92rem; }
@media (max-width: 40rem) {
  main { padding: 1rem .9rem 2rem; } h1 { font-size: 1.3rem; } th, td { padding: .3rem .35rem; }
  td .interval { display: block; font-weight: 400; }
}
"""


def page(report: Report) -> str:
    """The whole page; give it a report with its `history`."""
    return framed(f"{report.experiment}: {report.verdict.outcome}", _parts(report))


def framed(title: str, parts: Iterable[str]) -> str:
    """A page of these parts."""
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _parts(report: Report) -> Iterator[str]:
    yield _head(report)
    broken = report.verdict.outcome == "broken"
    checks = (*report.health, *beside(report))
    health = f"<h2>Health</h2>{_health(checks)}" if checks else ""
    # What is broken comes first: nothing below it can be trusted.
    if broken:
        yield health
    yield _verdict(report)
    if not broken:
        yield health
    opening = f'<div class="withheld"><p>{SAID}</p>' if broken else "<div>"
    yield f"{opening}<h2>Metrics</h2>{_metrics(report)}{_reasons(report)}"
    yield _plots(report)
    yield f"<h2>Variants</h2>{_variants(report)}"
    yield _promised(report)
    yield _frozen(report)
    yield _policies(report)
    yield _segments(report.segments)
    yield f"</div>{_foot(report)}"


def _head(report: Report) -> str:
    until = report.at if report.until is None else report.until
    when = f", {_day(report.since)} to {_day(until)}" if report.since is not None else ""
    shipped = f", ‘{escape(report.winner)}’ was shipped" if report.winner is not None else ""
    about = f'<p class="soft">on {escape(report.surface)}, {report.state}{when}{shipped}</p>'
    hypothesis = f"<p><em>{escape(report.hypothesis)}</em></p>" if report.hypothesis else ""
    return f"<header><h1>{escape(report.experiment)}</h1>{about}{hypothesis}</header>"


def _verdict(report: Report) -> str:
    outcome = report.verdict.outcome
    kind = outcome if outcome in ("ship", "stop", "broken") else "open"
    head, _, rest = report.verdict.text.partition(": ")
    if not rest:
        head, rest = outcome, report.verdict.text
    return f'<section class="verdict {kind}"><strong>{escape(head)}</strong>{escape(rest)}</section>'


def _health(checks: Sequence[Check]) -> str:
    marks = {True: ("ok", "✓"), False: ("no", "✗"), None: ("", "·")}
    rows = (
        f'<li class="{marks[check.ok][0]}"><span class="mark">{marks[check.ok][1]}</span><b>{escape(check.name)}</b>: '
        f"{escape(check.text)}</li>"
        for check in sorted(checks, key=lambda one: one.ok is not False)
    )
    return f'<ul class="health">{"".join(rows)}</ul>'


def _metrics(report: Report) -> str:
    what = "share won" if report.method == "interleave" else "difference"
    head = ("", "value", f"{what} [{100 * (1 - report.alpha):g} %]", last_column(report))
    compared = {(one.metric, one.variant): one for one in report.comparisons}
    rows = []
    for index, metric in enumerate(dict.fromkeys(one.metric for one in report.comparisons)):
        name = f'{escape(metric)} <span class="soft">{escape(role(report, metric))}</span>'
        rows.append(f'<tr class="metric"><td colspan="4">{name}</td></tr>')
        for arm in report.variants:
            value = arm.metrics[index].value
            one = compared.get((metric, arm.variant))
            rows.append(_row(arm.variant, "–" if value is None else f"{value:.4g}", *_figures(one)))
    return table(head, rows)


def _figures(one: Comparison | None) -> tuple[str, str]:
    if one is None or not one.told:
        return "", ""
    value, _, interval = effect(one).partition(" [")
    shown = f'{escape(value)} <span class="interval">[{escape(interval)}</span>'
    return f'<td class="{_side(one)}">{shown}</td>', escape(p_text(one).removeprefix("wins "))


def _side(one: Comparison) -> str:
    return {"better": "good", "worse": "bad", None: ""}[one.stands]


def _reasons(report: Report) -> str:
    return "".join(
        f'<p class="reasons">{escape(text)}</p>' for text in (*votes(report), *lasting(report), *reasons(report))
    )


def _plots(report: Report) -> str:
    decisive = dict.fromkeys(one.metric for one in report.comparisons if one.role == "decision")
    pictures = [(f"{metric}: the interval over time", plots.intervals(report, metric)) for metric in decisive]
    several = len(report.variants) > 2
    for one in report.novelty:
        whose = f"{one.metric}, {one.variant}" if several else one.metric
        pictures.append((f"{whose}: the effect by days since first exposure", plots.by_day(one, report.unit)))
    pictures.append(("All metrics, one below the other", plots.forest(report)))
    pictures.append((f"{report.unit.capitalize()}s that took part", plots.arrivals(report)))
    figures = [f"<figure><h3>{escape(title)}</h3>{svg}</figure>" for title, svg in pictures if svg is not None]
    return f'<h2>Pictures</h2><div class="plots">{"".join(figures)}</div>' if figures else ""


def _variants(report: Report) -> str:
    head = ("variant", "strategy", f"{report.unit}s", "decisions", "picks")
    rows = [
        _row(arm.variant, escape(arm.strategy), f"{arm.units:,}", f"{arm.decisions:,}", f"{arm.picks:,}")
        for arm in report.variants
    ]
    return table(head, rows)


def _promised(report: Report) -> str:
    if report.promised is None:
        return ""
    about = "".join(f"<p class='soft'>{escape(one)}</p>" for one in promise_text.heads(report))
    rows = [
        _row(line.name.strip(), escape(line.promised), escape(line.measured), escape(line.came))
        if line.promised
        else f'<tr class="{"said" if line.name.startswith(" ") else "metric"}">'
        f'<td colspan="4">{escape(line.name.strip())}</td></tr>'
        for line in promise_text.lines(report.promised)
    ]
    level = f"[{100 * (1 - report.alpha):g} %, one look]"
    told = table(("", f"promised {level}", f"measured {level}", ""), rows) if rows else ""
    return f"<h2>Promised and measured</h2>{about}{told}"


def _frozen(report: Report) -> str:
    if report.frozen is None:
        return ""
    opening = f"<h2>Frozen policies</h2><p class='soft'>{escape(report.frozen.text)}</p>"
    if not report.frozen.variants:
        return opening
    group = of_frozen(report)
    return f"{opening}{_health(group.health)}{_metrics(group)}{_reasons(group)}"


def _policies(report: Report) -> str:
    if not report.policies:
        return ""
    rows = [
        _row(line.name.strip(), line.value, escape(line.gain), escape(line.p)) if line.value else _said(line.name)
        for line in policy_text.lines(report)
    ]
    values = table(("", "value", f"over what was shown [{100 * (1 - report.alpha):g} %]", "p"), rows)
    about = "".join(
        f"<p class='soft'>{escape(one)}</p>" for one in (policy_text.title(report), *policy_text.about(report))
    )
    return f"<h2>Policies</h2>{about}{values}"


def _said(line: str) -> str:
    """A heading, or, where it is indented, why there is no figure."""
    kind = "reason" if line.startswith(" ") else "metric"
    return f'<tr class="{kind}"><td colspan="4">{escape(line.strip())}</td></tr>'


def _segments(found: Sequence[Segment]) -> str:
    parts = []
    for field in dict.fromkeys(row.field for row in found):
        rows = [row for row in found if row.field == field]
        several = len({(row.comparison.metric, row.comparison.variant) for row in rows}) > 1
        body = []
        for row in rows:
            one = row.comparison
            name = f"{row.value}: {one.metric}, {one.variant}" if several else row.value
            body.append(_row(name, f"{row.units:,}", *_figures(one)))
        told = [row.p_differs for row in rows if row.p_differs is not None]
        differs = f"p of “it works alike in all of them”: {min(told):.2g}" if told else "too few to compare them"
        parts.append(f"<h2>By {escape(field)}</h2><p class='soft'>{differs}</p>")
        parts.append(table(("", "units", "difference", "p"), body))
    return "".join(parts)


def _foot(report: Report) -> str:
    return f'<p class="reasons">{escape(allowed(report))} Log position {report.as_of:,}, {_day(report.at)}.</p>'


def table(head: Iterable[str], rows: Iterable[str]) -> str:
    """The heading's cells are text, the rows whole ones."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(first: str, *cells: str) -> str:
    """The first cell is text; the others are HTML, with their own td where they begin with one."""
    whole = (cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
    return f"<tr><td>{escape(first)}</td>{''.join(whole)}</tr>"


def _day(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
