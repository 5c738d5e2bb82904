"""What each variant's policy is worth by itself: on slates that another one made, and frozen on its own.

The comparison of arms is of the whole run: who learned when, and from whom, is in it. Here the log's propensities say
what a policy would have earned in the very visits that came. Every decision is made again for it, so it is asked for.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bandstand.ask import understand
from bandstand.errors import InputError
from bandstand.events import Decided, Exposed, Rewarded
from bandstand.experiments.definition import Experiment
from bandstand.experiments.definition import variant as named
from bandstand.experiments.metrics import Metric
from bandstand.model import Model, Published
from bandstand.rank import slate_propensities
from bandstand.recipe import Recipe, inside, outside, tuned
from bandstand.replay import Stops, revisited
from bandstand.report.gathered import Life
from bandstand.report.infer import LEAST_ACTIVE, LEAST_UNITS
from bandstand.report.result import PolicyValue
from bandstand.report.stretch import Floats, Ints
from bandstand.state import State
from bandstand.stats.diagnostics import diagnostics, gate
from bandstand.stats.lyapunov import average_sequence
from bandstand.stats.moments import Moments
from bandstand.stats.sequences import Sequence as Average
from bandstand.stats.slate_weights import prefix_weights
from bandstand.stats.weights import WeightedSums
from bandstand.store import EventLog, entries
from bandstand.strategy import LONGEST_SLATE


class _Row(NamedTuple):
    """One slate: when it was decided, the positions of its first picks (-1 where one was not seen), with which
    probability each was drawn, and with which each policy asked would have; `whole` where it has no more picks."""

    decision: str
    at: float
    positions: list[int]
    whole: bool
    logged: list[float]
    asked: dict[str, Floats]


def policy_values(log: EventLog, life: Life, *, depth: int) -> tuple[PolicyValue, ...]:
    """For every variant's slates, what each other variant's policy would have earned on their first `depth` positions,
    as it had learned from its own traffic by then; and its own policy, frozen halfway, on the second half. Halfway is
    of the slates that had come by this look, so of the frozen policy each look asks another question.

    By the experiment's first decision metric that is a sum of rewards; InputError where there is none.
    """
    if not 1 <= depth <= LONGEST_SLATE:
        raise InputError(
            f"policies is {depth}, must be from 1 to {LONGEST_SLATE}: how many positions of a slate count",
            field="policies",
        )
    metric = _metric(life.experiment)
    past = _Past(life, metric)
    for entry in entries(log):
        if entry.seq > life.as_of:
            break
        past.apply(entry.seq, entry.at, entry.fact)
    visits = _Visits(life.experiment, past, depth)
    for model, seq, fact in revisited(log, past.stops):
        visits.take(model, past.variant[seq], fact)
    return tuple(_values(life.experiment, metric, visits.rows, past, depth=depth))


class _Past:
    """What must be known before decisions are visited: which they are, what was shown of them, what they earned."""

    def __init__(self, life: Life, metric: Metric) -> None:
        self._name, self._reward = life.experiment.name, metric.reward
        self._variants = {one.name for one in life.experiment.variants}
        self._whole, self._single = set[str](), set[tuple[str, int]]()
        self.rewards: dict[str, list[tuple[float, int | None, float]]] = {}
        self.stops = Stops()
        self.variant: dict[int, str] = {}
        self.counts: dict[str, int] = dict.fromkeys(self._variants, 0)
        self.at: dict[str, float] = {}

    def apply(self, seq: int, at: float, fact: object) -> None:
        match fact:
            case Decided(imported=False) if fact.picks:
                for one in fact.assignments:
                    if one.experiment == self._name and not one.forced and one.variant in self._variants:
                        self.variant[seq] = one.variant
                        self.counts[one.variant] += 1
                        self.at[fact.decision] = at
                        self.stops.add(
                            as_of=fact.as_of, weights_as_of=fact.weights_as_of, fits_as_of=fact.fits_as_of, seq=seq
                        )
            case Exposed(positions=None):
                self._whole.add(fact.decision)
            case Exposed(positions=tuple(positions)):
                self._single.update((fact.decision, position) for position in positions)
            case Rewarded() if fact.name == self._reward and fact.decision in self.at:
                self.rewards.setdefault(fact.decision, []).append((at, fact.position, fact.value))
            case _:
                pass

    def seen(self, fact: Decided) -> set[int]:
        shown = {pick.position for pick in fact.picks}
        if fact.request.shown or fact.decision in self._whole:
            return shown
        return {position for position in shown if (fact.decision, position) in self._single}


class _Visits:
    """Every slate with what each policy says of it, and the weights of each variant halfway."""

    def __init__(self, experiment: Experiment, past: _Past, depth: int) -> None:
        self._experiment, self._past, self._depth = experiment, past, depth
        self._frozen: dict[str, Published] = {}
        self._passed: Counter[str] = Counter()
        self.rows: dict[str, list[_Row]] = {one.name: [] for one in experiment.variants}

    def take(self, model: Model, side: str, fact: Decided) -> None:
        self._passed[side] += 1
        seen, picks = self._past.seen(fact), fact.picks[: self._depth]
        if not seen:
            return
        asked = understand(model.state, fact.request, fact.decision)
        items = [pick.item for pick in picks]
        said: dict[str, Floats] = {}
        for one in self._experiment.variants:
            recipe = _recipe(model.state, fact, self._experiment.name, one.name)
            if one.name != side:
                said[one.name] = slate_propensities(model, asked, recipe, items)
            elif recipe.learns and self._halfway(side, model.published):
                newest, model.published = model.published, self._frozen[side]
                said[side] = slate_propensities(model, asked, recipe, items)
                model.published = newest
        positions = [pick.position if pick.position in seen else -1 for pick in picks]
        logged, whole = [pick.propensity for pick in picks], len(picks) == len(fact.picks)
        self.rows[side].append(_Row(fact.decision, self._past.at[fact.decision], positions, whole, logged, said))

    def _halfway(self, side: str, published: Published) -> bool:
        """Whether the later half of this variant's slates has begun; its first one says which weights are frozen."""
        if 2 * self._passed[side] <= self._past.counts[side]:
            return False
        self._frozen.setdefault(side, published)
        return True


