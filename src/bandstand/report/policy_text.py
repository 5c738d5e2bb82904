"""Values of policies as people read them: what was asked of whose slates, and what came of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from bandstand.report.result import PolicyValue, Report


class Line(NamedTuple):
    """A heading where `value` is empty, else a policy with its value per slate, and its gain over what was shown."""

    name: str
    value: str = ""
    gain: str = ""
    p: str = ""


def title(report: Report) -> str:
    """What the values are of."""
    one = report.policies[0]
    where = "position" if one.depth == 1 else f"{one.depth} positions"
    return f"'{one.reward}' per slate on the first {where}, by the log's propensities (AIPW, at every look)"


def about(report: Report) -> list[str]:
    """What else must be known to read them."""
    if all(one.frozen_at is None for one in report.policies):
        return []
    return [
        "A policy is frozen where half of its variant's slates of today had come. That moves with every look, so its "
        "figures are of another policy and other slates each time: they hold for one look."
    ]


def lines(report: Report) -> Iterator[Line]:
    """For each variant's slates: what they earned, and what other policies would have earned in their place."""
    for one in report.policies:
        if one.frozen_at is None:
            yield Line(f"{one.slates:,} slates of {one.log}")
            policy = f"policy of {one.policy}"
        else:
            yield Line(f"the later {one.slates:,} slates of {one.log}")
            policy = f"itself, frozen {datetime.fromtimestamp(one.frozen_at, UTC):%Y-%m-%d %H:%M}Z"
        if one.reason is not None:
            yield Line(f"  {policy}: {one.reason}")
            continue
        yield Line("  as shown", _number(one.as_shown))
        yield Line(f"  {policy}", _number(one.value), _gain(one), _p(one))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _gain(one: PolicyValue) -> str:
    if one.difference_low == one.difference_high:
        return "the same"
    return f"{one.difference:+.3g} [{one.difference_low:+.3g}, {one.difference_high:+.3g}]"


def _p(one: PolicyValue) -> str:
    if one.p_value is None or one.difference_low == one.difference_high:
        return ""
    return "< 1e-6" if one.p_value < 1e-6 else f"{one.p_value:.2g}"
