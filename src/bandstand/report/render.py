"""A report as people read it in a terminal of 80 columns."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.report.result import Check, Report
from bandstand.report.verdict import effect, p_text

_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "yellow")}
_COLOURS = {"ship": "bold green", "stop": "bold red", "broken": "bold red"}


def render(report: Report) -> RenderableType:
    """Health, verdict, what each variant showed, and how they compare, in this order."""
    verdict = Text(report.verdict.text, style=_COLOURS.get(report.verdict.outcome, "bold"))
    reasons = [Text(one.reason) for one in report.comparisons if one.reason and one.reason not in verdict.plain]
    hypothesis = [Text(report.hypothesis, style="italic")] if report.hypothesis else []
    health = [_check(check) for check in report.health]
    gap = Text()
    return Group(
        _title(report), *hypothesis, gap, *health, verdict, gap, _variants(report), gap, _metrics(report), *reasons
    )


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


def _metrics(report: Report) -> Table:
    """A heading for each metric, and below it a row for each variant."""
    what = "slates won" if report.method == "interleave" else "difference"
    table = Table("metric", box=None, pad_edge=False)
    table.add_column("value", justify="right")
    table.add_column(f"{what} [{100 * (1 - report.alpha):g} % interval]", no_wrap=True)
    table.add_column("p", justify="right")
    compared = {(one.metric, one.variant): one for one in report.comparisons}
    roles = {one.metric: one.role for one in report.comparisons}
    for index, metric in enumerate(roles):
        table.add_row(Text.assemble((metric, "bold"), f" {roles[metric]}"))
        for arm in report.variants:
            one = compared.get((metric, arm.variant))
            figures = (effect(one), p_text(one)) if one is not None and one.reason is None else ()
            table.add_row(f"  {arm.variant}", _number(arm.metrics[index].value), *figures)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _when(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}Z"
