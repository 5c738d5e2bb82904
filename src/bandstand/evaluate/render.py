"""An evaluation as people read it in a terminal of 80 columns."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.evaluate.result import Answer, Difference, Evaluation, Figure, counts

_LONGEST_NAME = 22


def render(evaluation: Evaluation) -> RenderableType:
    """The question, what the log can say, the figures, and what they rest on."""
    parts: list[RenderableType] = [Text(evaluation.question), *map(Text, about(evaluation))]
    overall = [one for one in evaluation.answers if one.segment is None]
    for metric in dict.fromkeys(one.metric for one in overall):
        parts += [Text(), _figures(evaluation, [one for one in overall if one.metric == metric], metric)]
    for name in dict.fromkeys(one.strategy for one in overall):
        parts += [Text(), *_grounds([one for one in overall if one.strategy == name])]
    for one in overall:
        segments = parts_of(evaluation, one)
        if segments:
            parts += [Text(), _segments(evaluation, segments, alone=len(overall) == 1)]
    return Group(*parts)


def about(evaluation: Evaluation) -> Iterator[str]:
    """What the figures are made from, and how."""
    out = f"; left out: {counts(evaluation.left_out)}" if evaluation.left_out else ""
    yield (
        f"{evaluation.decisions:,} decisions of {evaluation.users:,} users or visits, "
        f"{_when(evaluation.since)} to {_when(evaluation.until)} UTC{out}."
    )
    yield f"Rewards may still come for {evaluation.pending:.1%} of the decisions."
    yield f"Estimator {evaluation.estimator}: {evaluation.why}."
    yield f"It is right where {evaluation.assumption}."


def parts_of(evaluation: Evaluation, whole: Answer) -> list[Answer]:
    """The segments of an answer over all decisions."""
    same = [one for one in evaluation.answers if (one.strategy, one.metric) == (whole.strategy, whole.metric)]
    return [one for one in same if one.segment is not None]


def figure(one: Figure) -> str:
    return f"{number(one.low)} to {number(one.high)}"


def estimated(one: Answer) -> tuple[str, str]:
    """The value and its interval; where the value is withheld, what can be said."""
    if not one.refused and one.estimate is not None:
        return number(one.estimate.value), figure(one.estimate)
    return "withheld", "" if one.bounds is None else f"{number(one.bounds[0])} to {number(one.bounds[1])}"


def differing(one: Answer) -> tuple[str, str]:
    """By how much it earns more, with the interval; and the p-value."""
    found = one.difference
    if one.refused or not one.compared or one.estimate is None:
        return "", ""
    if found is None:
        return "nowhere different", ""
    return _signed(found), f"{found.p_value:.2g}"


def number(value: float) -> str:
    return f"{value:.4g}"


def weighed(one: Answer) -> str:
    """What the weights are like, in words: the same by every metric."""
    found = one.diagnostics
    inverse = found.inverse_propensity_ratio
    checked = "" if inverse is None else f"; mean 1/(propensity · candidates) {inverse:.3f}"
    lost = f"; {found.unsupported:.2%} of what it would show the logger could not" if found.unsupported else ""
    return (
        f"effective sample size {found.ess:,.0f} of {found.n:,}; "
        f"mean weight {found.mean_weight:.3f} ± {found.mean_weight_se:.2g}, greatest {found.max_weight:.3g} "
        f"({found.max_share:.1%} of all){checked}{lost}"
    )


def rewarded(one: Answer) -> str:
    """What is known by this metric, in words."""
    return f"{one.diagnostics.events:,} weighted decisions with a reward. Interval: {one.interval}."


def shared(answers: Sequence[Answer]) -> Answer | None:
    """What is true of one strategy by every metric: the first answer with the doubts and notes of all; None where
    their weights differ, as those by some estimators do."""
    first = answers[0]
    if any(weighed(one) != weighed(first) for one in answers):
        return None
    doubts, notes = (
        tuple(each for each in getattr(first, name) if all(each in getattr(one, name) for one in answers))
        for name in ("doubts", "notes")
    )
    return msgspec.structs.replace(first, doubts=doubts, notes=notes)


def _figures(evaluation: Evaluation, answers: Sequence[Answer], metric: str) -> Table:
    table = _table(evaluation, metric)
    logged = answers[0].logged
    table.add_row(evaluation.as_logged, number(logged.value), figure(logged), "", "")
    for one in answers:
        table.add_row(one.strategy, *estimated(one), *differing(one), style="bold red" if one.refused else None)
    return table


def _segments(evaluation: Evaluation, answers: Sequence[Answer], *, alone: bool) -> Table:
    table = _table(evaluation, "by segment" if alone else f"{answers[0].strategy}, {answers[0].metric}")
    for one in answers:
        table.add_row(f"{one.segment} ({one.rows:,})", *estimated(one), *differing(one))
    return table


def _table(evaluation: Evaluation, title: str) -> Table:
    against = next((one.difference.against for one in evaluation.answers if one.difference is not None), "logged")
    level = f"{100 * (1 - evaluation.alpha):g}%"
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(title, overflow="fold", max_width=_LONGEST_NAME)
    table.add_column("per decision", justify="right", overflow="fold", max_width=9)
    table.add_column(f"{level} interval", overflow="fold")
    table.add_column(f"more than {against}", overflow="fold", max_width=30)
    table.add_column("p", justify="right", no_wrap=True)
    return table


def _grounds(answers: Sequence[Answer]) -> Iterator[RenderableType]:
    """Of one strategy by every metric; what is the same by all of them once."""
    first = shared(answers) if len(answers) > 1 else None
    if first is not None:
        yield Text.assemble((f"{first.strategy}: ", "bold"), f"{weighed(first)}.")
        yield from _doubted(first.doubts, first.notes)
        yield _heaviest(first)
    for one in answers:
        known = (set(first.doubts), set(first.notes)) if first is not None else (set(), set())
        name = one.strategy if len(answers) == 1 else f"{one.strategy}, {one.metric}"
        said = rewarded(one) if first is not None else f"{weighed(one)}; {rewarded(one)}"
        yield Text.assemble((f"{name}: ", "bold"), said)
        yield from _doubted([d for d in one.doubts if d not in known[0]], [n for n in one.notes if n not in known[1]])
        yield from _detailed(one, alone=first is None)


def _doubted(doubts: Iterable[str], notes: Iterable[str]) -> Iterator[RenderableType]:
    for doubt in doubts:
        yield Text(f"✗ {doubt}", style="bold red")
    for note in notes:
        yield Text(f"· {note}", style="yellow")


def _heaviest(one: Answer) -> RenderableType:
    assert one.details is not None
    heavy = ", ".join(f"{each.decision} {each.share:.1%}" for each in one.details.heaviest[:3])
    return Text(f"Most weight: {heavy}.", style="dim", overflow="fold")


def _detailed(one: Answer, *, alone: bool) -> Iterator[RenderableType]:
    assert one.details is not None
    if alone:
        yield _heaviest(one)
    if len(one.details.positions) > 1 and not one.refused:
        yield _positions(one)
    if one.details.levels and not one.refused:
        yield _levels(one)


def _positions(one: Answer) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("position", "as logged", "estimated", "mean weight", "effective", "events"):
        table.add_column(heading, justify="right")
    assert one.details is not None
    for slot in one.details.positions:
        value = "–" if slot.value is None else number(slot.value)
        weight = f"{slot.mean_weight:.3f}"
        table.add_row(str(slot.position), number(slot.logged), value, weight, f"{slot.ess:,.0f}", f"{slot.events:,}")
    return table


def _levels(one: Answer) -> Table:
    table = Table("level", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("weight kept", justify="right")
    table.add_column("estimate", justify="right")
    assert one.details is not None
    for each in one.details.levels:
        table.add_row(f"{each.level:g}", f"{each.kept:.1%}", number(each.value))
    return table


def _signed(found: Difference) -> str:
    return f"{found.value:+.3g} [{found.low:+.3g}, {found.high:+.3g}]"


def _when(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"
