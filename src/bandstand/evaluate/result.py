"""The answer to a question about a log, as a value."""

from collections.abc import Mapping
from typing import Final

import msgspec

from bandstand.stats.diagnostics import Diagnostics


class Figure(msgspec.Struct, frozen=True):
    """A value per decision, with its interval."""

    value: float
    low: float
    high: float
    std_error: float | None


class Difference(msgspec.Struct, frozen=True):
    """By how much the strategy earns more than `against` on the same decisions; `p_value` is corrected for all the
    differences of the evaluation (Holm), and `lift` is the difference as a share of what `against` earns, where that
    can be told from zero and the interval is normal."""

    against: str
    value: float
    low: float
    high: float
    std_error: float
    p_value: float
    lift: Figure | None = None


class Slot(msgspec.Struct, frozen=True):
    """One position of the slate: what was earned there as logged and what the target would, by this position's own
    weights."""

    position: int
    rows: int
    logged: float
    value: float | None
    mean_weight: float
    ess: float
    events: int


class Day(msgspec.Struct, frozen=True):
    """The decisions of one day, which begins at `at` in UTC."""

    at: float
    rows: int
    logged: float
    value: float | None
    mean_weight: float
    std_error: float | None
    ess: float


class Heavy(msgspec.Struct, frozen=True):
    """A decision that carries much of the weight."""

    decision: str
    weight: float
    share: float


class Level(msgspec.Struct, frozen=True):
    """The estimate with weights shrunk to a level; `kept` is the share of all weight that is left."""

    level: float
    kept: float
    value: float


class Weighed(msgspec.Struct, frozen=True):
    """How often weights lie between `low` and `high`."""

    low: float
    high: float
    rows: int


class Details(msgspec.Struct, frozen=True):
    """Where an answer over all decisions comes from: by position and by day, the heaviest decisions, how weights are
    spread, and, of an estimator that has a level, what others would have given."""

    positions: tuple[Slot, ...]
    days: tuple[Day, ...]
    heaviest: tuple[Heavy, ...]
    weights: tuple[Weighed, ...]
    levels: tuple[Level, ...]


class Answer(msgspec.Struct, frozen=True):
    """What one strategy would have earned by one metric, on all decisions or on those of a `segment`.

    `status` is "refused" where a gate withholds the estimate: `estimate` and `difference` are there for machines, and
    must not be shown; `bounds` is what can be said all the same. The difference is
    to be shown where the two can be `compared`.
    """

    strategy: str
    metric: str
    segment: str | None
    status: str
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    rows: int
    users: int
    estimate: Figure | None
    logged: Figure
    difference: Difference | None
    compared: bool
    bounds: tuple[float, float] | None
    interval: str
    diagnostics: Diagnostics
    max_weight: float | None
    details: Details | None

    @property
    def refused(self) -> bool:
        return self.status == "refused"


PASSED_OVER: Final = "passed over by the run"
"""The reason for which a run leaves out decisions that it would not have made."""


class Evaluation(msgspec.Struct, frozen=True):
    """The answer to `question`, for each strategy, metric and segment.

    `decisions` entered into it, made from `since` to `until`; those in `left_out`, by reason, did not. `pending` is the
    share of decisions whose rewards may still come. `why` says why this estimator, `assumption` when it is right.
    """

    question: str
    surface: str
    estimator: str
    why: str
    assumption: str
    alpha: float
    decisions: int
    users: int
    since: float
    until: float
    left_out: dict[str, int]
    pending: float
    answers: tuple[Answer, ...]
    notes: tuple[str, ...] = ()

    @property
    def as_logged(self) -> str:
        """What the figure is called that the decisions of the log earned as they are."""
        return "as logged, kept ones" if PASSED_OVER in self.left_out else "as logged"

    @property
    def refused(self) -> bool:
        """Whether a gate withholds any estimate over all decisions."""
        return any(answer.refused for answer in self.answers if answer.segment is None)


def counts(left_out: Mapping[str, int]) -> str:
    """What was left out, by reason."""
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "none"
