"""What came of an interleaving: whose picks were preferred, by slate and by user."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from bandstand.errors import InputError
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric
from bandstand.report.coins import coins_p_value
from bandstand.report.compare import corrected, incomputable
from bandstand.report.gathered import Drafts, Gathered
from bandstand.report.infer import LEAST_UNITS
from bandstand.report.result import Arm, Check, Comparison, Entered, Point, Report, Value, Votes
from bandstand.report.slates import Slate, slates
from bandstand.report.stretch import Floats
from bandstand.report.tally import Contests, Drafted, contests, drafted, rounds
from bandstand.report.timeline import Moment, moments, stood
from bandstand.report.verdict import concluded
from bandstand.stats.interleaving import Preference, credit_preference
from bandstand.stats.sample_ratio import sample_ratio
from bandstand.stats.sequences import always_above, always_valid
from bandstand.store import EventLog

# How great the bias is, and of what: `experiments.interleaving.balanced`.
_BIASED: Final = (
    "clicks that depend on positions alone can prefer a side of a balanced slate; confirm the result by team_draft or "
    "an A/B test before it is acted upon"
)


def drafts(log: EventLog, gathered: Gathered) -> Drafts:
    """All slates, up to where the log was read; of those that are known it is not read again."""
    life, (after, known) = gathered.life, gathered.drafts
    return Drafts(life.as_of, slates(log, life.experiment, upto=life.as_of, known=known, after=after))


def interleaved(log: EventLog, gathered: Gathered, *, history: bool = False) -> Report:
    """Memory grows by one slate a decision."""
    life = gathered.life
    experiment = life.experiment
    every = list(drafts(log, gathered).slates.values())
    shown = [slate for slate in every if slate.shown]
    comparisons = corrected(
        experiment,
        [
            preferred(experiment, metric, shown, treatment=index)
            for metric in experiment.metrics
            for index in range(1, len(experiment.variants))
        ],
    )
    teams = drafted(experiment, shown)
    arms = tuple(_arm(experiment, variant, teams[variant.name]) for variant in experiment.variants)
    first = _first(shown)
    found = concluded(life, _health(experiment, every, shown), arms, comparisons, units=len(first))
    if not history:
        return found
    course = moments(first, life)
    timeline, entered = tuple(_timeline(experiment, shown, course)), tuple(_entered(experiment, first, course))
    return msgspec.structs.replace(found, timeline=timeline, entered=entered)


def preferred(experiment: Experiment, metric: Metric, shown: Sequence[Slate], *, treatment: int = 1) -> Comparison:
    """The treatment against the control on one metric, by whom the rewards on these slates speak for."""
    wins = contests(rounds(experiment, metric, shown, treatment=treatment))
    found = judged(experiment, metric, wins, treatment=treatment)
    if found.votes is None:
        return found
    coins = coins_p_value(experiment, metric, shown, treatment=treatment)
    return msgspec.structs.replace(found, votes=msgspec.structs.replace(found.votes, coins_p_value=coins))


def judged(experiment: Experiment, metric: Metric, wins: Contests, *, treatment: int) -> Comparison:
    """The same of these users, but for the coins."""
    names = [variant.name for variant in experiment.variants]
    pair = Comparison(metric.name, metric.role, variant=names[treatment], control=names[0], better=metric.better)
    try:
        found = credit_preference(wins.credit_control, wins.credit_treatment, wins.rewards, alpha=experiment.alpha)
    except InputError as error:
        return incomputable(pair, str(error))
    low, high, p_value, pair = found.low, found.high, found.p_value, guarded(experiment, metric, pair, found)
    if experiment.analysis.method != "fixed":
        if found.users < LEAST_UNITS:
            have = f"{found.users} users, an always-valid interval begins at {LEAST_UNITS}; wait for more data."
            return incomputable(pair, have)
        horizon = experiment.analysis.units
        one = always_valid(found.delta, found.std_error, found.users, horizon=horizon, alpha=experiment.alpha)
        low, high, p_value = one.low, one.high, one.p_value
    slates = float(wins.control.sum() + wins.treatment.sum() + wins.ties.sum())
    return msgspec.structs.replace(
        pair,
        difference=found.delta,
        low=low,
        high=high,
        std_error=found.std_error,
        p_value=p_value,
        significant=p_value < experiment.alpha,
        votes=Votes(
            impressions=int(slates),
            users=found.users,
            users_for_control=found.users_for_a,
            users_for_treatment=found.users_for_b,
            sign_p_value=found.sign_p_value,
            win_rate=float(wins.treatment.sum() + wins.ties.sum() / 2) / slates,
        ),
    )


def guarded(experiment: Experiment, metric: Metric, pair: Comparison, found: Preference) -> Comparison:
    """A guardrail with its alarm, one-sided and for every look, whatever the method's; all alarms share α out. It is
    harmed where the method's own one-sided test says so."""
    if metric.role != "guardrail":
        return pair
    worse = found.delta if metric.better == "lower" else -found.delta

    def always(alpha: float) -> bool:
        horizon = experiment.analysis.units
        if found.users < LEAST_UNITS:
            return False
        return always_above(worse, found.std_error, found.users, horizon=horizon, alpha=alpha).p_value < alpha

    alarms = sum(one.role == "guardrail" for one in experiment.metrics) * (len(experiment.variants) - 1)
    once = worse > 0 and found.p_value / 2 < experiment.alpha
    harmed = once if experiment.analysis.method == "fixed" else always(experiment.alpha)
    return msgspec.structs.replace(pair, harmed=harmed, alarm=always(experiment.alpha / alarms))


