"""What another strategy would have earned on the decisions of a log, from the log alone."""

from array import array
from collections import Counter, defaultdict
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandstand.ask import understand
from bandstand.errors import InputError, UnknownError
from bandstand.events import Decided, Entry, Exposed, Inline, Rewarded, StrategyPut, SurfacePut
from bandstand.rank import Recipe, slate_propensities
from bandstand.replay import Progress, Stops, revisited
from bandstand.stats.diagnostics import diagnostics, gate
from bandstand.stats.moments import Moments
from bandstand.stats.offpolicy import Estimate, ips, snips
from bandstand.stats.slate_weights import prefix_weights
from bandstand.stats.weights import WeightedSums, inverse_propensities
from bandstand.store import EventLog, entries
from bandstand.strategy import Strategy, Surface

Estimator = Literal["ips", "snips"]

# For a decision that another system made, the target's weights are as they stood at the last whole hundred of entries:
# to copy them out before every single one takes longer than all the rest.
FRESH: Final = 100
ESTIMATORS: Final = {"ips": ips, "snips": snips}


class Figure(msgspec.Struct, frozen=True):
    """A value per decision, with its interval."""

    value: float
    low: float
    high: float
    std_error: float | None


class Evaluation(msgspec.Struct, frozen=True):
    """The answer to `question`.

    `decisions` entered into it; those in `left_out`, by reason, did not. `on_policy` is what the logged slates earned
    themselves. `doubts` are reasons not to believe the estimate, drawn from the `diagnostics`.
    """

    question: str
    strategy: str
    surface: str
    estimator: Estimator
    alpha: float
    decisions: int
    left_out: dict[str, int]
    estimate: Figure
    on_policy: Figure
    diagnostics: dict[str, float | None]
    doubts: tuple[str, ...]


class Earned(NamedTuple):
    """What each pick of a slate earned, and what came for the slate as a whole."""

    picks: npt.NDArray[np.float64]
    whole: float


def evaluate(
    log: EventLog,
    strategy: str | Strategy,
    *,
    surface: str | None = None,
    weights: str | None = None,
    estimator: Estimator = "ips",
    alpha: float = 0.05,
    progress: Progress | None = None,
) -> Evaluation:
    """Estimate what the strategy would have earned per decision on a surface: by default the only one that decided.

    At each decision the strategy is asked how likely it would have shown what was shown, from what the deciding server
    knew then and from the weights that it had at that moment; `weights` names others than its own. Each reward in the
    log counts, late ones too, at its worth by the surface's latest definition. Left out are interleaved slates, whose
    propensities are neither side's (but for those that are exact), empty ones, and those that nobody was shown.

    UnknownError for a strategy, surface or weights that the log does not know; InputError where decisions or rewards
    are too few for an interval.
    """
    past = _Past(surface)
    for entry in entries(log):
        past.apply(entry)
    place = past.place()
    name, definition = past.target(strategy, weights)
    learns = definition.policy.scored_by == "weights"
    rows = _Rows()
    for model, _, fact in revisited(log, past.stops, learning=learns, progress=progress):
        seen = past.positions_seen(fact)
        if not seen:
            past.left_out["not shown"] += 1
            continue
        recipe = Recipe(name, definition, weights or model.state.weights_name(name))
        asked = understand(model.state, fact.request, fact.decision)
        target = slate_propensities(model, asked, recipe, [pick.item for pick in fact.picks])
        rows.add(fact, target, past.earned(fact, seen, past.surfaces[place]))
    if not rows.weights:
        raise InputError(f"surface {place!r}: no decision can be evaluated; left out: {_counts(past.left_out)}")
    sums = rows.sums()
    found = diagnostics(sums, inverse_propensities=rows.inverse_propensities())
    return Evaluation(
        question=_question(name, place, weights, learns=learns),
        strategy=name,
        surface=place,
        estimator=estimator,
        alpha=alpha,
        decisions=len(rows.weights),
        left_out=dict(past.left_out),
        estimate=_figure(ESTIMATORS[estimator](sums, alpha=alpha)),
        on_policy=_figure(ips(rows.earned_sums(), alpha=alpha)),
        diagnostics=found._asdict(),
        doubts=gate(found),
    )


