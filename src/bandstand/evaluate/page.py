"""An evaluation as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from bandstand.evaluate import plots
from bandstand.evaluate.render import about, differing, estimated, figure, number, parts_of, rewarded, shared, weighed
from bandstand.evaluate.result import Answer, Evaluation
from bandstand.report.page import framed, table


def page(evaluation: Evaluation) -> str:
    """The whole page."""
    names = dict.fromkeys(one.strategy for one in evaluation.answers)
    return framed(f"{', '.join(names)} on {evaluation.surface}", _parts(evaluation))


def _parts(evaluation: Evaluation) -> Iterator[str]:
    overall = [one for one in evaluation.answers if one.segment is None]
    names = ", ".join(dict.fromkeys(one.strategy for one in overall))
    title = f"<h1>{escape(names)} on {escape(evaluation.surface)}</h1>"
    yield f"<header>{title}<p>{escape(evaluation.question)}</p></header>"
    for one in overall:
        yield _verdict(one, alone=len(overall) == 1)
    for metric in dict.fromkeys(one.metric for one in overall):
        yield f"<h2>By {escape(metric)}</h2>"
        yield _figures(evaluation, [one for one in overall if one.metric == metric], logged=True)
    yield "<h2>What it rests on</h2>" + "".join(f'<p class="reasons">{escape(each)}</p>' for each in about(evaluation))
    for name in dict.fromkeys(one.strategy for one in overall):
        yield _grounds([one for one in overall if one.strategy == name])
    for one in overall:
        segments = parts_of(evaluation, one)
        if segments:
            title = f"{escape(one.strategy)}, {escape(one.metric)}: by segment"
            yield f"<h2>{title}</h2>{_figures(evaluation, segments, logged=False)}"
    yield _pictures(evaluation.answers)
    yield from (_tables(one) for one in overall)


def _verdict(one: Answer, *, alone: bool) -> str:
    value, interval = estimated(one)
    name = one.strategy if alone else f"{one.strategy}, {one.metric}"
    if one.refused:
        reasons = "<br>".join(map(escape, one.doubts))
        said = f"all that can be said is {interval}" if interval else "the log does not support it"
        head = f"{escape(name)}: withheld, {escape(said)}"
        return f'<section class="verdict stop"><strong>{head}</strong>{reasons}</section>'
    gain, p_value = differing(one)
    against = "" if one.difference is None else f"; against {one.difference.against}: {gain}, p {p_value}"
    more = against if gain else ""
    head = f"{escape(name)}: {value} per decision"
    return f'<section class="verdict open"><strong>{head}</strong>{escape(interval)}{escape(more)}</section>'


def _figures(evaluation: Evaluation, answers: Sequence[Answer], *, logged: bool) -> str:
    level = f"{100 * (1 - evaluation.alpha):g} % interval"
    against = next((one.difference.against for one in answers if one.difference is not None), "logged")
    rows = (
        [_row(evaluation.as_logged, number(answers[0].logged.value), figure(answers[0].logged), "", "")]
        if logged
        else []
    )
    several = len({(one.strategy, one.metric) for one in answers}) > 1 and not logged
    for one in answers:
        name = one.strategy if one.segment is None else f"{one.segment} ({one.rows:,})"
        rows.append(
            _row(f"{name}, {one.strategy}, {one.metric}" if several else name, *estimated(one), *differing(one))
        )
    return table(("", "per decision", level, f"more than {against}", "p"), rows)


def _grounds(answers: Sequence[Answer]) -> str:
    """Of one strategy by every metric; what is the same by all of them once."""
    first = shared(answers)
    found = []
    if first is not None:
        found.append(_said(first.strategy, f"{weighed(first)}.", first.notes))
    for one in answers:
        said = rewarded(one) if first is not None else f"{weighed(one)}; {rewarded(one)}"
        notes = one.notes if first is None else [each for each in one.notes if each not in first.notes]
        found.append(_said(f"{one.strategy}, {one.metric}", said, notes))
    return "".join(found)


def _said(name: str, words: str, notes: Iterable[str]) -> str:
    listed = "".join(f'<li><span class="mark">·</span>{escape(note)}</li>' for note in notes)
    return f"<p><b>{escape(name)}</b>: {escape(words)}</p><ul class='health'>{listed}</ul>"


def _pictures(answers: Sequence[Answer]) -> str:
    pictures: list[tuple[str, str | None]] = []
    for metric in dict.fromkeys(one.metric for one in answers):
        pictures.append(
            (f"{metric}: strategies and segments", plots.forest([a for a in answers if a.metric == metric]))
        )
    for one in answers:
        if one.segment is None and not one.refused:
            pictures.append((f"{one.strategy}, {one.metric}: day by day", plots.by_day(one)))
    for name in dict.fromkeys(one.strategy for one in answers):
        weighed = next(one for one in answers if one.strategy == name and one.segment is None)
        pictures.append((f"{name}: weights of the decisions", plots.weights(weighed)))
    figures = [f"<figure><h3>{escape(title)}</h3>{svg}</figure>" for title, svg in pictures if svg is not None]
    return f'<h2>Pictures</h2><div class="plots">{"".join(figures)}</div>'


def _tables(one: Answer) -> str:
    if one.details is None:
        return ""
    found = []
    title = f"{escape(one.strategy)}, {escape(one.metric)}"
    if len(one.details.positions) > 1 and not one.refused:
        rows = [
            _row(
                str(slot.position),
                number(slot.logged),
                "–" if slot.value is None else number(slot.value),
                f"{slot.mean_weight:.3f}",
                f"{slot.ess:,.0f}",
                f"{slot.events:,}",
            )
            for slot in one.details.positions
        ]
        head = ("position", "as logged", "estimated", "mean weight", "effective", "events")
        found.append(f"<h2>{title}: by position</h2>{table(head, rows)}")
    if one.details.levels and not one.refused:
        rows = [_row(f"{each.level:g}", f"{each.kept:.1%}", number(each.value)) for each in one.details.levels]
        found.append(f"<h2>{title}: by level</h2>{table(('level', 'weight kept', 'estimate'), rows)}")
    rows = [_row(each.decision, number(each.weight), f"{each.share:.2%}") for each in one.details.heaviest]
    found.append(f"<h2>{title}: heaviest decisions</h2>{table(('decision', 'weight', 'share of all'), rows)}")
    return "".join(found)


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