def _timeline(experiment: Experiment, shown: Sequence[Slate], course: Sequence[Moment]) -> Iterator[Point]:
    """The decision metrics' intervals at each moment: of the slates that had been shown, with all that they earned."""
    for metric in experiment.metrics:
        for treatment in range(1, len(experiment.variants)) if metric.role == "decision" else ():
            each = rounds(experiment, metric, shown, treatment=treatment)
            for at, as_of in course:
                point = stood(judged(experiment, metric, contests(each, until=as_of), treatment=treatment), at)
                if point is not None:
                    yield point


def _entered(experiment: Experiment, first: Floats, course: Sequence[Moment]) -> Iterator[Entered]:
    """Every unit sees all variants."""
    ordered = np.sort(first)
    for at, as_of in course:
        yield Entered(at, (int(np.searchsorted(ordered, as_of, side="right")),) * len(experiment.variants))


def _first(shown: Sequence[Slate]) -> Floats:
    """When each unit was first shown something."""
    first: dict[str, float] = {}
    for slate in shown:
        first[slate.unit] = min(slate.at, first.get(slate.unit, slate.at))
    return np.array(list(first.values()), np.float64)


def _health(experiment: Experiment, every: Sequence[Slate], shown: Sequence[Slate]) -> tuple[Check, ...]:
    unseen = len(every) - len(shown)
    text = f"{unseen} of {len(every)} decisions wait for an exposure and do not count until then"
    found = [*_turns(experiment, shown)]
    if unseen:
        found.append(Check("exposures", None, text))
    if experiment.interleave == "balanced":
        found.append(Check("balanced", None, _BIASED))
    return tuple(found)


def _turns(experiment: Experiment, shown: Sequence[Slate]) -> Iterator[Check]:
    """Whose pick stands highest is for the coin to say, as long as every ranking has one to give."""
    if experiment.interleave not in ("team_draft", "balanced"):
        return
    began = [slate.began for slate in shown]
    counts = {variant.name: began.count(variant.name) for variant in experiment.variants}
    found = sample_ratio(counts, {variant.name: variant.weight for variant in experiment.variants})
    told = " : ".join(f"{count:,}" for count in counts.values())
    if found.ok is False:
        why = f"{told} slates began with them, too unequal for a fair coin (p = {found.p_value:.2g}); look whether "
        yield Check("turns", False, why + "slates are cached, reordered or lost on the way")
    elif found.ok:
        yield Check(
            "turns", True, f"{told} slates began with one or the other, as a fair coin has it (p = {found.p_value:.2g})"
        )


def _arm(experiment: Experiment, variant: Variant, units: Drafted) -> Arm:
    return Arm(
        variant=variant.name,
        strategy=variant.strategy,
        weight=variant.weight,
        units=len(units.picks),
        decisions=int(units.decisions.sum()),
        picks=int(units.picks.sum()),
        metrics=tuple(_value(metric, units) for metric in experiment.metrics),
    )


def _value(metric: Metric, units: Drafted) -> Value:
    total = float(np.sum(units.rewards[metric.name]))
    base = len(units.picks) if metric.kind == "mean" else float(units.picks.sum())
    return Value(metric.name, total, total / base if base else None, len(units.picks))
