"""An experiment's result as data: what the command line prints and the API sends."""

from typing import Literal

import msgspec

from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Method, Unit

Outcome = Literal["ship", "stop", "keep running", "broken", "draft"]
Change = Literal["fades", "grows", "turns"]


class Check(msgspec.Struct, frozen=True):
    """One thing that must be in order before the figures mean anything; `ok` is None where it cannot be told, or is
    only worth knowing."""

    name: str
    ok: bool | None
    text: str


class Value(msgspec.Struct, frozen=True):
    """A metric of one variant: the sum of its rewards, and its value: per unit, a share, a ratio or a quantile. `units`
    are those that are old enough for it."""

    metric: str
    total: float
    value: float | None
    units: int = 0


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
    the treatment won, ties by half. `coins_p_value` is that of the coins alone, which assumes nothing of users; None
    where the method's coins cannot be counted, or there are too many."""

    impressions: int
    users: int
    users_for_control: int
    users_for_treatment: int
    sign_p_value: float
    win_rate: float = 0.5
    coins_p_value: float | None = None


class Comparison(msgspec.Struct, frozen=True):
    """A variant against the control on one metric; where it cannot be computed, `reason` says why.

    `difference` is treatment minus control, and `lift` that as a share of the control, None where the control cannot be
    told from zero. In an interleaving (`votes` is there) it is the share of rewards that speak for the treatment beyond
    one half, those that speak for neither counting half. Intervals and `p_value` are by the experiment's method (a
    Bayesian one has none, but `chance_to_win`, and
    `risk`, the expected loss of choosing the treatment, as a share of the control); `p_adjusted` allows for the number
    of comparisons, and `significant` is what it decides. `adjusted` says that covariates took part. A guardrail is
    `harmed` where it was shown to be worse (with a margin: by more than that), and `safe` where it was shown not to be.
    `alarm` says that it is shown to be worse however often one looks, whatever the method; all guardrails share α.
    """

    metric: str
    role: str
    variant: str
    control: str
    better: str = "higher"
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    std_error: float | None = None
    lift: float | None = None
    lift_low: float | None = None
    lift_high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    significant: bool | None = None
    adjusted: bool = False
    chance_to_win: float | None = None
    risk: float | None = None
    margin: float | None = None
    harmed: bool | None = None
    safe: bool | None = None
    alarm: bool | None = None
    look: int | None = None
    votes: Votes | None = None
    reason: str | None = None

    @property
    def told(self) -> bool:
        return self.difference is not None

    @property
    def better_by(self) -> float:
        """The difference, above zero where the treatment is better."""
        found = self.difference or 0.0
        return -found if self.better == "lower" else found

    @property
    def by_lift(self) -> bool:
        """Whether it may be told as a lift. The two intervals are of two statistics; at the edge one may hold 0 and the
        other not, and it is the difference that is tested."""
        if self.lift is None or self.lift_low is None or self.lift_high is None:
            return False
        if self.low is None or self.high is None:
            return True
        return (self.lift_low > 0, self.lift_high < 0) == (self.low > 0, self.high < 0)

    @property
    def stands(self) -> Literal["better", "worse"] | None:
        """What may be said at a glance, as by a colour: a guardrail harmed or safe; else ahead or behind, where that is
        significant and its interval leaves 0 out."""
        if self.role == "guardrail" or self.harmed:
            return "worse" if self.harmed else "better" if self.safe else None
        if not self.significant or (self.low or 0.0) <= 0 <= (self.high or 0.0):
            return None
        return "better" if self.better_by > 0 else "worse"


class Segment(msgspec.Struct, frozen=True):
    """A decision metric among the units with one value of a context field, each under 1 − α on its own. `p_differs` is
    the p-value of "the variant works alike in all segments of this field" (Cochran's Q), corrected over fields."""

    field: str
    value: str
    units: int
    comparison: Comparison
    p_differs: float | None = None


class Interaction(msgspec.Struct, frozen=True):
    """What another experiment with the same units does to this one: to a `metric`, or (None) to who has which variant.

    `cells` counts the units in each pair of variants, a row for each of ours and a column for each of the `arms` there;
    `effects` has for each treatment its difference from the control, in each of these arms. `ok` is None where it
    cannot be told.
    """

    other: str
    metric: str | None
    arms: tuple[str, ...]
    units: int
    cells: tuple[tuple[int, ...], ...]
    effects: tuple[tuple[float, ...], ...] = ()
    p_value: float | None = None
    p_adjusted: float | None = None
    ok: bool | None = None
    text: str = ""


