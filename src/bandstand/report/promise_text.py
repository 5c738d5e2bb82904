"""What was promised and what was measured, as people read it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from bandstand.report.result import Beside, Promised, Range, Report


class Line(NamedTuple):
    """A heading, a remark or a reason where `promised` is empty, else figures side by side."""

    name: str
    promised: str = ""
    measured: str = ""
    came: str = ""


def heads(report: Report) -> list[str]:
    """What the figures are of and where they come from; why some are missing."""
    found = report.promised
    assert found is not None
    about = []
    if found.rows:
        days = " to ".join(
            f"{datetime.fromtimestamp(at or 0.0, UTC):%Y-%m-%d %H:%M}Z" for at in (found.since, found.until)
        )
        about.append(
            f"Rewards per shown slate: promised by {found.decisions:,} decisions before the start ({days}, "
            f"{found.estimator}), measured with {report.unit}s as clusters."
        )
        about.append(
            "Intervals hold for one look; kept, above and below, by a sequence, at every look."
            if report.analysis.method == "always-valid"
            else "Intervals, and so kept, above and below, hold for one look: call it at the end."
        )
    return about + [found.reason] * bool(found.reason)


def lines(found: Promised) -> Iterator[Line]:
    """For each metric every variant, and below a treatment what it is beyond the control."""
    for metric in dict.fromkeys(one.metric for one in found.rows):
        rows = [one for one in found.rows if one.metric == metric]
        name = f"'{rows[0].reward}' per slate"
        yield Line(name if metric == rows[0].reward else f"{metric}: {name}")
        for one in rows:
            yield _line(f"  {one.variant}", one.value, "{:.4g}", withheld=bool(one.withheld))
            told = one.lift if one.lift is not None and one.lift.promised and one.lift.measured else one.difference
            if told is not None and not one.withheld:
                yield _line("    beyond control", told, "{:+.3g}" if told is one.difference else "{:+.1%}")
            yield from (Line(f"    {text}") for text in (one.withheld, one.note) if text)


def _line(name: str, told: Beside, form: str, *, withheld: bool = False) -> Line:
    promise = "withheld" if withheld else _figures(told.promised, form)
    return Line(name, promise, _figures(told.measured, form), told.came or "")


def _figures(found: Range | None, form: str) -> str:
    if found is None:
        return "–"
    value, low, high = (form.format(each) for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]".replace("%", " %")