def _recipe(state: State, fact: Decided, experiment: str, variant: str) -> Recipe:
    """What would have ranked had the decision's unit been of this variant, and as it was in other experiments."""
    sides = {one.experiment: one.variant for one in fact.assignments} | {experiment: variant}
    trials = [(state.trials[name].definition, side) for name, side in sides.items()]
    recipe = outside(state, state.surfaces[fact.request.surface].strategy)
    for trial, side in trials:
        if not trial.tunes:
            recipe = inside(state, trial, named(trial, side))
    for trial, side in trials:
        if trial.tunes:
            recipe = tuned(recipe, trial, named(trial, side))
    return recipe


def _values(
    experiment: Experiment, metric: Metric, rows: dict[str, list[_Row]], past: _Past, *, depth: int
) -> Iterator[PolicyValue]:
    for side in rows:
        # The fold passes decisions in the order of what their servers had read; time goes by the log.
        own = sorted(rows[side], key=lambda row: row.at)
        for policy in rows:
            of = [row for row in own if policy in row.asked]
            if policy == side and not of:
                continue  # it does not learn, so there is nothing to freeze
            start = of[0].at if policy == side else None
            empty = PolicyValue(side, policy, metric.name, metric.reward, depth, len(of), frozen_at=start)
            yield _value(experiment, empty, of, past)


def _value(experiment: Experiment, empty: PolicyValue, rows: list[_Row], past: _Past) -> PolicyValue:
    """The running average of what the policy would have earned in the visits that came, and its gain over what was
    shown there."""
    try:
        earned, scores, weights = _scores(rows, empty.policy, past, depth=empty.depth)
        if len(rows) < LEAST_UNITS:
            raise InputError(f"{len(rows)} slates, this begins at {LEAST_UNITS}; wait for more data.")
        doubts = gate(diagnostics(WeightedSums.of(earned, weights)))
        if doubts:
            raise InputError(doubts[0])
        start = _start((earned != 0) & (weights > 0))
        value = _sequence(experiment, scores, start)
        differ = ~np.isclose(scores, earned, atol=1e-12)  # elsewhere it would have shown the same, as likely
        if 0 < differ.sum() < LEAST_ACTIVE:
            raise InputError(f"It differs on {differ.sum()} slates, this begins at {LEAST_ACTIVE}; wait for more data.")
        same = Average(0.0, 0.0, 0.0, 1.0, 0.0)
        gain = _sequence(experiment, scores - earned, max(start, _start(differ))) if differ.any() else same
    except InputError as error:
        return msgspec.structs.replace(empty, reason=str(error))
    return msgspec.structs.replace(
        empty,
        value=value.value,
        low=value.low,
        high=value.high,
        as_shown=float(earned.mean()),
        difference=gain.value,
        difference_low=gain.low,
        difference_high=gain.high,
        p_value=gain.p_value,
        ess=float(weights.sum() ** 2 / np.square(weights).sum()),
    )


