"""A report as people read it in a terminal of 80 columns."""

from datetime import UTC, datetime
from textwrap import wrap

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.report import policy_text, promise_text
from bandstand.report.notes import allowed, beside, lasting, of_frozen, votes
from bandstand.report.result import Check, Comparison, Report
from bandstand.report.verdict import effect, last_column, p_text, reasons, role
from bandstand.report.withheld import SAID

_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "yellow")}
_COLOURS = {"ship": "bold green", "stop": "bold red", "broken": "bold red"}

_NAME = 24


def render(report: Report) -> RenderableType:
    """Health, verdict, what each variant showed, and how they compare, in this order."""
    verdict = Text(report.verdict.text, style=_COLOURS.get(report.verdict.outcome, "bold"))
    hypothesis = [Text(report.hypothesis, style="italic")] if report.hypothesis else []
    health = [_check(check) for check in (*report.health, *beside(report))]
    gap = Text()
    missing = map(Text, (*votes(report), *lasting(report), *reasons(report)))
    figures: list[RenderableType] = [
        _variants(report),
        gap,
        _metrics(report),
        *missing,
        *_promised(report),
        *_frozen(report),
        *_policies(report),
        *_segments(report),
    ]
    if report.verdict.outcome == "broken":
        figures = [Text(SAID, style="bold red"), gap, *figures]
    figures += [gap, Text(allowed(report), style="dim")]
    return Group(_title(report), *hypothesis, gap, *health, verdict, gap, *figures)


def _title(report: Report) -> Text:
    title = Text.assemble((report.experiment, "bold"), f" on {report.surface}: {report.state}")
    if report.since is not None:
        title.append(f" {_when(report.since)} to {_when(report.at if report.until is None else report.until)}")
    if report.winner is not None:
        title.append(f", '{report.winner}' was shipped")
    return title


def _check(check: Check) -> Text:
    mark, style = _MARKS[check.ok]
    return Text.assemble((f"{mark} {check.name}: ", style), check.text)


def _variants(report: Report) -> Table:
    table = Table("variant", "strategy", box=None, pad_edge=False)
    for name in (f"{report.unit}s", "decisions", "picks"):
        table.add_column(name, justify="right")
    for arm in report.variants:
        table.add_row(arm.variant, arm.strategy, f"{arm.units:,}", f"{arm.decisions:,}", f"{arm.picks:,}")
    return table


def _metrics(report: Report) -> Text:
    """A heading for each metric, and below it a line for each variant."""
    what = "share won" if report.method == "interleave" else "difference"
    heads = "metric", "value", f"{what} [{100 * (1 - report.alpha):g} % interval]", last_column(report)
    lines = [Text(_line(*heads), "bold")]
    compared = {(one.metric, one.variant): one for one in report.comparisons}
    for index, metric in enumerate(dict.fromkeys(one.metric for one in report.comparisons)):
        lines.append(Text.assemble((metric, "bold"), f"  {role(report, metric)}"))
        for arm in report.variants:
            value = _number(arm.metrics[index].value)
            lines.append(_told(f"  {arm.variant}", value, compared.get((metric, arm.variant))))
    return Text("\n").join(lines)


def _promised(report: Report) -> list[Text]:
    """What was promised before it began, beside what was measured."""
    if report.promised is None:
        return []
    found = [Text(), Text("promised and measured", "bold"), *map(Text, promise_text.heads(report))]
    level = f"[{100 * (1 - report.alpha):g} %, one look]"
    if report.promised.rows:
        found.append(Text(f"{'':<20} {f'promised {level}':<25} {f'measured {level}'}", "bold"))
    for line in promise_text.lines(report.promised):
        if not line.promised:
            found += map(Text, wrap(line.name, 79, subsequent_indent="    "))
            continue
        colour = "yellow" if line.came in ("above", "below") else ""
        figures = f"{line.name[:20]:<20} {line.promised:<25} {line.measured:<25} {line.came}"
        found.append(Text(figures.rstrip(), colour))
    return found


def _frozen(report: Report) -> list[RenderableType]:
    """The policies that variants had come to, and how they compare."""
    if report.frozen is None:
        return []
    head = Text.assemble(("frozen policies", "bold"), f"  {report.frozen.text}")
    found: list[RenderableType] = [Text(), head]
    if report.frozen.variants:
        group = of_frozen(report)
        found += [*map(_check, group.health), _metrics(group), *map(Text, reasons(group))]
    return found


def _policies(report: Report) -> list[Text]:
    """What each policy would have earned on the slates of others."""
    if not report.policies:
        return []
    found = [Text(), Text("policies", "bold"), Text(policy_text.title(report))]
    found += map(Text, policy_text.about(report))
    for line in policy_text.lines(report):
        long = len(line.name) > _NAME or not line.value
        found += [Text(line.name)] if long else []
        if line.value:
            found.append(Text(_line("" if long else line.name, line.value, line.gain, line.p)))
    return found


def _segments(report: Report) -> list[Text]:
    """What each value of a context field says by itself, below whether they differ at all."""
    lines = []
    for field in dict.fromkeys(row.field for row in report.segments):
        rows = [row for row in report.segments if row.field == field]
        told = [row.p_differs for row in rows if row.p_differs is not None]
        differs = f"p = {min(told):.2g} of no difference between them" if told else "too few to compare"
        lines += [Text(), Text.assemble(("by " + field, "bold"), f"  {differs}")]
        several = len({(row.comparison.metric, row.comparison.variant) for row in rows}) > 1
        for row in rows:
            name = f"  {row.value} {row.comparison.metric} {row.comparison.variant}" if several else f"  {row.value}"
            if len(name) > _NAME:  # a line of its own, or what tells two of them apart would be cut off
                lines.append(Text(name))
                name = ""
            lines.append(_told(name, f"{row.units:,}", row.comparison))
    return lines


def _told(name: str, value: str, one: Comparison | None) -> Text:
    figures = (effect(one), p_text(one).removeprefix("wins ")) if one is not None and one.told else ("", "")
    return Text(_line(name, value, *figures), _colour(one))


def _line(name: str, value: str, figures: str, p: str) -> str:
    return f"{name[:_NAME]:<{_NAME}} {value:>9}  {figures:<32} {p:>10}".rstrip()


def _colour(one: Comparison | None) -> str:
    return {"better": "green", "worse": "red", None: ""}[None if one is None else one.stands]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _when(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}Z"
