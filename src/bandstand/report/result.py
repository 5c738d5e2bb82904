"""An experiment's result as data: what the command line prints and the API sends."""

from typing import Literal

import msgspec

from bandstand.experiments.definition import Method, Unit

Outcome = Literal["ahead", "behind", "mixed", "open", "waiting", "withheld"]


class Check(msgspec.Struct, frozen=True):
    """One thing that must be in order before the figures mean anything; `ok` is None where it cannot be told."""

    name: str
    ok: bool | None
    text: str


class Value(msgspec.Struct, frozen=True):
    """A metric of one variant: the sum of its rewards, and per unit (`mean`) or per pick shown (`ratio`)."""

    metric: str
    total: float
    value: float | None


class Arm(msgspec.Struct, frozen=True):
    """What one variant showed, to how many, and what came of it. Only what was really shown counts.

    In an interleaving both variants share units and decisions; picks and metrics are those of the variant's team.
    """

    variant: str
    strategy: str
    weight: float
    units: int
    decisions: int
    picks: int
    metrics: tuple[Value, ...]


class Votes(msgspec.Struct, frozen=True):
    """An interleaving's count: rewarded impressions, users by whom they preferred, and the share of impressions that
    the treatment won, ties by half."""

    impressions: int
    users: int
    users_for_control: int
    users_for_treatment: int
    sign_p_value: float
    win_rate: float = 0.5


class Comparison(msgspec.Struct, frozen=True):
    """A variant against the control on one metric; where it cannot be computed, `reason` says why.

    `difference` is treatment minus control, and `lift` that as a share of the control, None where the control cannot be
    told from zero. In an interleaving (`votes` is there) it is the share of rewards that speak for the treatment beyond
    one half, those that speak for neither counting half. `p_adjusted` allows for the number of decision comparisons
    (Holm).
    """

    metric: str
    role: str
    variant: str
    control: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    lift: float | None = None
    lift_low: float | None = None
    lift_high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    votes: Votes | None = None
    reason: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What the figures amount to. `variant` is the one that is ahead, where one is."""

    outcome: Outcome
    text: str
    variant: str | None = None


class Report(msgspec.Struct, frozen=True):
    """Everything about one experiment as of log position `as_of`; times are seconds since the epoch."""

    experiment: str
    hypothesis: str
    surface: str
    method: Method
    unit: Unit
    alpha: float
    state: str
    winner: str | None
    since: float | None
    until: float | None
    at: float
    as_of: int
    health: tuple[Check, ...]
    variants: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