class Day(msgspec.Struct, frozen=True):
    """The difference between variant and control in what units did on their own `day`, the first of which is 1."""

    day: int
    difference: float
    low: float
    high: float


class Novelty(msgspec.Struct, frozen=True):
    """A decision metric's effect by days since first exposure, of `units` that have been there on all of these days,
    each under 1 − α on its own. `slope` is how much it changes a day, with its interval and p-value by the experiment's
    method, for one look; `p_adjusted` is corrected over metrics and variants, and `change` what that amounts to, None
    where it may be nothing. Where it cannot be told, `text` says why, and there are no days."""

    metric: str
    variant: str
    units: int
    days: tuple[Day, ...] = ()
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    change: Change | None = None
    text: str = ""


class Point(msgspec.Struct, frozen=True):
    """A comparison as it stood at one moment: a lift where `relative`, else a difference."""

    at: float
    metric: str
    variant: str
    value: float
    low: float
    high: float
    relative: bool


class Entered(msgspec.Struct, frozen=True):
    """How many units each variant had by then."""

    at: float
    units: tuple[int, ...]


class PolicyValue(msgspec.Struct, frozen=True):
    """What a policy would have earned on the `slates` that variant `log` made, in rewards called `reward` on the first
    `depth` positions of a slate; where it cannot be told, `reason` says why.

    The policy is that of the variant `policy`, as it had learned at each moment; where `frozen_at` is there, of `log`
    as it was then, asked about later slates. `value` is the average over the visits that came, `as_shown` what was
    shown earned there, and `difference` the one less the other. Intervals hold at every look; where `frozen_at` is
    there for one, as the next look freezes later. `ess` says how many slates of the policy's own would tell as much.
    """

    log: str
    policy: str
    metric: str
    reward: str
    depth: int
    slates: int
    frozen_at: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    as_shown: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None
    ess: float | None = None
    reason: str | None = None


class Range(msgspec.Struct, frozen=True):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class Beside(msgspec.Struct, frozen=True):
    """What was promised, beside what was then measured: "kept" where the two cannot be told apart, else on which side
    of the promise the measured one is; None where either is missing, or an always-valid sequence does not
    begin yet."""

    promised: Range | None = None
    measured: Range | None = None
    came: Literal["kept", "above", "below"] | None = None


class Promise(msgspec.Struct, frozen=True):
    """A variant by the rewards of a `metric`, summed per shown slate; against the control too, where it is another.

    `withheld` says why the log gives no figure, `note` what to think of where it gives one.
    """

    metric: str
    reward: str
    variant: str
    value: Beside
    difference: Beside | None = None
    lift: Beside | None = None
    withheld: str = ""
    note: str = ""


class Promised(msgspec.Struct, frozen=True):
    """What the latest `decisions` before the experiment began had promised of its variants; `reason` says why nothing,
    or nothing of some metrics."""

    decisions: int = 0
    since: float | None = None
    until: float | None = None
    estimator: str = ""
    assumption: str = ""
    rows: tuple[Promise, ...] = ()
    reason: str = ""


class Frozen(msgspec.Struct, frozen=True):
    """What the policies were worth that variants had come to at log time `at`: the decision metrics of the `share` of
    units that they serve from then on, each from its first decision of that time on. `text` says how far it has come.
    """

    at: float
    share: float
    text: str
    health: tuple[Check, ...] = ()
    variants: tuple[Arm, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """What the figures amount to by the rule that was written down beforehand, and why. `variant` is the one to ship,
    where one is."""

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
    analysis: Analysis
    state: str
    winner: str | None
    since: float | None
    until: float | None
    at: float
    as_of: int
    verdict: Verdict
    health: tuple[Check, ...]
    variants: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    segments: tuple[Segment, ...] = ()
    timeline: tuple[Point, ...] = ()
    entered: tuple[Entered, ...] = ()
    interactions: tuple[Interaction, ...] | None = None
    novelty: tuple[Novelty, ...] = ()
    policies: tuple[PolicyValue, ...] = ()
    promised: Promised | None = None
    frozen: Frozen | None = None