def _scores(rows: list[_Row], policy: str, past: _Past, *, depth: int) -> tuple[Floats, Floats, Floats]:
    r"""What each slate earned, its score under the policy, and its mean weight.

    .. math:: \phi_t = \sum_k \big( w_{1:k-1}\, \hat q_{t,k} + w_{1:k} (r_{t,k} - \hat q_{t,k}) \big)

    as in the cascade doubly robust estimator [1]_, where :math:`\hat q_{t,k}` is what position k had earned on average,
    of slates and of rewards that came before slate t: it depends on no draw that is still to come, so scores are a
    martingale's steps.

    References
    ----------
    .. [1] Kiyohara, Saito, Matsuhiro, Narita, Shimizu, Yamamoto (2022), "Doubly robust off-policy evaluation for
       ranking policies under the cascade behavior model", WSDM, arXiv:2202.01562, equation 5.
    """
    n = len(rows)
    target, logged = np.ones((n, depth)), np.ones((n, depth))
    rewards, there = np.zeros((n, depth)), np.zeros((n, depth), np.bool_)
    events: list[tuple[array[float], array[float]]] = [(array("d"), array("d")) for _ in range(depth)]
    for t, row in enumerate(rows):
        upto = len(row.logged)
        target[t, :upto], logged[t, :upto], there[t, :upto] = row.asked[policy], row.logged, True
        for at, position, value in past.rewards.get(row.decision, ()):
            if position in row.positions or (position is None and row.whole):
                k = upto - 1 if position is None else row.positions.index(position)
                rewards[t, k] += value
                events[k][0].append(at)
                events[k][1].append(value)
    times = np.array([row.at for row in rows])
    expected = np.column_stack([_running(times, there[:, k], *events[k]) for k in range(depth)])
    weights = prefix_weights(target, logged)
    above = np.column_stack([np.ones(n), weights[:, :-1]])
    scores = np.where(there, above * expected + weights * (rewards - expected), 0.0).sum(axis=1)
    of_slate = np.where(there, weights, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return rewards.sum(axis=1), scores, of_slate


def _running(times: Floats, there: npt.NDArray[np.bool_], at: "array[float]", value: "array[float]") -> Floats:
    """Before each slate, what had come for this position over the slates that had it."""
    when, what = np.array(at), np.array(value)
    order: Ints = np.argsort(when, kind="stable")
    total = np.r_[0.0, np.cumsum(what[order])][np.searchsorted(when[order], times, side="left")]
    before: Ints = np.cumsum(there) - there
    return np.asarray(total / np.maximum(before, 1.0), np.float64)


def _start(active: npt.NDArray[np.bool_]) -> int:
    """From which slate on one may look: so many have come, and enough that tell something."""
    return max(LEAST_UNITS, int(np.argmax(np.cumsum(active) >= LEAST_ACTIVE)) + 1)


def _sequence(experiment: Experiment, scores: Floats, start: int) -> Average:
    """What scores vary by until the `start` of the looks is what it is made for."""
    typical = Moments.of(scores[:start]).variance
    return average_sequence(
        Moments.of(scores), typical_variance=typical, horizon=experiment.analysis.units, alpha=experiment.alpha
    )


def _metric(experiment: Experiment) -> Metric:
    for metric in experiment.metrics:
        if metric.role == "decision" and metric.reward and metric.kind in ("mean", "ratio", "proportion"):
            return metric
    raise InputError(
        f"experiment '{experiment.name}': no decision metric is a sum of rewards, which is what a slate earns; name "
        "one of kind 'mean' or 'ratio'",
        field="metrics",
    )