class _Past:
    """What must be known of a log before its decisions are visited: where they were made, and what came of them."""

    def __init__(self, surface: str | None) -> None:
        self._surface = surface
        self._rewards: defaultdict[str, list[Rewarded]] = defaultdict(list)
        self._exposed: defaultdict[str, set[int]] = defaultdict(set)
        self._exposed_whole: set[str] = set()
        self._decided_on: Counter[str] = Counter()
        self._taught: set[str] = set()
        self._strategies: dict[str, Strategy] = {}
        self.surfaces: dict[str, Surface] = {}
        self.stops = Stops()
        self.left_out: Counter[str] = Counter()

    def apply(self, entry: Entry) -> None:
        match entry.fact:
            case Decided() as fact:
                self._taught.update(fact.teaches)
                self._decided_on[fact.request.surface] += 1
                if self._surface in (None, fact.request.surface):
                    self._decided(entry.seq, fact)
            case Exposed(positions=None) as fact:
                self._exposed_whole.add(fact.decision)
            case Exposed(positions=tuple(positions)) as fact:
                self._exposed[fact.decision].update(positions)
            case Rewarded() as fact if self._surface in (None, fact.surface):
                self._rewards[fact.decision].append(fact)
            case StrategyPut() as fact:
                self._strategies[fact.name] = msgspec.json.decode(fact.definition, type=Strategy)
            case SurfacePut() as fact:
                self.surfaces[fact.name] = msgspec.json.decode(fact.definition, type=Surface)
            case _:
                pass

    def place(self) -> str:
        """The surface that is asked about."""
        known = ", ".join(sorted(self._decided_on)) or "none"
        if self._surface is None:
            if len(self._decided_on) != 1:
                raise InputError(f"surface: name one of those on which the log has decisions: {known}", field="surface")
            return next(iter(self._decided_on))
        if self._surface not in self._decided_on:
            raise UnknownError(
                f"surface {self._surface!r}: the log has no decisions on it; it has on: {known}", field="surface"
            )
        return self._surface

    def target(self, strategy: str | Strategy, weights: str | None) -> tuple[str, Strategy]:
        """Name and definition of the strategy that is asked about."""
        if weights is not None and weights not in self._taught:
            known = ", ".join(sorted(self._taught)) or "none"
            raise UnknownError(f"weights {weights!r}: nothing ever taught them; known: {known}", field="weights")
        if isinstance(strategy, Strategy):
            if weights is None and strategy.policy.scored_by == "weights":
                raise InputError("weights: a strategy without a name has none of its own; name some", field="weights")
            return "given", strategy
        if strategy not in self._strategies:
            known = ", ".join(sorted(self._strategies)) or "none"
            raise UnknownError(f"strategy {strategy!r} is not defined; known: {known}", field="strategy")
        return strategy, self._strategies[strategy]

    def positions_seen(self, fact: Decided) -> set[int]:
        shown = {pick.position for pick in fact.picks}
        if fact.request.shown or fact.decision in self._exposed_whole:
            return shown
        return shown & self._exposed.get(fact.decision, set())

    def earned(self, fact: Decided, seen: set[int], surface: Surface) -> Earned:
        """As the learner counts it: a pick that was seen and earned nothing gets the default, unless something came for
        the whole slate."""
        came: dict[int | None, float] = defaultdict(float)
        for reward in self._rewards.get(fact.decision, ()):
            came[reward.position] += surface.worth(reward.name, reward.value)
        default = 0.0 if None in came else surface.default_reward
        picks = [came.get(pick.position, default if pick.position in seen else 0.0) for pick in fact.picks]
        return Earned(np.array(picks), came.get(None, 0.0))

    def _decided(self, seq: int, fact: Decided) -> None:
        if fact.rankings and not (fact.interleaved and fact.interleaved.exact):
            self.left_out["interleaved"] += 1
        elif not fact.picks:
            self.left_out["empty"] += 1
        elif fact.imported:
            self.stops.add(as_of=seq - 1, weights_as_of=(seq - 1) // FRESH * FRESH, seq=seq)
        else:
            self.stops.add(as_of=fact.as_of, weights_as_of=fact.weights_as_of, fits_as_of=fact.fits_as_of, seq=seq)


class _Rows:
    """One row a decision, as numbers.

    With w_1:k the probability of the first k picks under the target over that under the logger, a slate scores
    Σ_k w_1:k r_k + w_1:n r_whole (unbiased where users read from the top; McInerney et al. 2020, equation 3). Its row
    has the mean of its w_1:k as the weight and the score over that as the reward: weights average 1, weighted rewards
    are the scores, and a slate of one is plain importance weighting.
    """

    def __init__(self) -> None:
        self.weights = array("d")
        self._rewards = array("d")
        self._earned = array("d")
        self._units = array("q")
        self._users: dict[str, int] = {}
        self._first_propensities = array("d")
        self._candidates = array("q")
        self._placed = 0

    def add(self, fact: Decided, target: npt.NDArray[np.float64], earned: Earned) -> None:
        logged = [pick.propensity for pick in fact.picks]
        prefixes = prefix_weights([target], [logged])[0]
        weight = float(prefixes.mean())
        score = float(prefixes @ earned.picks + prefixes[-1] * earned.whole)
        self.weights.append(weight)
        self._rewards.append(score / weight if weight else 0.0)
        self._earned.append(float(earned.picks.sum()) + earned.whole)
        user = fact.request.user
        # Without a user a decision stands for itself.
        self._units.append(-len(self.weights) if user is None else self._users.setdefault(user, len(self._users)))
        if any(pick.rule is not None for pick in fact.picks):
            self._placed += 1  # what a rule places was not drawn, so its propensity says nothing of the draw
        elif fact.request.candidates is not None:
            named = {one.item if isinstance(one, Inline) else one for one in fact.request.candidates}
            self._first_propensities.append(logged[0])
            self._candidates.append(len(named - fact.skipped.keys()))

    def sums(self) -> WeightedSums:
        return WeightedSums.of(self._rewards, self.weights, clusters=self._clusters)

    def earned_sums(self) -> WeightedSums:
        return WeightedSums.of(self._earned, np.ones(len(self._earned)), clusters=self._clusters)

    def inverse_propensities(self) -> Moments | None:
        """Of the first slot, where no rule placed picks; None where a decision does not say how many candidates there
        were."""
        if not self._candidates or len(self._candidates) + self._placed < len(self.weights):
            return None
        return inverse_propensities(self._first_propensities, self._candidates)

    @property
    def _clusters(self) -> npt.NDArray[np.int64] | None:
        return np.array(self._units) if self._users else None


def render(evaluation: Evaluation) -> RenderableType:
    """The evaluation as people read it in a terminal of 80 columns."""
    out = f"; left out: {_counts(evaluation.left_out)}" if evaluation.left_out else ""
    parts: list[RenderableType] = [Text(evaluation.question), Text(f"{evaluation.decisions:,} decisions{out}"), Text()]
    figures = Table(box=None, pad_edge=False)
    for heading in ("", "per decision", f"{100 * (1 - evaluation.alpha):g}% interval"):
        figures.add_column(heading)
    for name, figure in ((evaluation.estimator, evaluation.estimate), ("as logged", evaluation.on_policy)):
        figures.add_row(name, f"{figure.value:.5g}", f"{figure.low:.5g} to {figure.high:.5g}")
    parts += [figures, Text(), Text(_support(evaluation.diagnostics))]
    parts += [Text(f"✗ {doubt}", style="bold red") for doubt in evaluation.doubts]
    return Group(*parts)


def _support(found: dict[str, float | None]) -> str:
    """The diagnostics in words."""
    inverse = found["inverse_propensity_ratio"]
    checked = "" if inverse is None else f", mean 1/(propensity · candidates) {inverse:.3f}"
    return (
        f"Effective sample size {found['ess']:,.0f} of {found['n']:,}, {found['events']:,} weighted decisions with a "
        f"reward, mean weight {found['mean_weight']:.3f} ± {found['mean_weight_se']:.2g}, greatest "
        f"{found['max_weight']:.3g}{checked}."
    )


def _question(strategy: str, surface: str, weights: str | None, *, learns: bool) -> str:
    whose = f"'{weights}'" if weights is not None else "it"
    having = f", with the weights that {whose} had at each moment" if learns else ""
    return (
        f"What strategy '{strategy}' would have earned per decision on surface '{surface}'{having}; "
        "all rewards in the log count, late ones too."
    )


def _figure(estimate: Estimate) -> Figure:
    return Figure(estimate.value, estimate.low, estimate.high, estimate.std_error)


def _counts(left_out: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "none"
