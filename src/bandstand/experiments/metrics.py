"""What an experiment measures of each unit, and what can be wrong with such a definition."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from bandstand.errors import InputError
from bandstand.experiments.formula import Formula, Number, Operation, Term, parse

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Kind = Literal["mean", "proportion", "ratio", "quantile", "retention", "custom"]
Role = Literal["decision", "guardrail", "secondary"]

DAY_S: Final = 86_400.0
BEFORE: Final = "before"
"""As a covariate: the metric itself, over the days before a unit's first exposure."""


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is measured, from the rewards called `reward` unless an `expression` says otherwise.

    `mean` is their sum per unit; `proportion` the share of units with any; `ratio` their sum per pick shown, as clicks
    per impression, or per reward called `per`; `quantile` that of their values; `retention` the share of units that are
    shown something again from `after_days` days after their first exposure on, within `window_s` (one day by default);
    `custom` what `expression` says. Only the `decision` metrics enter the verdict; a `guardrail` may not get worse, or
    with a `margin` must be shown to be worse by less than that share of the control; a `secondary` one is for
    information.

    `window_s` is how long after its first exposure a unit is looked at, and units for whom it has not passed are left
    out; without it all that came until now counts. `cap` is the quantile of all arms' values at which each unit's value
    is cut off. `covariates` are expressions over the `before_days` days before a unit's first exposure, by which its
    value is adjusted; "before" is the metric itself.
    """

    name: Name
    reward: str = ""
    kind: Kind = "mean"
    role: Role = "decision"
    per: str = ""
    better: Literal["higher", "lower"] = "higher"
    margin: float | None = None
    window_s: float | None = None
    cap: float | None = None
    quantile: float = 0.5
    after_days: float = 7.0
    expression: str = ""
    covariates: tuple[str, ...] = ()
    before_days: float = 28.0


class Fault(NamedTuple):
    message: str
    field: str


def formula(metric: Metric) -> Formula:
    """What is computed of each unit. A quantile has none of its own: it is of rewards, not of units."""
    match metric.kind:
        case "mean" | "quantile":
            return Formula(Term("sum", metric.reward))
        case "proportion":
            return Formula(Operation("min", Term("count", metric.reward), Number(1.0)))
        case "ratio":
            below = Term("sum", metric.per) if metric.per else Term("picks")
            return Formula(Term("sum", metric.reward), below)
        case "retention":
            return Formula(Operation("min", Term("decisions"), Number(1.0)))
        case "custom":
            return parse(metric.expression)


def covariates(metric: Metric) -> tuple[Formula, ...]:
    return tuple(formula(metric) if text == BEFORE else parse(text) for text in metric.covariates)


def named(metric: Metric) -> Iterator[tuple[str, str]]:
    """Each reward that the metric is about, after the field that names it."""
    for field in ("reward", "per"):
        if getattr(metric, field):
            yield field, getattr(metric, field)
    texts = [("expression", metric.expression)] if metric.kind == "custom" else []
    for field, text in (*texts, *(("covariates", one) for one in metric.covariates if one != BEFORE)):
        yield from ((field, term.name) for term in parse(text).terms() if term.aggregate in ("sum", "count"))


def window(metric: Metric) -> tuple[float, float]:
    """From when to when after a unit's first exposure, in seconds, what it did counts."""
    if metric.kind == "retention":
        start = metric.after_days * DAY_S
        return start, start + (DAY_S if metric.window_s is None else metric.window_s)
    return 0.0, float("inf") if metric.window_s is None else metric.window_s


def binary(metric: Metric) -> bool:
    return metric.kind in ("proportion", "retention")


def faults(metric: Metric) -> Iterator[Fault]:
    """Everything that speaks against the definition."""
    needs_reward = metric.kind not in ("retention", "custom")
    if needs_reward and not metric.reward:
        yield Fault(f"kind '{metric.kind}' needs a reward, as reward = \"click\"; say which one it counts", "reward")
    if metric.kind == "custom":
        yield from _unreadable(metric.expression, "expression")
    elif metric.expression:
        yield Fault(f"kind is '{metric.kind}', an expression belongs to kind 'custom'; leave one of them out", "kind")
    if metric.per and metric.kind != "ratio":
        yield Fault(f"kind is '{metric.kind}', per belongs to kind 'ratio'; take that, or leave it out", "per")
    for text in metric.covariates:
        if text != BEFORE:
            yield from _unreadable(text, "covariates")
    if metric.covariates and metric.kind in ("proportion", "quantile", "retention"):
        yield Fault(
            f"kind is '{metric.kind}', which is not adjusted by covariates; take kind 'mean', or leave them out",
            "covariates",
        )
    if metric.margin is not None and metric.role != "guardrail":
        yield Fault(f"role is '{metric.role}', a margin belongs to a guardrail; leave it out", "margin")
    yield from _out_of_range(metric)


def _out_of_range(metric: Metric) -> Iterator[Fault]:
    if metric.margin is not None and not 0 < metric.margin < 1:
        yield Fault(f"margin is {metric.margin:g}, must be between 0 and 1; 0.02 accepts a loss of 2 %", "margin")
    if metric.cap is not None and not 0 < metric.cap < 1:
        yield Fault(f"cap is {metric.cap:g}, must be between 0 and 1; 0.999 caps one unit in a thousand", "cap")
    if not 0 < metric.quantile < 1:
        yield Fault(
            f"quantile is {metric.quantile:g}, must be between 0 and 1; 0.95 is the 95th percentile", "quantile"
        )
    for field in ("window_s", "after_days", "before_days"):
        value = getattr(metric, field)
        if value is not None and not 0 < value < float("inf"):
            yield Fault(f"{field} is {value:g}, must be above 0; leave it out for the default", field)


def _unreadable(text: str, field: str) -> Iterator[Fault]:
    try:
        parse(text)
    except InputError as error:
        yield Fault(str(error), field)
