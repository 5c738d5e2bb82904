"""A strategy that learns from the log while it goes through it, by the same fold that serves.

What it is asked has three answers, which differ by far in one log:

- *run*: what a learning run would have earned. A decision is kept with a probability in proportion to how much likelier
  the strategy was to make it, so that those kept come as if it had made them, and only from these it learns (rejection
  replay; Dudík, Erhan, Langford, Li 2012, "Sample-efficient nonstationary policy evaluation for contextual bandits",
  UAI, algorithm 1).
- *progressive*: before each decision, what it would have made of it; then it learns from it, whoever made it. It sees
  far more than a run of its own would, so it tells how well the strategy can learn, not what it would earn.
- *final*: what it would earn with what it knew at last, having learned from the first part of the log, on the rest.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from bandstand.ask import understand
from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.evaluate.past import Past
from bandstand.events import Decided, Entry
from bandstand.model import Model
from bandstand.rank import slate_propensities
from bandstand.recipe import Recipe
from bandstand.replay import Progress, Revisited
from bandstand.store import EventLog, entries
from bandstand.strategy import Strategy

Learning = Literal["run", "progressive", "final"]

EVALUATED: Final = "evaluated"
"""The strategy that learns, and its weights, while it goes through the log."""

PUBLISH_EVERY: Final = 100
"""Decisions learned from until the next one is made with what they taught."""

_QUANTILE: Final = 0.005  # of logged over wanted probabilities: so few rows may be wanted more than can be kept
_REMEMBERED: Final = 10_000  # of these, the latest


class Kept(NamedTuple):
    """Whether a decision teaches, and whether it is answered for."""

    teaches: bool
    asked: bool


def learning(
    log: EventLog,
    past: Past,
    strategy: Strategy,
    how: Learning,
    *,
    train: float = 0.5,
    part: float = 1.0,
    publish_every: int = PUBLISH_EVERY,
    progress: Progress | None = None,
) -> Iterator[Revisited]:
    """The decisions that are answered for, each with the model as it then stood; of a run, those that were kept.

    The model's weights called `EVALUATED` are what `strategy` has learned so far: see `recipe`. Only the first `part`
    of the decisions is gone through; of "final", `train` is the share of these that are only learned from.
    """
    if EVALUATED in past.strategies:
        raise InputError(
            f"strategy {EVALUATED!r}: the log has one of that name, which is the name of what is evaluated; evaluate "
            "without learning",
            field="strategy",
        )
    places = np.sort(past.stops.in_order()[:, 3]).tolist()
    places = places[: int(part * len(places))]
    split = int(train * len(places))
    choose = _chooser(strategy, how, split=split)
    model, done, unpublished = Model(), 0, 0
    for entry in entries(log):
        if done == len(places):
            break
        fact, kept = entry.fact, Kept(teaches=False, asked=False)
        if entry.seq == places[done] and isinstance(fact, Decided):
            model.state.strategies[EVALUATED] = strategy
            if unpublished >= publish_every or (how == "final" and done == split):
                unpublished = 0
                model.publish()
                if model.fit_due:
                    model.fit()
            kept = choose(model, fact)
            if kept.asked:
                yield Revisited(model, entry.seq, fact)
            unpublished += kept.teaches
            done += 1
            if progress is not None:
                progress(done, len(places))
        if isinstance(fact, Decided):
            fact = msgspec.structs.replace(fact, teaches=(EVALUATED,) if kept.teaches else ())
            entry = Entry(entry.seq, entry.at, fact)
        model.step(entry)


def recipe(strategy: Strategy) -> Recipe:
    """The strategy with what it has learned so far."""
    return Recipe(EVALUATED, strategy, EVALUATED)


def _chooser(strategy: Strategy, how: Learning, *, split: int) -> Callable[[Model, Decided], Kept]:
    match how:
        case "progressive":
            return lambda model, fact: Kept(teaches=True, asked=True)
        case "final":
            seen = count()
            return lambda model, fact: Kept(teaches=(early := next(seen) < split), asked=not early)
        case "run":
            return _Rejection(strategy).keep


class _Rejection:
    """Keeps a decision with probability min(1, c · wanted / logged), c the quantile of logged over wanted so far.

    The larger c, the more is kept, and the more rows are wanted more than can be kept: these bias the run a little.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._recipe = recipe(strategy)
        self._ratios: list[float] = []
        self._c = 0.0
        self._renewed = 0

    def keep(self, model: Model, fact: Decided) -> Kept:
        asked = understand(model.state, fact.request, fact.decision)
        wanted = slate_propensities(model, asked, self._recipe, [pick.item for pick in fact.picks])
        weight = float(np.prod(wanted / [pick.propensity for pick in fact.picks])) / (1.0 - fact.dropped)
        if weight > 0:
            self._ratios.append(1.0 / weight)
            if len(self._ratios) >= self._renewed * 1.1:  # often at first, when it changes much
                self._renewed = len(self._ratios)
                self._c = float(np.quantile(self._ratios[-_REMEMBERED:], _QUANTILE))
        kept = uniform("rejection", fact.decision, 0) < self._c * weight
        return Kept(teaches=kept, asked=kept)
